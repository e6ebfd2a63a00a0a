//! Figures, printed: `cargo test --test it -- --ignored --nocapture events::measure`.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use sqlx::PgConnection;
use stampede::{
    flows::event_relay::EventRelay,
    kernel::clock::Clock,
    shop::events::{self, Consumer, Event, Fault},
    workers::Role,
};

use super::support::{
    Consuming, Taker, about, numbered, plan, shop, until_taken, waiting, write_many,
};
use crate::harness::{PATIENCE, Plan, until};

/// Notes how late it takes each event over.
struct Stopwatch(Mutex<Vec<Duration>>);

#[async_trait]
impl Consumer for Stopwatch {
    fn name(&self) -> &'static str {
        "stopwatch"
    }

    fn keys(&self) -> &'static [&'static str] {
        &["stock.*.v1"]
    }

    async fn take(&self, _: &mut PgConnection, event: &Event) -> Result<(), Fault> {
        let late = (Clock::system().now() - event.time).to_std().unwrap_or_default();
        self.0.lock().unwrap().push(late);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn events_a_second() {
    let all = Taker::new("all").shared();
    let shop = shop(Plan::default().roles(&[]), &[&all]).await;
    let (pool, rabbit) = (shop.app.pool.clone(), shop.app.rabbit.clone());
    rabbit.wait_connected(PATIENCE).await.unwrap();
    for bite in [100, 500, 1000] {
        let (events, consumers) = (shop.app.events.clone(), shop.app.consumers.clone());
        let mut relay =
            EventRelay::new(pool.clone(), rabbit.clone(), events, consumers, bite, PATIENCE);
        write_many(&pool, numbered(20_000)).await;
        assert!(relay.lead().await.unwrap());
        let began = Instant::now();
        while waiting(&pool).await > 0 {
            for _ in 0..10 {
                relay.round().await.unwrap();
            }
        }
        let took = began.elapsed().as_secs_f64();
        println!("relay, bites of {bite}: {:.0} events a second", 20_000.0 / took);
        relay.resign();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let began = Instant::now();
    let role = Consuming::start(&shop);
    until_taken(&shop, "all", 60_000).await;
    let took = began.elapsed().as_secs_f64();
    println!("one consumer: {:.0} events a second", 60_000.0 / took);
    role.stop().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn from_commit_to_consumer() {
    for roles in [&[Role::OutboxRelay, Role::EventConsumer] as &[Role], &[Role::EventConsumer]] {
        let watch = Arc::new(Stopwatch(Mutex::default()));
        let consumers = vec![Arc::clone(&watch) as Arc<dyn Consumer>];
        let shop = Plan { web: false, consumers, ..plan().roles(roles) }.start().await;
        // the relay in this process, or in another one, which is woken by notifications
        let elsewhere = (roles.len() == 1).then(|| shop.spawn(&["work", "outbox-relay"]));
        let noted = || watch.0.lock().unwrap().len();
        let write = async || {
            let mut event = about("CAP");
            let mut tx = shop.app.pool.begin().await.unwrap();
            event.time = shop.app.clock.now();
            events::store::append(&mut *tx, &[event]).await.unwrap();
            tx.commit().await.unwrap();
            shop.app.outbox.wake();
        };
        let declared =
            || shop.app.events.declare(&shop.app.pool, &shop.app.rabbit, &shop.app.consumers);
        until("the broker is there", async || declared().await.is_ok()).await;
        write().await;
        until("the first", async || noted() == 1).await;
        for (rate, count) in [(20, 200), (200, 2000)] {
            watch.0.lock().unwrap().clear();
            let mut tick = tokio::time::interval(Duration::from_millis(1000 / rate));
            for _ in 0..count {
                tick.tick().await;
                write().await;
            }
            until("all of them", async || noted() == count).await;
            let mut late = watch.0.lock().unwrap().clone();
            late.sort();
            let at = |percent: usize| late[late.len() * percent / 100];
            let place = if elsewhere.is_some() { "in another process" } else { "in this process" };
            println!(
                "relay {place}, {rate} transactions a second: p50 {:?}, p99 {:?}, max {:?}",
                at(50),
                at(99),
                late.last().unwrap()
            );
        }
        drop(elsewhere);
        shop.close().await;
    }
}
