//! What Redis counts, kept epoch by epoch.

use stampede::{
    kernel::ids::Sku,
    shop::inventory::{
        store::CountsVersion,
        sums::{self, SkuStory, Sums},
    },
};

use super::sale_id;
use crate::harness::{Plan, SALE, Servers, Shop, until};

async fn story(shop: &Shop, sku: &str) -> SkuStory {
    let sku: Sku = sku.parse().unwrap();
    let stories = sums::stories(&shop.app.pool, sale_id(shop).await).await.unwrap();
    stories.get(&sku).copied().unwrap_or_default()
}

async fn until_kept(shop: &Shop, sku: &str, sums: Sums) {
    until(&format!("{sums:?} of {sku}"), async || story(shop, sku).await.sums == sums).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_and_units_are_counted_once_and_across_a_lost_redis() {
    let servers = Servers::shared().with_own_redis();
    let shop = Plan { servers, ..Plan::default() }.start().await;
    shop.import(SALE).await;
    shop.until_open("run").await;
    let shopper = shop.shopper().await;
    for quantity in [1, 1, 3, 3, 2] {
        // said again it takes nothing, and less is not a line that was taken
        assert!(shopper.put("CAP", quantity).await.status.is_success());
    }
    until_kept(&shop, "CAP", Sums { lines: 2, taken: 3, given: 1, expired: 0, refused: 0 }).await;

    let redis = shop.servers.redis.as_ref().unwrap();
    let before = shop.app.inventory.snapshot(&bucket()).await.unwrap().unwrap().epoch;
    tokio::task::block_in_place(|| {
        redis.kill();
        redis.again();
    });
    until("another epoch", async || {
        matches!(shop.app.inventory.snapshot(&bucket()).await, Ok(Some(s)) if s.epoch > before)
    })
    .await;
    shop.until_open("run").await;
    let another = shop.shopper().await;
    until("a line", async || another.put("CAP", 4).await.status.is_success()).await;
    until_kept(&shop, "CAP", Sums { lines: 3, taken: 7, given: 1, expired: 0, refused: 0 }).await;

    let sale = sale_id(&shop).await;
    assert_eq!(sums::reopenings(&shop.app.pool, sale).await.unwrap(), 1);
    let by_minute = sums::by_minute(&shop.app.pool, sale).await.unwrap();
    let all = by_minute.iter().fold(Sums::default(), |all, (_, one)| all + *one);
    assert_eq!(all, Sums { lines: 3, taken: 7, given: 1, expired: 0, refused: 0 });
    shop.close().await;
}

fn bucket() -> stampede::kernel::ids::Bucket {
    stampede::kernel::ids::Bucket::first("run".parse().unwrap())
}

#[tokio::test]
async fn when_a_size_sold_out_and_how_many_asked_in_vain_is_kept() {
    let shop = Shop::open().await;
    let shopper = shop.shopper().await;
    let late = shop.shopper().await;
    assert_eq!(story(&shop, "RUN1-43").await.first_at, None);
    assert!(shopper.put("RUN1-43", 1).await.status.is_success());
    until("sold out", async || story(&shop, "RUN1-43").await.since.is_some()).await;
    let first = story(&shop, "RUN1-43").await.first_at;
    for asked in 1..=3 {
        // nothing else moves meanwhile, and yet each time is kept
        assert_eq!(late.put("RUN1-43", 1).await.code(), "sold_out");
        until("refusals", async || story(&shop, "RUN1-43").await.sums.refused == asked).await;
    }
    assert!(shopper.delete("RUN1-43").await.status.is_success());
    until("back", async || story(&shop, "RUN1-43").await.since.is_none()).await;
    assert!(shopper.put("RUN1-43", 1).await.status.is_success());
    until("sold out again", async || story(&shop, "RUN1-43").await.since.is_some()).await;
    let last = story(&shop, "RUN1-43").await;
    assert_eq!(last.first_at, first);
    assert!(last.since > first, "{last:?}");
    assert_eq!(story(&shop, "CAP").await.first_at, None);
    shop.close().await;
}

#[tokio::test]
async fn sums_from_a_late_flusher_change_nothing() {
    let shop = super::paper().await;
    let sale = sale_id(&shop).await;
    let flush = async |epoch: i64, seq: i64, seconds: i64, taken: i64| {
        let version = CountsVersion {
            sale,
            bucket: 0,
            epoch: stampede::kernel::version::Epoch(epoch),
            seq: stampede::kernel::version::Seq(seq),
            at: super::at(seconds),
        };
        let units = stampede::shop::inventory::Units {
            total: 10,
            available: 10 - taken,
            taken,
            lines: taken,
            ..Default::default()
        };
        let mut conn = shop.app.pool.acquire().await.unwrap();
        let counts = [("CAP".parse().unwrap(), units)];
        sums::write(&mut conn, version, &counts).await.unwrap();
    };
    flush(1, 5, 10, 5).await;
    flush(1, 3, 20, 3).await; // older, in the same minute
    flush(1, 4, 70, 4).await; // older, by a clock that is ahead
    flush(1, 8, 130, 8).await;
    flush(2, 1, 140, 10).await; // a new epoch begins at 0
    flush(1, 9, 150, 8).await; // and an old one cannot bring the size back
    let by_minute = sums::by_minute(&shop.app.pool, sale).await.unwrap();
    let taken: Vec<_> = by_minute.iter().map(|(at, sums)| (*at, sums.taken)).collect();
    assert_eq!(taken, [(super::at(0), 5), (super::at(60), 0), (super::at(120), 13)]);
    let kept = story(&shop, "CAP").await;
    assert_eq!((kept.first_at, kept.since), (Some(super::at(140)), Some(super::at(140))));
    shop.discard().await;
}
