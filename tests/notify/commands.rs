//! `stampede webhooks`, by the real binary.

use std::process::{Command, Output};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    desk::{Desk, at_desk},
    endpoint::Endpoint,
};

async fn stampede(desk: &Desk, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stampede"));
    command.args(arguments).env_clear();
    command.envs(desk.variables.iter().map(|(name, value)| (name, value)));
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn says(desk: &Desk, arguments: &[&str]) -> String {
    let output = stampede(desk, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn refuses(desk: &Desk, arguments: &[&str]) -> (i32, String) {
    let output = stampede(desk, arguments).await;
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn field(said: &str, name: &str) -> String {
    let line = said.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name} in {said}")).trim().to_owned()
}

fn key(secret: &str) -> Vec<u8> {
    STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap()
}

#[tokio::test]
async fn an_endpoint_s_life_from_the_command_line() {
    let endpoint = Endpoint::answering(200).await;
    at_desk(&[], |desk| async move {
        let said =
            says(&desk, &["webhooks", "add", &endpoint.url(), "--event", "order.paid.v1"]).await;
        let (id, secret) = (field(&said, "id"), field(&said, "secret"));
        assert_eq!(field(&said, "events"), "order.paid.v1");

        let listed = says(&desk, &["webhooks", "list"]).await;
        assert!(listed.contains(&id) && listed.contains("enabled"), "{listed}");
        assert!(!listed.contains("whsec_"), "a secret is shown once: {listed}");

        let said = says(&desk, &["webhooks", "test", &id]).await;
        assert!(said.contains("200"), "{said}");
        let test = endpoint.received().pop().unwrap();
        assert_eq!(test.json()["type"], "webhook.test.v1");
        assert_eq!(test.signed_by(&key(&secret)), 1);

        let rotated = field(&says(&desk, &["webhooks", "rotate", &id]).await, "secret");
        says(&desk, &["webhooks", "test", &id]).await;
        let test = endpoint.received().pop().unwrap();
        assert_eq!((test.signed_by(&key(&secret)), test.signed_by(&key(&rotated))), (1, 1));

        desk.ask_for_deliveries(&desk.paid().await).await;
        desk.deliver().await;
        let log = says(&desk, &["webhooks", "log", &id]).await;
        assert!(log.contains("order.paid.v1") && log.contains("200 delivered"), "{log}");

        says(&desk, &["webhooks", "disable", &id]).await;
        assert!(says(&desk, &["webhooks", "list"]).await.contains("disabled (asked)"));
        says(&desk, &["webhooks", "enable", &id]).await;
        assert!(says(&desk, &["webhooks", "list"]).await.contains("enabled"));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_a_reason() {
    let broken = Endpoint::answering(500).await;
    at_desk(&[("STAMPEDE_WEBHOOKS__ALLOW_PRIVATE", "false")], |desk| async move {
        for url in [
            "https://localhost/",
            "https://10.0.0.1/",
            "https://[::ffff:10.0.0.1]/",
            "http://example.org/",
            "x",
        ] {
            let (code, said) = refuses(&desk, &["webhooks", "add", url]).await;
            assert_eq!(code, 1, "{url}: {said}");
        }
        let of_kind = ["webhooks", "add", "https://example.org/", "--event", "order.lost.v1"];
        let (code, said) = refuses(&desk, &of_kind).await;
        assert!(code == 2 && said.contains("order.paid.v1"), "{said}");
        let none = "whe_00000000000000000000000000000000";
        for verb in ["test", "disable", "enable", "rotate", "log"] {
            let (code, said) = refuses(&desk, &["webhooks", verb, none]).await;
            assert!(code == 1 && said.contains("no endpoint"), "{verb}: {said}");
            assert_eq!(refuses(&desk, &["webhooks", verb, "1"]).await.0, 2);
        }
        assert!(webhooks_are_none(&desk).await);
        // it stands in the table, and is not spoken to
        let id = desk.endpoint(&broken.url().replace("http:", "https:")).await.to_string();
        let (code, said) = refuses(&desk, &["webhooks", "test", &id]).await;
        assert!(code == 1 && said.contains("not public"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn a_test_that_is_not_taken_says_what_was_answered() {
    let broken = Endpoint::answering(500).await;
    at_desk(&[], |desk| async move {
        let id = desk.endpoint(&broken.url()).await.to_string();
        let output = stampede(&desk, &["webhooks", "test", &id]).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stdout).contains("answer  500"), "{output:?}");
    })
    .await;
}

async fn webhooks_are_none(desk: &Desk) -> bool {
    desk.number("SELECT COUNT(*) FROM webhook_endpoints").await == 0
}
