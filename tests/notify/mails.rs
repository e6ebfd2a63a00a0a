//! What is asked for is sent once, and says what is true.

use std::collections::BTreeSet;

use stampede::shop::{events::Fact, mail};

use super::{
    desk::{Bought, at_desk, event, order_fact, refunded},
    maildev::MailDev,
};

#[tokio::test]
async fn an_order_s_letters_come_as_text_and_as_html() {
    let server = MailDev::start().await;
    at_desk(&[("STAMPEDE_MAIL__URL", &server.setting())], |desk| async move {
        let paid = desk.order(Bought::default()).await;
        desk.ask_for_mail(&event(Fact::OrderPaid(order_fact(paid, "paid", None)))).await;
        assert_eq!(desk.mailing().send_due(10).await.unwrap().sent, 1);

        let mail = server.only("ada@example.org").await;
        assert_eq!(mail["subject"], "Your order is paid: Night Run");
        assert_eq!(mail["from"][0]["address"], "shop@night.example");
        assert_eq!(mail["from"][0]["name"], "Night Runners");
        assert_eq!(mail["headers"]["auto-submitted"], "auto-generated");
        for body in ["text", "html"].map(|part| mail[part].as_str().unwrap()) {
            for said in [
                "Ada Lovelace",
                "Night Run",
                "Runner One – EU 42",
                "€258.00",
                &paid.to_string(),
                &format!("https://shop.example/orders/{paid}"),
            ] {
                assert!(body.contains(said), "{said} in {body}");
            }
        }
        assert!(mail["text"].as_str().unwrap().contains("2 x Runner One – EU 42: €258.00"));
    })
    .await;
}

#[tokio::test]
async fn each_outcome_has_its_letter_and_what_the_buyer_has_just_seen_has_none() {
    let server = MailDev::start().await;
    at_desk(&[("STAMPEDE_MAIL__URL", &server.setting())], |desk| async move {
        for (email, status, reason) in [
            ("declined@example.org", "declined", "card_declined"),
            ("late@example.org", "cancelled", "hold_expired"),
            ("changed@example.org", "cancelled", "cart_changed"),
        ] {
            let bought = Bought { email, status, reason: Some(reason), ..Bought::default() };
            let fact = order_fact(desk.order(bought).await, status, Some(reason));
            let fact = if status == "declined" {
                Fact::OrderDeclined(fact)
            } else {
                Fact::OrderCancelled(fact)
            };
            desk.ask_for_mail(&event(fact)).await;
        }
        let order = desk.order(Bought { email: "back@example.org", ..Bought::default() }).await;
        let first = refunded(&desk, order, 12_900).await;
        desk.ask_for_mail(&first).await;
        assert_eq!(desk.mailing().send_due(10).await.unwrap().sent, 3);

        let text = |mail: &serde_json::Value| mail["text"].as_str().unwrap().to_owned();
        let declined = text(&server.only("declined@example.org").await);
        assert!(declined.contains("The card was refused by its bank. No money was taken"));
        let late = text(&server.only("late@example.org").await);
        assert!(late.contains("not completed while the items were set aside"), "{late}");
        let back = text(&server.only("back@example.org").await);
        assert!(back.contains("We gave back €129.00 of €258.00"), "{back}");

        // the rest of it follows
        let second = refunded(&desk, order, 12_900).await;
        desk.ask_for_mail(&second).await;
        assert_eq!(desk.mailing().send_due(10).await.unwrap().sent, 1);
        let mails = server.mails().await;
        let rest = text(mails.last().unwrap());
        assert!(rest.contains("We gave back €129.00 for your order"), "{rest}");
        assert!(rest.contains("that is €258.00 in all"), "{rest}");
        assert_eq!(mails.len(), 4);
    })
    .await;
}

#[tokio::test]
async fn what_people_typed_does_no_harm_in_a_letter() {
    let server = MailDev::start().await;
    at_desk(&[("STAMPEDE_MAIL__URL", &server.setting())], |desk| async move {
        let nasty = "<script>alert(1)</script>\r\nBcc: all@example.org\r\n\r\nTotal: €0.00";
        desk.write("UPDATE sales SET title = E'Night\\r\\nBcc: all@example.org\\r\\n\\r\\n<b>Run'")
            .await;
        let bought = Bought { name: nasty, title: nasty, ..Bought::default() };
        let fact = order_fact(desk.order(bought).await, "paid", None);
        desk.ask_for_mail(&event(Fact::OrderPaid(fact))).await;
        desk.mailing().send_due(10).await.unwrap();

        let mails = server.mails().await;
        assert_eq!(mails.len(), 1, "to the buyer and nobody else");
        assert_eq!(mails[0]["subject"], "Your order is paid: Night Bcc: all@example.org <b>Run");
        assert!(mails[0]["headers"].get("bcc").is_none());
        let html = mails[0]["html"].as_str().unwrap();
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        let text = mails[0]["text"].as_str().unwrap();
        assert!(!text.lines().any(|line| line.starts_with("Bcc") || line == "Total: €0.00"));
    })
    .await;
}

#[tokio::test]
async fn the_same_event_twice_is_one_letter() {
    let server = MailDev::start().await;
    at_desk(&[("STAMPEDE_MAIL__URL", &server.setting())], |desk| async move {
        let paid = desk.paid().await;
        desk.ask_for_mail(&paid).await;
        desk.ask_for_mail(&paid).await;
        assert_eq!(desk.mailing().send_due(10).await.unwrap().sent, 1);
        desk.ask_for_mail(&paid).await;
        assert_eq!(desk.mailing().send_due(10).await.unwrap().taken, 0);
        assert_eq!(server.mails().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn two_senders_send_nothing_twice() {
    let server = MailDev::start().await;
    at_desk(&[("STAMPEDE_MAIL__URL", &server.setting())], |desk| async move {
        for _ in 0..40 {
            desk.ask_for_mail(&desk.paid().await).await;
        }
        let all = async |mailing: stampede::flows::mailing::Mailing| {
            let mut sent = 0;
            loop {
                match mailing.send_due(4).await.unwrap().sent {
                    0 => return sent,
                    some => sent += some,
                }
            }
        };
        let (one, other) = tokio::join!(all(desk.mailing()), all(desk.mailing()));
        assert_eq!(one + other, 40);
        let mails = server.mails().await;
        let ids: BTreeSet<_> = mails
            .iter()
            .map(|mail| mail["headers"]["message-id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!((mails.len(), ids.len()), (40, 40));
    })
    .await;
}

#[tokio::test]
async fn a_sender_who_died_leaves_the_same_letter_to_the_next() {
    let server = MailDev::start().await;
    at_desk(&[("STAMPEDE_MAIL__URL", &server.setting())], |desk| async move {
        desk.ask_for_mail(&desk.paid().await).await;
        let lease = std::time::Duration::from_mins(1);
        let taken = mail::store::take_over(&desk.pool, 10, lease).await.unwrap();
        assert_eq!(desk.mailing().send_due(10).await.unwrap().taken, 0, "while the lease holds");
        desk.time_passes().await;
        assert_eq!(desk.mailing().send_due(10).await.unwrap().sent, 1);
        let id = server.only("ada@example.org").await["headers"]["message-id"].clone();
        assert_eq!(id, format!("<{}@night.example>", taken[0].id));
        assert!(
            !mail::store::sent(&desk.pool, &taken[0]).await.unwrap(),
            "he is not asked any more"
        );
    })
    .await;
}

/// The negative control: with a lease of nothing, both get the same letter to send, and only the
/// later one's word counts.
#[tokio::test]
async fn without_a_lease_two_senders_take_the_same_letter() {
    at_desk(&[], |desk| async move {
        desk.ask_for_mail(&desk.paid().await).await;
        let take = || mail::store::take_over(&desk.pool, 10, std::time::Duration::ZERO);
        let (one, other) = (take().await.unwrap(), take().await.unwrap());
        assert_eq!(one[0].id, other[0].id);
        assert!(!mail::store::sent(&desk.pool, &one[0]).await.unwrap());
        assert!(mail::store::sent(&desk.pool, &other[0]).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn without_a_server_letters_are_files() {
    at_desk(&[], |desk| async move {
        let folder = &desk.config.mail.folder;
        desk.ask_for_mail(&desk.paid().await).await;
        assert_eq!(desk.mailing().send_due(10).await.unwrap().sent, 1);
        // a sender who died after he had written it
        desk.write("UPDATE mails SET status = 'waiting', next_try_at = clock_timestamp()").await;
        assert_eq!(desk.mailing().send_due(10).await.unwrap().sent, 1);
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap()).collect();
        let names: Vec<_> =
            files.iter().map(|file| file.file_name().into_string().unwrap()).collect();
        assert_eq!(names.len(), 1, "{names:?}");
        assert!(names[0].ends_with("-order-paid.eml"), "{names:?}");
        let file = std::fs::read_to_string(files[0].path()).unwrap();
        assert!(file.contains("To: ada@example.org\r\n"), "{file}");
    })
    .await;
}

#[tokio::test]
async fn letters_go_no_faster_than_the_rate() {
    at_desk(&[("STAMPEDE_MAIL__RATE", "10")], |desk| async move {
        for _ in 0..11 {
            desk.ask_for_mail(&desk.paid().await).await;
        }
        let (mailing, began) = (desk.mailing(), std::time::Instant::now());
        while mailing.send_due(100).await.unwrap().taken > 0 {}
        assert!(began.elapsed() >= std::time::Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!(desk.count("mails", "sent").await, 11);
    })
    .await;
}

#[tokio::test]
async fn what_was_sent_long_ago_is_forgotten() {
    at_desk(&[], |desk| async move {
        for _ in 0..2 {
            desk.ask_for_mail(&desk.paid().await).await;
        }
        let mailing = desk.mailing();
        mailing.send_due(10).await.unwrap();
        desk.ask_for_mail(&desk.paid().await).await;
        desk.write(
            "UPDATE mails SET done_at = now() - interval '31 days' WHERE id = (
                        SELECT id FROM mails WHERE status = 'sent' LIMIT 1)",
        )
        .await;
        assert_eq!(mailing.forget().await.unwrap(), 1);
        assert_eq!(
            (desk.count("mails", "sent").await, desk.count("mails", "waiting").await),
            (1, 1)
        );
    })
    .await;
}
