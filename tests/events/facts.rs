//! What the shop tells of by itself: phases of sales, and stock that sells out and comes back.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::TimeDelta;
use serde_json::Value;
use stampede::{
    flows::{sale_phases::SalePhases, stock_flush::StockFlush},
    kernel::clock::{Clock, Timestamp},
    shop::sales,
    workers::Role,
};

use crate::harness::{Plan, SALE, Shop, until};

/// What was told of, in order: type and subject, with the whole event.
async fn told(shop: &Shop) -> Vec<(String, String, Value)> {
    let bodies: Vec<Vec<u8>> = sqlx::query_scalar("SELECT body FROM outbox ORDER BY id")
        .fetch_all(&shop.app.pool)
        .await
        .unwrap();
    let read = |body: Vec<u8>| -> Value { serde_json::from_slice(&body).unwrap() };
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    bodies
        .into_iter()
        .map(read)
        .map(|event| (text(&event, "type"), text(&event, "subject"), event))
        .collect()
}

async fn kinds(shop: &Shop) -> Vec<String> {
    told(shop).await.into_iter().map(|(kind, subject, _)| format!("{kind} {subject}")).collect()
}

fn recorder(shop: &Shop) -> SalePhases {
    let app = &shop.app;
    SalePhases::new(app.pool.clone(), app.clock.clone(), app.ids.clone(), app.outbox.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_phase_of_a_sale_is_told_once_by_however_many() {
    let began = Clock::system().now();
    let days = Arc::new(AtomicI64::new(0));
    let clock = {
        let days = Arc::clone(&days);
        Clock::from_fn(move || began + TimeDelta::days(days.load(Ordering::SeqCst)))
    };
    let shop = Plan { web: false, clock, ..Plan::default().roles(&[]) }.start().await;
    shop.import(&SALE.replace("\"+0s\"", "\"+1d\"")).await;
    let several = [recorder(&shop), recorder(&shop), recorder(&shop)];
    let look = async || {
        for _ in 0..2 {
            let [a, b, c] = &several;
            let looked = tokio::join!(a.look(), b.look(), c.look());
            assert!(looked.0.is_ok() && looked.1.is_ok() && looked.2.is_ok(), "{looked:?}");
        }
    };
    let slug = "run".parse().unwrap();
    look().await;
    assert!(kinds(&shop).await.is_empty(), "it has yet to begin");
    days.store(2, Ordering::SeqCst);
    look().await;
    shop.app.sale_terms.set_paused(&slug, true).await.unwrap();
    look().await;
    shop.app.sale_terms.set_paused(&slug, false).await.unwrap();
    look().await;
    days.store(40, Ordering::SeqCst);
    look().await;
    let expected = ["sale.opened.v1", "sale.paused.v1", "sale.opened.v1", "sale.ended.v1"];
    assert_eq!(kinds(&shop).await, expected.map(|kind| format!("{kind} run")));
    let opened = &told(&shop).await[0].2;
    let at: Timestamp = opened["time"].as_str().unwrap().parse().unwrap();
    let starts: Timestamp = opened["data"]["starts_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(at, starts, "when it opened, not when somebody looked");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_opens_is_told_of_by_the_worker() {
    let shop = Plan { web: false, ..Plan::default().roles(&[Role::SalePhases]) }.start().await;
    shop.import(SALE).await;
    until("it is told", async || kinds(&shop).await == ["sale.opened.v1 run"]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn selling_out_and_coming_back_is_told_once_however_many_flush() {
    let roles = [Role::CartWriter, Role::StockKeeper, Role::HoldExpirer];
    let shop = Plan::default().roles(&roles).start().await;
    shop.import(SALE).await;
    shop.until_open("run").await;
    let app = &shop.app;
    let flusher = || {
        let (pool, inventory) = (app.pool.clone(), app.inventory.clone());
        StockFlush::new(pool, inventory, app.clock.clone(), app.ids.clone(), app.outbox.clone())
    };
    let mut several = [flusher(), flusher(), flusher()];
    let mut flush = async || {
        let kept = sales::store::to_keep(&app.pool, app.clock.now()).await.unwrap();
        for _ in 0..2 {
            let [a, b, c] = &mut several;
            let all = tokio::join!(a.flush(&kept[0]), b.flush(&kept[0]), c.flush(&kept[0]));
            assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok(), "{all:?}");
        }
    };
    flush().await;
    assert!(kinds(&shop).await.is_empty(), "all is there");
    let (first, second) = (shop.shopper().await, shop.shopper().await);
    assert_eq!(first.put("RUN1-43", 1).await.status, 201);
    assert_eq!(first.put("CAP", 1).await.status, 201);
    flush().await;
    assert_eq!(kinds(&shop).await, ["stock.sold_out.v1 run/RUN1-43"]);
    let units = told(&shop).await[0].2["data"].clone();
    assert_eq!(
        (&units["total"], &units["available"], &units["held"]),
        (&1.into(), &0.into(), &1.into())
    );
    assert_eq!(first.delete("RUN1-43").await.status, 204);
    until("it is on the shelf", async || second.put("RUN1-43", 1).await.status == 201).await;
    assert_eq!(second.delete("RUN1-43").await.status, 204);
    let bucket = stampede::kernel::ids::Bucket::first("run".parse().unwrap());
    until("it is back", async || {
        let found = app.inventory.snapshot(&bucket).await.unwrap().unwrap();
        found.units[&"RUN1-43".parse().unwrap()].available == 1
    })
    .await;
    flush().await;
    let expected = ["stock.sold_out.v1 run/RUN1-43", "stock.returned.v1 run/RUN1-43"];
    assert_eq!(kinds(&shop).await, expected);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flusher_that_starts_anew_tells_nothing_that_was_told() {
    let shop = Plan::default()
        .roles(&[Role::CartWriter, Role::StockKeeper, Role::StockFlusher])
        .start()
        .await;
    shop.import(SALE).await;
    shop.until_open("run").await;
    let shopper = shop.shopper().await;
    assert_eq!(shopper.put("RUN1-43", 1).await.status, 201);
    until("it is told", async || !kinds(&shop).await.is_empty()).await;
    let app = &shop.app;
    let kept = sales::store::to_keep(&app.pool, app.clock.now()).await.unwrap();
    let (pool, inventory) = (app.pool.clone(), app.inventory.clone());
    let mut fresh =
        StockFlush::new(pool, inventory, app.clock.clone(), app.ids.clone(), app.outbox.clone());
    fresh.flush(&kept[0]).await.unwrap();
    assert_eq!(kinds(&shop).await, ["stock.sold_out.v1 run/RUN1-43"]);
    shop.close().await;
}
