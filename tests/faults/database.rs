//! Postgres is killed and started again.

use std::time::Duration;

use reqwest::StatusCode;

use super::{blocking, crowd::Crowd, paper};
use crate::harness::{Plan, SALE, Servers, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsing_and_carts_go_on_without_postgres_and_checkouts_pause() {
    let servers = Servers::shared().with_own_postgres();
    let shop = Plan { servers, ..Plan::default() }.start().await;
    shop.import(SALE).await;
    shop.until_open("run").await;
    let crowd = Crowd::start(&shop, &[&shop.url]);
    // a process that has just begun hears of a sale's stock within a second
    until("a view of the stock", async || {
        let stock = shop.shopper().await.get("/sales/run/stock").await;
        stock.body["CAP"]["held"].as_i64() > Some(0)
    })
    .await;
    let postgres = shop.servers.postgres.as_ref().unwrap();
    for _ in 0..2 {
        crowd.until_promised(150).await;
        let buyer = shop.shopper().await;
        assert_eq!(buyer.put("CAP", 1).await.status, StatusCode::CREATED);

        blocking(|| postgres.kill());
        for _ in 0..5 {
            for path in ["/sales", "/sales/run", "/sales/run/stock", "/sales/run/cart"] {
                let shown = buyer.get(path).await;
                assert_eq!(shown.status, StatusCode::OK, "{path}: {shown:?}");
            }
            let newcomer = shop.shopper().await;
            let taken = newcomer.put("CAP", 1).await;
            assert_eq!(taken.status, StatusCode::CREATED, "{taken:?}");
            let released = newcomer.delete("CAP").await;
            assert_eq!(released.status, StatusCode::NO_CONTENT, "{released:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let refused = buyer.checkout("key", "card_ok").await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
        assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
        assert_eq!(buyer.delete("CAP").await.status, StatusCode::NO_CONTENT);

        blocking(|| postgres.again());
        crowd.until_promised(50).await;
    }
    let visitors = crowd.stop().await;
    paper::check(&shop, &visitors).await;
    shop.close().await;
}
