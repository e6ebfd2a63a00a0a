//! Processes that are asked to leave, or that cannot begin.

use std::{
    net::TcpListener,
    process::{Command, Output, Stdio},
    time::Duration,
};

use reqwest::StatusCode;

use super::{another_web, crowd::Crowd, paper, wait_for};
use crate::harness::{Plan, Shop};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_drains_and_what_was_promised_is_kept() {
    let shop = Shop::open().await;
    let mut web = another_web(&shop).await;
    let crowd = Crowd::start(&shop, &[&web.url]);
    for _ in 0..3 {
        crowd.until_promised(80).await;
        web.terminate();
        crowd.doors.set(&[&shop.url]);
        assert_eq!(web.exit_code().await, Some(0));
        crowd.until_promised(20).await;
        web = another_web(&shop).await;
        crowd.doors.set(&[&web.url]);
    }
    let visitors = crowd.stop().await;
    paper::check(&shop, &visitors).await;
    drop(web);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_answers_what_is_under_way() {
    let shop = Shop::open().await;
    let mut web = another_web(&shop).await;
    let shopper = shop.shopper().await.at(&web.url);
    assert_eq!(shopper.put("CAP", 1).await.status, StatusCode::CREATED);
    let buying = tokio::spawn(async move { shopper.checkout("key", "card_slow").await });
    until_charging(&shop).await;
    web.terminate();
    let bought = buying.await.unwrap();
    assert_eq!(bought.status, StatusCode::CREATED, "{bought:?}");
    assert_eq!(web.exit_code().await, Some(0));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sigterm_ends_at_once_and_somebody_else_finishes() {
    let shop = Plan::default().with("STAMPEDE_CHECKOUT__LEASE", "5s").start().await;
    shop.import(crate::harness::SALE).await;
    shop.until_open("run").await;
    let mut web = another_web(&shop).await;
    let shopper = shop.shopper().await;
    assert_eq!(shopper.put("CAP", 1).await.status, StatusCode::CREATED);
    let there = shopper.at(&web.url);
    let buying = tokio::spawn(async move { there.try_checkout("key", "card_slow").await });
    until_charging(&shop).await;
    web.terminate();
    tokio::time::sleep(Duration::from_millis(100)).await;
    web.terminate();
    assert_eq!(web.exit_code().await, Some(143));
    assert!(buying.await.unwrap().is_err(), "it was answered although the process had ended");
    wait_for("the order", async || {
        let answer = shopper.checkout("key", "card_slow").await;
        (answer.status == StatusCode::CREATED).then_some(())
    })
    .await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_said_clearly() {
    let shop = Plan::default().roles(&[]).start().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (setting, other) in [
        ("STAMPEDE_WEB__LISTEN", "STAMPEDE_OPS__LISTEN"),
        ("STAMPEDE_OPS__LISTEN", "STAMPEDE_WEB__LISTEN"),
    ] {
        let ended = serve(&shop, &[(setting, &address), (other, "127.0.0.1:0")]);
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot listen on"), "{said}");
        assert!(said.contains(&address), "{said}");
        assert!(said.contains(setting), "{said}");
        assert!(said.contains("in use"), "{said}");
    }
    drop(taken);
    shop.close().await;
}

/// Waits until a checkout is about to be charged, which takes `card_slow` two seconds.
async fn until_charging(shop: &Shop) {
    wait_for("a checkout under way", async || {
        let query = "SELECT count(*) FROM checkouts WHERE step = 'authorise'";
        let found: i64 = sqlx::query_scalar(query).fetch_one(&shop.app.pool).await.unwrap();
        (found > 0).then_some(())
    })
    .await;
}

/// Runs `stampede serve` with other settings, to its end.
fn serve(shop: &Shop, settings: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stampede"));
    command.arg("serve").env_clear().envs(shop.variables.iter().cloned());
    command.envs(settings.iter().copied()).stdin(Stdio::null());
    super::blocking(|| command.output().unwrap())
}
