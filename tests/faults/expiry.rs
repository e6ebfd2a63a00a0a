//! Carts that are not paid in time.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use reqwest::StatusCode;
use stampede::workers::Role;

use super::{blocking, units};
use crate::harness::{Client, PATIENCE, Plan, SALE, Servers, Shop, until};

/// As long as it takes on a busy machine to fill the carts, and not much longer.
const HOLD: &str = "6s";

fn short_sale() -> String {
    SALE.replace("hold = \"10m\"", &format!("hold = \"{HOLD}\""))
}

/// Takes all 50 of them, two a shopper, and says when the last hold ends.
async fn take_all(shop: &Shop) -> (Vec<Client>, DateTime<Utc>) {
    let shoppers = join_all((0..25).map(|_| shop.shopper())).await;
    let answers = join_all(shoppers.iter().map(|shopper| shopper.put("RUN1-42", 2))).await;
    let ends = answers.iter().map(|answer| {
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.body["expires_at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap()
    });
    let last = ends.max().unwrap();
    (shoppers, last)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_paid_in_time_is_for_sale_again_at_once() {
    let shop = Plan::default().start().await;
    shop.import(&short_sale()).await;
    shop.until_open("run").await;
    let (shoppers, ends) = take_all(&shop).await;
    let waiting = shop.shopper().await;
    assert_eq!(waiting.put("RUN1-42", 1).await.code(), "sold_out");

    until("the holds' end", async || shop.app.clock.now() >= ends).await;
    let ended = Instant::now();
    until("all 50 units back", async || units(&shop, "RUN1-42").await.available == 50).await;
    // two seconds are promised; a busy machine is forgiven as much again
    let late = ended.elapsed();
    assert!(late < Duration::from_secs(4), "back {late:?} after the end");
    assert_eq!(waiting.put("RUN1-42", 1).await.status, StatusCode::CREATED);
    for shopper in &shoppers {
        assert_eq!(shopper.cart().await.code(), "hold_expired");
    }
    // the next PUT begins a new hold
    assert_eq!(shoppers[0].put("RUN1-42", 1).await.status, StatusCode::CREATED);
    assert_eq!(shoppers[0].cart().await.status, StatusCode::OK);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expirer_that_is_killed_and_a_redis_that_is_lost_revive_no_cart() {
    let others: Vec<Role> =
        Role::ALL.into_iter().filter(|role| *role != Role::HoldExpirer).collect();
    let servers = Servers::shared().with_own_redis();
    let shop = Plan { servers, ..Plan::default().roles(&others) }.start().await;
    shop.import(&short_sale()).await;
    shop.until_open("run").await;
    let (shoppers, ends) = take_all(&shop).await;

    until("the holds' end", async || shop.app.clock.now() >= ends).await;
    let began = Instant::now();
    for round in 0.. {
        let mut expirer = shop.spawn(&["work", "hold-expirer"]);
        tokio::time::sleep(Duration::from_millis(150 + 9 * round)).await;
        expirer.kill();
        if units(&shop, "RUN1-42").await.available == 50 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "the expirers get nothing done");
    }
    let redis = shop.servers.redis.as_ref().unwrap();
    blocking(|| {
        redis.kill();
        redis.again();
    });
    shop.until_open("run").await;
    let found = units(&shop, "RUN1-42").await;
    assert_eq!((found.available, found.held), (50, 0));
    for shopper in &shoppers {
        assert_eq!(shopper.cart().await.code(), "hold_expired");
    }
    shop.close().await;
}
