//! Many at once, from two processes' worth of connections.

use std::sync::Arc;

use redis::Value;
use stampede::{
    kernel::{ids::ShopperId, version::Epoch},
    platform::redis::Redis,
    shop::inventory::{ClaimOutcome, Inventory},
};
use tokio::{sync::Barrier, task::JoinSet};

use super::support::*;

const SHOPPERS: usize = 400;
const UNITS: i64 = 50;

/// Lets everybody go at once, and counts who was told yes.
async fn stampede<F>(shoppers: usize, take: impl Fn(usize) -> F) -> usize
where
    F: Future<Output = bool> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(shoppers));
    let mut tasks = JoinSet::new();
    for who in 0..shoppers {
        let (barrier, take) = (Arc::clone(&barrier), take(who));
        tasks.spawn(async move {
            barrier.wait().await;
            take.await
        });
    }
    tasks.join_all().await.into_iter().filter(|taken| *taken).count()
}

async fn take(inventory: Inventory, bucket: stampede::kernel::ids::Bucket, who: ShopperId) -> bool {
    let line = [want(who, "A", 1)];
    let claimed = claim_in(&inventory, &bucket, Epoch(1), &line).await.unwrap();
    matches!(claimed.outcomes[..], [ClaimOutcome::Created { .. }])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_pairs_are_sold_fifty_times() {
    let shop = Shop::open(&[("A", UNITS)]).await;
    let processes = [shop.through(scripts()), shop.through(scripts())];
    let accepted = stampede(SHOPPERS, |who| {
        take(processes[who % 2].clone(), shop.bucket.clone(), shopper(who))
    });
    assert_eq!(accepted.await, 50);
    assert_eq!(shop.units("A").await, (0, UNITS, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_pair_is_sold_once_a_hundred_times() {
    let shop = Shop::open(&[("A", 1)]).await;
    let processes = [shop.through(scripts()), shop.through(scripts())];
    for round in 0..100 {
        let rivals = round * 8;
        let accepted = stampede(8, |who| {
            take(processes[who % 2].clone(), shop.bucket.clone(), shopper(rivals + who))
        });
        assert_eq!(accepted.await, 1, "round {round}");
        for who in rivals..rivals + 8 {
            let released = shop.take(shopper(who), "A", 0).await;
            shop.inventory.give_back(&shop.bucket, Epoch(1), &released.returned).await.unwrap();
        }
        assert_eq!(shop.units("A").await, (1, 0, 0));
    }
}

/// What a shop without scripts does: look, and then take.
async fn look_and_take(redis: Redis, key: String) -> bool {
    let left = redis.ask(redis::cmd("GET").arg(&key)).await.unwrap();
    let left: i64 = redis::from_redis_value::<i64>(left).unwrap();
    left > 0 && {
        redis.ask(redis::cmd("DECR").arg(&key)).await.unwrap();
        true
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn looking_and_taking_in_two_calls_oversells() {
    let shop = Shop::new();
    let processes = [redis(&redis_url()), redis(&redis_url())];
    for _ in 0..20 {
        let _: Value = shop.ask("SET", "left", &[&UNITS.to_string()]).await;
        let accepted =
            stampede(SHOPPERS, |who| look_and_take(processes[who % 2].clone(), shop.key("left")));
        if accepted.await > 50 {
            return;
        }
    }
    panic!("the race did not show");
}

/// Not a test of speed, which is measured by hand: `cargo test --release -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn microseconds_per_claim() {
    let shop = Shop::open(&[("A", 10_000_000), ("B", 0)]).await;
    let production = shop.through(stampede::shop::inventory::Scripts::production());
    for size in [1_u32, 16, 64, 512] {
        let info = async |section: &str, name: &str| -> f64 {
            let info = shop.redis.ask(redis::cmd("INFO").arg(section)).await.unwrap();
            let info: String = redis::from_redis_value(info).unwrap();
            let line = info.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split(",usec=").last().unwrap().split(',').next().unwrap().parse().unwrap()
        };
        let script = async || info("commandstats", "cmdstat_evalsha:").await;
        let server = async || {
            info("cpu", "used_cpu_user_main_thread:").await
                + info("cpu", "used_cpu_sys_main_thread:").await
        };
        let batch = |round: u32, sku: &str| -> Vec<_> {
            let who = |i| shopper((size << 22 | round << 12 | i) as usize);
            (0..size).map(|i| want(who(i), sku, 1)).collect()
        };
        let deadline = never();
        production.claim(&shop.bucket, Epoch(1), deadline, &[], &batch(0, "A")).await.unwrap();
        for (what, sku, repeat) in
            [("fresh", "A", false), ("repeated", "A", true), ("sold out", "B", false)]
        {
            // The least of many: other processes on the machine only ever add.
            let (mut least, began) = (f64::MAX, server().await);
            for round in 1..101 {
                let batch = batch(if repeat { 1 } else { round }, sku);
                let before = script().await;
                production.claim(&shop.bucket, Epoch(1), deadline, &[], &batch).await.unwrap();
                least = least.min(script().await - before);
            }
            println!(
                "{size:4} lines a batch, {what:8}: {:6.2} µs a line in the script at best, \
                 {:6.2} µs of the server's time on average",
                least / f64::from(size),
                (server().await - began) * 1e6 / 100.0 / f64::from(size),
            );
        }
    }
}
