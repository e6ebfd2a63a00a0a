//! `RabbitMQ` is killed, with and without its data.

use std::time::Duration;

use reqwest::StatusCode;
use stampede::workers::Role;

use super::{blocking, crowd::Crowd, paper, wait_for};
use crate::harness::{Plan, SALE, Servers, Shop};

async fn open_shop(roles: &[Role]) -> Shop {
    let servers = Servers::shared().with_own_rabbit();
    let shop = Plan { servers, ..Plan::default().roles(roles) }.start().await;
    shop.import(SALE).await;
    shop.until_open("run").await;
    shop
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn carts_pause_while_the_broker_is_away_and_checkouts_go_on() {
    let shop = open_shop(&Role::ALL).await;
    let crowd = Crowd::start(&shop, &[&shop.url]);
    for _ in 0..2 {
        crowd.until_promised(150).await;
        let (buyer, taker) = (shop.shopper().await, shop.shopper().await);
        assert_eq!(buyer.put("CAP", 1).await.status, StatusCode::CREATED);

        let rabbit = shop.servers.rabbit.as_ref().unwrap();
        blocking(|| rabbit.kill());
        let refused = taker.put("CAP", 1).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
        assert_eq!(refused.code(), "unavailable");
        let bought = buyer.checkout("key", "card_ok").await;
        assert_eq!(bought.status, StatusCode::CREATED, "{bought:?}");
        crowd.until_unavailable(20).await;

        blocking(|| rabbit.again());
        crowd.until_promised(50).await;
        // the same request mends what was left without an answer
        wait_for("the line that was not confirmed", async || {
            let answer = taker.put("CAP", 1).await;
            (answer.status == StatusCode::OK).then_some(())
        })
        .await;
        assert_eq!(taker.delete("CAP").await.status, StatusCode::NO_CONTENT);
    }
    let visitors = crowd.stop().await;
    paper::check(&shop, &visitors).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_just_after_its_first_stream_gets_another() {
    let servers = Servers::shared().with_own_rabbit();
    let shop = Plan { servers, ..Plan::default() }.start().await;
    shop.import(SALE).await;
    let rabbit = shop.servers.rabbit.as_ref().unwrap();
    wait_for("a stream", async || (generation(&shop).await > 0).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    blocking(|| {
        rabbit.kill();
        rabbit.again();
    });
    shop.until_open("run").await;
    assert!(generation(&shop).await > 1, "the first stream was trusted");
    let shopper = shop.shopper().await;
    wait_for("a line", async || {
        let answer = shopper.put("CAP", 1).await;
        (answer.status == StatusCode::CREATED).then_some(())
    })
    .await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_comes_back_empty_gets_every_claim_again() {
    let others: Vec<Role> =
        Role::ALL.into_iter().filter(|role| *role != Role::CartWriter).collect();
    let shop = open_shop(&others).await;
    let crowd = Crowd::start(&shop, &[&shop.url]);
    let rabbit = shop.servers.rabbit.as_ref().unwrap();
    for _ in 0..2 {
        // with nobody to take them over, all promises since the last loss are in the broker alone
        crowd.until_promised(200).await;
        let before = generation(&shop).await;
        blocking(|| {
            rabbit.kill();
            rabbit.wipe();
            rabbit.again();
        });
        wait_for("another stream", async || (generation(&shop).await > before).then_some(())).await;
        crowd.until_promised(50).await;
    }
    let visitors = crowd.stop().await;
    let writer = shop.spawn(&["work", "cart-writer"]);
    paper::check(&shop, &visitors).await;
    shop.close().await;
    drop(writer);
}

async fn generation(shop: &Shop) -> i64 {
    let found = sqlx::query_scalar("SELECT coalesce(max(generation), 0) FROM cart_streams");
    found.fetch_one(&shop.app.pool).await.unwrap()
}
