//! An old Redis that lives on, and a web process that knows of no other.

use std::sync::atomic::Ordering::Relaxed;

use reqwest::StatusCode;

use super::{crowd::Crowd, paper};
use crate::harness::{Plan, SALE, Servers};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_process_that_publishes_under_an_old_epoch_is_refused() {
    let old = Servers::shared().with_own_redis();
    let servers = Servers::shared().with_own_redis();
    // this one serves from the new Redis, where nothing is open yet
    let mut shop = Plan { servers, ..Plan::default().roles(&[]) }.start().await;
    let new_redis = shop.servers.redis_url.clone();
    point_at(&mut shop.variables, &old.redis_url);
    let stale = shop.spawn(&["serve"]);
    let keeper = shop.spawn(&["work"]);
    shop.import(SALE).await;
    stale.until_serving().await;

    let crowd = Crowd::start(&shop, &[&stale.url]);
    crowd.until_promised(150).await;
    drop(keeper);
    point_at(&mut shop.variables, &new_redis);
    let workers = shop.spawn(&["work"]);
    shop.until_open("run").await;

    let promised = crowd.told.promises.load(Relaxed);
    crowd.until_unavailable(60).await;
    let late = crowd.told.promises.load(Relaxed) - promised;
    // orders are on record in Postgres, whichever process was asked; carts promise nothing more
    tracing::info!(late, "promises that were just being made");
    let there = shop.shopper().await.at(&stale.url);
    for _ in 0..5 {
        let refused = there.put("CAP", 1).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
    }
    crowd.doors.set(&[&shop.url]);
    crowd.until_promised(60).await;
    let visitors = crowd.stop().await;
    paper::check(&shop, &visitors).await;
    drop(stale);
    shop.close().await;
    drop(workers);
}

fn point_at(variables: &mut [(String, String)], redis: &str) {
    for (name, value) in variables {
        if name == "REDIS_URL" {
            redis.clone_into(value);
        }
    }
}
