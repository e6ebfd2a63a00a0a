//! Bad days of the SMTP server, and letters that it does not take.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rustls::pki_types::PrivateKeyDer;
use stampede::shop::{dead_letters::Replayed, events::Fact};
use tokio_rustls::TlsAcceptor;

use super::{
    desk::{Bought, Desk, at_desk, event, order_fact},
    maildev::MailDev,
    smtp::{Smtp, well},
};
use crate::harness::free_port;

async fn ask(desk: &Desk, email: &'static str) {
    let order = desk.order(Bought { email, ..Bought::default() }).await;
    desk.ask_for_mail(&event(Fact::OrderPaid(order_fact(order, "paid", None)))).await;
}

#[tokio::test]
async fn while_the_server_is_away_letters_wait_and_then_they_go() {
    let port = free_port();
    at_desk(&[("STAMPEDE_MAIL__URL", &format!("smtp://127.0.0.1:{port}"))], |desk| async move {
        for _ in 0..3 {
            ask(&desk, "ada@example.org").await;
        }
        let mailing = desk.mailing();
        for _ in 0..20 {
            assert!(mailing.send_due(10).await.is_err());
        }
        assert_eq!(desk.count("mails", "waiting").await, 3);
        assert_eq!(desk.number("SELECT SUM(failures) FROM mails").await, 0, "no fault of theirs");
        let server = MailDev::start_at(port, &[]).await;
        assert_eq!(mailing.send_due(10).await.unwrap().sent, 3);
        assert_eq!(server.mails().await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn an_address_that_is_refused_is_a_dead_letter_without_the_address() {
    let server = Smtp::start(|command| {
        if command.contains("RCPT TO:<nobody") {
            return Some("550-5.1.1 <nobody@example.org>\r\n550 5.1.1 unknown nobody@example.org");
        }
        well(command)
    })
    .await;
    at_desk(&[("STAMPEDE_MAIL__URL", &server.setting())], |desk| async move {
        ask(&desk, "nobody@example.org").await;
        ask(&desk, "ada@example.org").await;
        let mailing = desk.mailing();
        assert_eq!(mailing.send_due(10).await.unwrap().sent, 1, "the other is none the worse");
        assert_eq!(desk.count("mails", "dead").await, 1);
        let letters = desk.dead_letters().await;
        assert_eq!((letters.len(), letters[0].source.as_str()), (1, "mail"));
        assert!(letters[0].reason.contains("550"), "{:?}", letters[0]);
        let kept = format!("{:?} {}", letters[0], String::from_utf8_lossy(&letters[0].payload));
        assert!(!kept.contains("nobody@"), "{kept}");
        let said = desk.text("SELECT last_error FROM mails WHERE status = 'dead'").await.unwrap();
        assert!(!said.contains("nobody@"), "{said}");

        server.turn(well);
        assert_eq!(desk.replay(&letters[0]).await, Replayed::Now);
        assert!(desk.dead_letters().await.is_empty());
        assert_eq!(mailing.send_due(10).await.unwrap().sent, 1);
        let again = desk.replay(&letters[0]).await;
        assert!(matches!(again, Replayed::Before(_)), "it is dead no more: {again:?}");
        assert!(server.taken().last().unwrap().contains("To: nobody@example.org"));
    })
    .await;
}

#[tokio::test]
async fn an_address_that_cannot_be_mailed_is_a_dead_letter() {
    at_desk(&[], |desk| async move {
        ask(&desk, "a..b@example.org").await;
        desk.mailing().send_due(10).await.unwrap();
        assert_eq!(desk.dead_letters().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_letter_that_is_put_off_is_tried_for_a_day_and_then_given_up() {
    let server = Smtp::start(|command| {
        if command.contains("RCPT TO") { Some("451 4.7.1 not now") } else { well(command) }
    })
    .await;
    at_desk(&[("STAMPEDE_MAIL__URL", &server.setting())], |desk| async move {
        ask(&desk, "ada@example.org").await;
        let mailing = desk.mailing();
        let mut waited = 0;
        for _ in 0..8 {
            assert_eq!(mailing.send_due(10).await.unwrap().sent, 0);
            assert_eq!(mailing.send_due(10).await.unwrap().taken, 0, "not before its time");
            waited += desk
                .number(
                    "SELECT EXTRACT(EPOCH FROM next_try_at - clock_timestamp())::bigint FROM mails",
                )
                .await;
            desk.time_passes().await;
        }
        assert!((79_000..108_000).contains(&waited), "about a day: {waited} s");
        mailing.send_due(10).await.unwrap();
        let letters = desk.dead_letters().await;
        assert!(letters[0].reason.contains("451"), "{letters:?}");
        assert_eq!(desk.count("mails", "dead").await, 1);
    })
    .await;
}

#[tokio::test]
async fn what_a_server_says_to_all_letters_counts_against_none() {
    for refusal in ["EHLO:550 not you", "AUTH:535 wrong password", "MAIL:553 not that sender"] {
        let (command, answer) = refusal.split_once(':').unwrap();
        let server = Smtp::start(
            move |said| if said.starts_with(command) { Some(answer) } else { well(said) },
        )
        .await;
        let url = format!("smtp://shop:secret@127.0.0.1:{}", server.port);
        at_desk(&[("STAMPEDE_MAIL__URL", &url)], |desk| async move {
            ask(&desk, "ada@example.org").await;
            let mailing = desk.mailing();
            let error = mailing.send_due(10).await.unwrap_err().to_string();
            assert!(error.contains(answer.split_once(' ').unwrap().0), "{refusal}: {error}");
            assert!(!error.contains("secret"), "{error}");
            assert_eq!(desk.number("SELECT failures::bigint FROM mails").await, 0, "{refusal}");
            assert!(desk.dead_letters().await.is_empty());
            server.turn(well);
            assert_eq!(mailing.send_due(10).await.unwrap().sent, 1);
        })
        .await;
    }
}

#[tokio::test]
async fn a_letter_that_was_cut_off_poisons_no_connection() {
    let stuck = Arc::new(AtomicBool::new(true));
    let seen = stuck.clone();
    let server = Smtp::start(move |command| {
        if command == "." && seen.swap(false, Ordering::SeqCst) { None } else { well(command) }
    })
    .await;
    let settings =
        [("STAMPEDE_MAIL__URL", server.setting()), ("STAMPEDE_MAIL__TIMEOUT", "300ms".to_owned())];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    at_desk(&settings, |desk| async move {
        ask(&desk, "first@example.org").await;
        let mailing = desk.mailing();
        assert_eq!(mailing.send_due(1).await.unwrap().sent, 0);
        assert_eq!(desk.number("SELECT failures::bigint FROM mails").await, 1);
        ask(&desk, "second@example.org").await;
        assert_eq!(mailing.send_due(1).await.unwrap().sent, 1);
        desk.time_passes().await;
        assert_eq!(mailing.send_due(1).await.unwrap().sent, 1);
        let taken = server.taken();
        assert_eq!(taken.len(), 2);
        assert!(taken[0].contains("To: second@example.org"), "{}", taken[0]);
        assert!(taken[1].contains("To: first@example.org"), "{}", taken[1]);
        assert!(!stuck.load(Ordering::SeqCst));
    })
    .await;
}

#[tokio::test]
async fn connections_are_kept_for_the_next_letters() {
    let server = Smtp::start(well).await;
    at_desk(&[("STAMPEDE_MAIL__URL", &server.setting())], |desk| async move {
        for _ in 0..20 {
            ask(&desk, "ada@example.org").await;
        }
        let mailing = desk.mailing();
        while mailing.send_due(10).await.unwrap().taken > 0 {}
        assert_eq!(server.taken().len(), 20);
        assert!(server.connections() <= 4, "{}", server.connections());
    })
    .await;
}

#[tokio::test]
async fn mail_goes_by_tls_to_a_server_that_is_known_and_to_no_other() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = std::env::temp_dir().join(format!("tls-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir_all(&folder).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let [cert, key] = [cert, key].map(|path| path.to_str().unwrap().to_owned());

    // from the first byte
    let server = MailDev::start_at(
        free_port(),
        &[
            "--incoming-secure",
            "--incoming-cert",
            &cert,
            "--incoming-key",
            &key,
            "--incoming-user",
            "shop",
            "--incoming-pass",
            "s3cr@t",
        ],
    )
    .await;
    is_trusted(&format!("smtps://shop:s3cr%40t@localhost:{}", server.smtp), &cert).await;
    assert_eq!(server.mails().await.len(), 1);

    // by STARTTLS, even where it is only taken when it is offered
    let server = Smtp::upgrading(acceptor(&made)).await;
    for how in ["required", "opportunistic"] {
        let url = format!("smtp://shop:s3cr%40t@localhost:{}?tls={how}", server.port);
        is_trusted(&url, &cert).await;
    }
    assert_eq!(server.taken().len(), 2);

    // a server that does not offer it is sent nothing in the clear
    let plain = Smtp::start(well).await;
    let url = format!("smtp://shop:s3cr%40t@127.0.0.1:{}?tls=required", plain.port);
    at_desk(&[("STAMPEDE_MAIL__URL", &url)], |desk| async move {
        ask(&desk, "eve@example.org").await;
        assert!(desk.mailing().send_due(10).await.is_err());
    })
    .await;
    assert!(plain.taken().is_empty());
    std::fs::remove_dir_all(folder).unwrap();
}

/// One mail goes to `url` where its certificate is known, and none where it is not.
async fn is_trusted(url: &str, cert: &str) {
    let knowing = [("STAMPEDE_MAIL__URL", url), ("STAMPEDE_MAIL__CA_FILE", cert)];
    at_desk(&knowing, |desk| async move {
        ask(&desk, "ada@example.org").await;
        assert_eq!(desk.mailing().send_due(10).await.unwrap().sent, 1);
    })
    .await;
    at_desk(&[("STAMPEDE_MAIL__URL", url)], |desk| async move {
        ask(&desk, "eve@example.org").await;
        let error = desk.mailing().send_due(10).await.unwrap_err().to_string();
        assert!(error.contains("certificate"), "{url}: {error}");
        assert!(!error.contains("s3cr"), "{error}");
    })
    .await;
}

fn acceptor(made: &rcgen::CertifiedKey<rcgen::KeyPair>) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
