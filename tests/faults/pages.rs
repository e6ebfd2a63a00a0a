//! Pages stay up, whichever server is away.

use std::time::Duration;

use super::{blocking, wait_for};
use crate::harness::{Plan, SALE, Servers, Shop};

async fn page(shop: &Shop, path: &str) -> (u16, String) {
    let ask = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
    let ask = ask.get(format!("{}{path}", shop.url)).header("accept", "text/html");
    let reply = ask.send().await.unwrap();
    (reply.status().as_u16(), reply.text().await.unwrap())
}

async fn all_are_up(shop: &Shop, without: &str) {
    // longer than anything is kept, so that each is made anew meanwhile
    for _ in 0..4 {
        for path in ["/", "/sales/run", "/sales/run/products/cap", "/search?q=runer"] {
            let (status, text) = page(shop, path).await;
            assert_eq!(status, 200, "{path} without {without}: {text}");
            assert!(path == "/" || text.contains("Runner") || text.contains("Cap"), "{path}");
        }
        tokio::time::sleep(Duration::from_millis(800)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_stay_up_without_any_server_and_say_when_they_are_behind() {
    let servers = Servers::shared().with_own_redis().with_own_rabbit().with_own_postgres();
    let shop = Plan { servers, ..Plan::default() }.start().await;
    shop.import(SALE).await;
    shop.until_open("run").await;
    all_are_up(&shop, "nothing").await;
    let Servers { redis, rabbit, postgres, .. } = &shop.servers;
    let (redis, rabbit, postgres) =
        (redis.as_ref().unwrap(), rabbit.as_ref().unwrap(), postgres.as_ref().unwrap());
    blocking(|| rabbit.kill());
    all_are_up(&shop, "RabbitMQ").await;
    blocking(|| postgres.kill());
    all_are_up(&shop, "Postgres").await;
    assert!(!page(&shop, "/sales/run").await.1.contains("Last known"));
    blocking(|| redis.kill());
    all_are_up(&shop, "Redis").await;
    wait_for("a page that says that it is behind", async || {
        page(&shop, "/sales/run/products/cap").await.1.contains("Last known").then_some(())
    })
    .await;
    blocking(|| {
        postgres.again();
        redis.again();
        rabbit.again();
    });
    shop.until_open("run").await;
    wait_for("a page that is not behind", async || {
        let (_, text) = page(&shop, "/sales/run/products/cap").await;
        (!text.contains("Last known")).then_some(())
    })
    .await;
    shop.close().await;
}
