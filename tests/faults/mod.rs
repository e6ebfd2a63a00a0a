//! Processes and servers that die in the middle of a sale: nothing oversold, no promise broken.
//!
//! Every test keeps a crowd of shoppers at work who repeat what was not answered, as real clients
//! do. At its end each of them must find what was promised, in the shop and on paper, besides the
//! audit of [`Shop::close`](crate::harness::Shop::close).

mod broker;
mod crowd;
mod database;
mod epochs;
mod expiry;
mod pages;
mod paper;
mod processes;
mod races;
mod signals;
mod stock;
mod visitor;

use std::{future::Future, time::Instant};

use stampede::{
    kernel::ids::{Bucket, Sku},
    shop::inventory::Units,
};

use crate::harness::{PATIENCE, Shop, Spawned};

/// Runs what blocks, such as starting a server, while the crowd goes on.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

/// Waits for a value, giving up after [`PATIENCE`].
async fn wait_for<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// A further process of the shop that serves shoppers.
async fn another_web(shop: &Shop) -> Spawned {
    let web = shop.spawn(&["serve"]);
    web.until_serving().await;
    web
}

/// What Redis counts of a SKU.
async fn units(shop: &Shop, sku: &str) -> Units {
    let bucket = Bucket::first("run".parse().unwrap());
    let sku: Sku = sku.parse().unwrap();
    wait_for("the counts", async || {
        shop.app.inventory.snapshot(&bucket).await.ok()??.units.get(&sku).copied()
    })
    .await
}
