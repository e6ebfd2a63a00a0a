//! Events and minutes.

use sqlx::{Connection, PgConnection};
use stampede::{
    flows::statistics::Statistics,
    kernel::{
        ids::{OrderId, SaleId, ShopperId},
        money::Money,
    },
    shop::{
        events::{Consumer, Event, Fact, Fault, OrderFact, RefundFact},
        statistics::{OrderMinute, store},
    },
};
use uuid::Uuid;

use super::{Order, at, paper, sale_id};
use crate::harness::{Shop, until};

fn fact(order: OrderId) -> OrderFact {
    let money = |amount| Money { amount, currency: "EUR".parse().unwrap() };
    OrderFact {
        order,
        sale: "run".parse().unwrap(),
        shopper: ShopperId(order.0),
        // the event may say what it likes: what counts stands in the tables
        status: "paid".to_owned(),
        reason: None,
        lines: Vec::new(),
        total: money(1),
        refunded_total: money(0),
        created_at: at(0),
        paid_at: None,
    }
}

fn event(fact: Fact) -> Event {
    Event::new(Uuid::now_v7(), at(0), fact)
}

fn refunded(order: OrderId) -> Event {
    let amount = Money { amount: 1950, currency: "EUR".parse().unwrap() };
    let refund = RefundFact { refund: Uuid::now_v7(), amount, reason: None, order: fact(order) };
    event(Fact::OrderRefunded(refund))
}

fn paid(order: OrderId) -> Event {
    event(Fact::OrderPaid(fact(order)))
}

fn declined(order: OrderId) -> Event {
    event(Fact::OrderDeclined(fact(order)))
}

async fn take(statistics: &Statistics, shop: &Shop, event: &Event) -> Result<(), Fault> {
    let mut tx = shop.app.pool.begin().await.unwrap();
    statistics.take(&mut tx, event).await?;
    tx.commit().await.unwrap();
    Ok(())
}

async fn minutes(shop: &Shop, sale: SaleId) -> Vec<OrderMinute> {
    store::minutes(&shop.app.pool, sale).await.unwrap()
}

async fn insert(shop: &Shop, sale: SaleId, orders: &[&Order]) {
    let mut conn = shop.app.pool.acquire().await.unwrap();
    for order in orders {
        order.insert(&mut conn, sale).await;
    }
}

async fn refund(shop: &Shop, order: OrderId, amount: i64, seconds: i64) {
    sqlx::query(
        "INSERT INTO refunds (id, order_id, amount_minor, lines, step, created_at, refunded_at,
             attempt, lease_until)
         VALUES (gen_random_uuid(), $1, $2, '{}', 'done', $3, $3, 1, $3)",
    )
    .bind(order.0)
    .bind(amount)
    .bind(at(seconds))
    .execute(&shop.app.pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn events_that_come_twice_or_in_another_order_change_nothing() {
    let shop = paper().await;
    let (sale, statistics) = (sale_id(&shop).await, shop.app.statistics.clone());
    let first = Order::new("refunded", at(10), 2);
    let second = Order::new("paid", at(59), 1);
    let third = Order::new("declined", at(60), 5);
    let fourth = Order::new("cancelled", at(61), 5);
    insert(&shop, sale, &[&first, &second, &third, &fourth]).await;
    refund(&shop, first.id, 1950, 200).await;
    refund(&shop, first.id, 1950, 210).await;

    let cancelled = event(Fact::OrderCancelled(fact(fourth.id)));
    let late = [refunded(first.id), declined(third.id), paid(second.id), paid(first.id)];
    for event in late.iter().chain([&cancelled, &late[0], &late[3], &late[1]]) {
        take(&statistics, &shop, event).await.unwrap();
    }
    statistics.count_due().await.unwrap();
    let empty = OrderMinute {
        at: at(0),
        orders: 0,
        units: 0,
        revenue: 0,
        declined: 0,
        cancelled: 0,
        refunds: 0,
        refunded: 0,
    };
    let expected = [
        OrderMinute { orders: 2, units: 3, revenue: 3 * 1950, ..empty.clone() },
        OrderMinute { at: at(60), declined: 1, cancelled: 1, ..empty.clone() },
        OrderMinute { at: at(180), refunds: 2, refunded: 2 * 1950, ..empty },
    ];
    assert_eq!(minutes(&shop, sale).await, expected);
    for event in &late {
        take(&statistics, &shop, event).await.unwrap();
        statistics.count_due().await.unwrap();
    }
    assert_eq!(minutes(&shop, sale).await, expected);
    assert_eq!(statistics.count_due().await.unwrap(), 0, "nothing is due any more");
    shop.discard().await;
}

#[tokio::test]
async fn an_event_of_an_order_that_nobody_knows_is_parked() {
    let shop = paper().await;
    let unknown = paid(OrderId(Uuid::now_v7()));
    let parked = take(&shop.app.statistics, &shop, &unknown).await;
    assert!(matches!(parked, Err(Fault::Park(_))), "{parked:?}");
    shop.discard().await;
}

/// An order is paid in a minute that is just being counted: its count began before the order was
/// there. `make_due` is how its event says so.
async fn paid_while_its_minute_is_counted(shop: &Shop, make_due: &'static str) -> i64 {
    let (sale, statistics) = (sale_id(shop).await, shop.app.statistics.clone());
    let (first, second) = (Order::new("paid", at(1), 1), Order::new("paid", at(2), 1));
    insert(shop, sale, &[&first]).await;
    take(&statistics, shop, &paid(first.id)).await.unwrap();

    let mut counting = shop.app.pool.begin().await.unwrap();
    let due = store::lock_due(&mut counting, 10).await.unwrap();
    store::count(&mut counting, &due).await.unwrap();
    insert(shop, sale, &[&second]).await;
    let mut telling = PgConnection::connect_with(&shop.app.pool.connect_options()).await.unwrap();
    let told = tokio::spawn(async move {
        if make_due.is_empty() {
            assert!(store::make_due(&mut telling, second.id).await.unwrap());
        } else {
            sqlx::query(make_due).bind(sale.0).bind(at(0)).execute(&mut telling).await.unwrap();
        }
    });
    until("the event waits or is taken", async || {
        let waits: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock')",
        )
        .fetch_one(&shop.app.pool)
        .await
        .unwrap();
        waits || told.is_finished()
    })
    .await;
    counting.commit().await.unwrap();
    told.await.unwrap();
    statistics.count_due().await.unwrap();
    minutes(shop, sale).await.iter().map(|minute| minute.orders).sum()
}

#[tokio::test]
async fn an_order_paid_while_its_minute_is_counted_is_counted_next() {
    let shop = paper().await;
    assert_eq!(paid_while_its_minute_is_counted(&shop, "").await, 2);
    shop.discard().await;
}

/// Negative control: an event that passes by a minute that is due without waiting for whoever counts
/// it.
#[tokio::test]
async fn without_the_lock_such_an_order_is_lost() {
    let shop = paper().await;
    let passes_by = "INSERT INTO sale_minutes (sale_id, minute) VALUES ($1, $2)
         ON CONFLICT DO NOTHING";
    assert_eq!(paid_while_its_minute_is_counted(&shop, passes_by).await, 1);
    shop.discard().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_readers_of_events_and_many_counters_count_each_order_once() {
    const ORDERS: i64 = 240;
    let shop = paper().await;
    let (sale, statistics) = (sale_id(&shop).await, shop.app.statistics.clone());
    let orders: Vec<_> =
        (0..ORDERS).map(|n| Order::new("paid", at(n % 3 * 60 + n / 8), 1 + n % 2)).collect();
    let mut readers = Vec::new();
    for reader in 0..4_usize {
        let (statistics, pool) = (statistics.clone(), shop.app.pool.clone());
        let mine: Vec<_> =
            orders.iter().skip(reader).step_by(4).map(|o| (o.id, o.at, o.units)).collect();
        readers.push(tokio::spawn(async move {
            for (nth, (id, at, units)) in mine.into_iter().enumerate() {
                let order = Order { id, status: "paid", at, units };
                order.insert(&mut pool.acquire().await.unwrap(), sale).await;
                let event = paid(id);
                for _ in 0..=nth % 2 {
                    let mut tx = pool.begin().await.unwrap();
                    statistics.take(&mut tx, &event).await.unwrap();
                    tx.commit().await.unwrap();
                }
                if nth % 5 == reader {
                    statistics.count_due().await.unwrap();
                }
            }
        }));
    }
    for reader in readers {
        reader.await.unwrap();
    }
    statistics.count_due().await.unwrap();
    let counted = minutes(&shop, sale).await;
    assert_eq!(counted.len(), 3);
    assert_eq!(counted.iter().map(|minute| minute.orders).sum::<i64>(), ORDERS);
    assert_eq!(counted.iter().map(|minute| minute.units).sum::<i64>(), ORDERS * 3 / 2);
    shop.discard().await;
}

#[tokio::test]
async fn a_report_counts_what_no_event_told() {
    let shop = paper().await;
    let sale = sale_id(&shop).await;
    insert(&shop, sale, &[&Order::new("paid", at(5), 3)]).await;
    // somebody's mistake, or a minute that was counted from a backup
    sqlx::query(
        "INSERT INTO sale_minutes (sale_id, minute, orders, due) VALUES ($1, $2, 7, false)",
    )
    .bind(sale.0)
    .bind(at(600))
    .execute(&shop.app.pool)
    .await
    .unwrap();
    let slug = "run".parse().unwrap();
    let report = shop.app.statistics.report(&slug, at(0)).await.unwrap().unwrap();
    assert_eq!(report.moments.len(), 1);
    assert_eq!((report.moments[0].orders, report.moments[0].units), (1, 3));
    assert_eq!((report.orders.paid, report.orders.revenue), (1, 3 * 1950));
    shop.discard().await;
}
