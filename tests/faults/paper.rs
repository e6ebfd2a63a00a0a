//! Whether everybody finds what was promised: in the shop, and in Postgres.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use reqwest::StatusCode;
use stampede::kernel::ids::ShopperId;
use uuid::Uuid;

use super::{visitor::Visitor, wait_for};
use crate::harness::{PATIENCE, Shop};

/// Carts looked at at once.
const AT_ONCE: usize = 8;

/// What shoppers hold, or have bought.
type Lines = BTreeMap<(Uuid, String), i64>;

/// Waits until the sale is open, every checkout has ended and the stream is drained, and looks for
/// every promise.
pub(super) async fn check(shop: &Shop, visitors: &[Visitor]) {
    shop.until_open("run").await;
    // a shopper hears of his paid order before `finish` has emptied his cart
    wait_for("the end of every checkout", async || {
        let open: i64 = sqlx::query_scalar(UNDER_WAY).fetch_one(&shop.app.pool).await.unwrap();
        (open == 0).then_some(())
    })
    .await;
    stream::iter(visitors).for_each_concurrent(AT_ONCE, |visitor| in_shop(shop, visitor)).await;

    let shoppers: BTreeSet<Uuid> = visitors.iter().map(shopper).collect();
    let of_them = |rows: Lines| -> Lines {
        rows.into_iter().filter(|((shopper, _), _)| shoppers.contains(shopper)).collect()
    };
    let held = visitors.iter().flat_map(|visitor| lines(visitor, &visitor.holds)).collect();
    until_equal("held lines", &held, async || of_them(on_paper(shop, HELD).await)).await;
    let bought = visitors
        .iter()
        .flat_map(|visitor| visitor.order.iter().flat_map(|(_, cart)| lines(visitor, cart)))
        .collect();
    until_equal("paid orders", &bought, async || of_them(on_paper(shop, PAID).await)).await;
}

const UNDER_WAY: &str = "SELECT count(*) FROM checkouts WHERE step <> 'done'";
const HELD: &str = "SELECT shopper_id, sku, quantity FROM cart_lines WHERE quantity > 0";
const PAID: &str = "SELECT shopper_id, sku, sum(quantity)::bigint FROM orders
    JOIN order_lines ON order_id = id WHERE status = 'paid' GROUP BY shopper_id, sku";

/// His cart is what he was told, and his order is paid.
async fn in_shop(shop: &Shop, visitor: &Visitor) {
    let client = visitor.client.at(&shop.url);
    let cart = wait_for("a cart", async || {
        let answer = client.cart().await;
        (answer.status != StatusCode::SERVICE_UNAVAILABLE).then_some(answer)
    })
    .await;
    assert_eq!(cart.status, StatusCode::OK, "{}: {cart:?}", client.shopper);
    let found: BTreeMap<String, i64> = cart.body["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| (line["sku"].as_str().unwrap().to_owned(), line["quantity"].as_i64().unwrap()))
        .collect();
    let told: BTreeMap<String, i64> =
        visitor.holds.iter().map(|(sku, held)| ((*sku).to_owned(), *held)).collect();
    assert_eq!(found, told, "{} finds another cart", client.shopper);
    if let Some((order, _)) = &visitor.order {
        let shown = client.get(&format!("/orders/{order}")).await;
        assert_eq!(shown.body["status"], "paid", "{shown:?}");
    }
}

fn lines(visitor: &Visitor, of: &BTreeMap<&'static str, i64>) -> Vec<((Uuid, String), i64)> {
    of.iter().map(|(sku, quantity)| ((shopper(visitor), (*sku).to_owned()), *quantity)).collect()
}

fn shopper(visitor: &Visitor) -> Uuid {
    visitor.client.shopper.parse::<ShopperId>().unwrap().0
}

async fn on_paper(shop: &Shop, query: &'static str) -> Lines {
    let rows: Vec<(Uuid, String, i64)> =
        sqlx::query_as(query).fetch_all(&shop.app.pool).await.unwrap();
    rows.into_iter().map(|(shopper, sku, quantity)| ((shopper, sku), quantity)).collect()
}

async fn until_equal(what: &str, wanted: &Lines, look: impl AsyncFn() -> Lines) {
    let began = Instant::now();
    loop {
        let found = look().await;
        if found == *wanted {
            return;
        }
        if began.elapsed() > PATIENCE {
            let differ = |one: &Lines, other: &Lines| -> Vec<_> {
                let astray = one.iter().filter(|(line, n)| other.get(*line) != Some(*n));
                astray.take(5).map(|(line, n)| format!("{line:?}={n}")).collect()
            };
            let (missing, extra) = (differ(wanted, &found), differ(&found, wanted));
            panic!("{what}: promised {missing:?}, on paper {extra:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
