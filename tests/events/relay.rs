//! From the outbox to the broker, on good days and bad ones.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use stampede::{
    flows::event_relay::EventRelay,
    platform::{
        outbox,
        rabbit::{Outgoing, Rabbit},
    },
    shop::events::Consumer,
    workers::Role,
};

use super::{
    support::{
        A_MOMENT, Taker, count_taken, numbered, plan, shop, taken, until_taken, waiting, write,
        write_many,
    },
    wire::Wire,
};
use crate::harness::{PATIENCE, Plan, Servers, Shop, until};

/// Longer than every pause between two tries to connect or to relay: what follows would be the same
/// after a minute.
const AWAY: Duration = Duration::from_secs(8);

/// How long a relay may hang.
const HANGS: Duration = Duration::from_mins(1);

fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

async fn until_published(shop: &Shop) {
    until("the outbox is empty", async || waiting(&shop.app.pool).await == 0).await;
}

/// A relay of the shop, on a connection of its own to the broker.
fn a_relay(shop: &Shop, consumers: &[&Arc<Taker>]) -> (EventRelay, Rabbit) {
    let rabbit = Rabbit::start(&shop.app.config.rabbit).unwrap();
    let consumers: Vec<_> =
        consumers.iter().map(|one| Arc::clone(one) as Arc<dyn Consumer>).collect();
    let (pool, events) = (shop.app.pool.clone(), shop.app.events.clone());
    let relay = EventRelay::new(pool, rabbit.clone(), events, consumers.into(), 100, HANGS);
    (relay, rabbit)
}

/// The server frees a lock a moment after its connection has ended.
async fn until_leading(relay: &mut EventRelay) {
    let began = Instant::now();
    while !relay.lead().await.unwrap() {
        assert!(began.elapsed() < PATIENCE, "it does not lead");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_consumer_takes_every_event_once_and_in_order() {
    let (left, right) = (Taker::new("left").shared(), Taker::new("right").shared());
    let shop = shop(plan(), &[&left, &right]).await;
    write(&shop, numbered(50)).await;
    write_many(&shop.app.pool, numbered(1200).split_off(50)).await;
    for name in ["left", "right"] {
        until_taken(&shop, name, 1200).await;
        assert_eq!(taken(&shop.app.pool, name).await, numbered(1200));
    }
    until_published(&shop).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fact_that_was_rolled_back_is_never_told() {
    let all = Taker::new("all").shared();
    let shop = shop(plan(), &[&all]).await;
    let mut tx = shop.app.pool.begin().await.unwrap();
    let event = super::support::about("GONE");
    stampede::shop::events::store::append(&mut *tx, &[event]).await.unwrap();
    shop.app.outbox.wake();
    tx.rollback().await.unwrap();
    write(&shop, ["CAP".to_owned()]).await;
    until_taken(&shop, "all", 1).await;
    assert_eq!(taken(&shop.app.pool, "all").await, ["CAP"]);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_notification_wakes_a_relay_in_another_process() {
    let all = Taker::new("all").shared();
    // without being woken, the relay would come after an hour
    let slow = plan().with("STAMPEDE_EVENTS__POLL_INTERVAL", "1h");
    let shop = shop(slow, &[&all]).await;
    until("the relay listens", async || listening(&shop).await).await;
    let elsewhere = outbox::Outbox::start(shop.app.pool.clone());
    for sku in numbered(20) {
        write_many(&shop.app.pool, [sku]).await;
        elsewhere.wake();
    }
    until_taken(&shop, "all", 20).await;
    shop.close().await;
}

/// Whether a relay waits for a notification. `LISTEN` is the last statement of its connection.
async fn listening(shop: &Shop) -> bool {
    let found = sqlx::query_scalar::<_, i64>(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    );
    found.fetch_one(&shop.app.pool).await.unwrap() > 0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_nobody_asks_for_is_published_and_is_no_fault() {
    let orders = Taker::new("orders").of(&["order.paid.v1"]).shared();
    let shop = shop(plan(), &[&orders]).await;
    write(&shop, numbered(3)).await;
    until_published(&shop).await;
    assert_eq!(count_taken(&shop.app.pool, "orders").await, 0);
    // somebody else's queue gets it, without our knowing
    let (rabbit, events) = (&shop.app.rabbit, &shop.app.events);
    let theirs = events.queue_of("theirs");
    rabbit.declare_quorum_queue(&theirs).await.unwrap();
    rabbit.bind(&theirs, events.name(), "stock.#").await.unwrap();
    write(&shop, numbered(1)).await;
    let found = Wire::to(&shop.servers.amqp_url).await.take(&theirs, 1).await;
    assert_eq!(found[0]["type"], "stock.sold_out.v1");
    rabbit.delete_queue(&theirs).await.unwrap();
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_relays_one_publishes_and_the_other_takes_over() {
    let all = Taker::new("all").shared();
    let shop = shop(Plan::default().roles(&[Role::EventConsumer]), &[&all]).await;
    let ((mut first, one), (mut second, two)) = (a_relay(&shop, &[&all]), a_relay(&shop, &[&all]));
    for rabbit in [&one, &two] {
        rabbit.wait_connected(PATIENCE).await.unwrap();
    }
    assert!(first.lead().await.unwrap());
    assert!(!second.lead().await.unwrap(), "two relays at once");
    assert!(second.round().await.is_err(), "one that does not lead published");
    write_many(&shop.app.pool, numbered(150)).await;
    assert_eq!(first.round().await.unwrap().written_at.len(), 100);
    assert!(!second.lead().await.unwrap());
    // as if its process had died
    drop(first);
    until_leading(&mut second).await;
    assert_eq!(second.round().await.unwrap().written_at.len(), 50);
    until_taken(&shop, "all", 150).await;
    assert_eq!(taken(&shop.app.pool, "all").await, numbered(150));
    assert_eq!(all.tries.load(std::sync::atomic::Ordering::SeqCst), 150, "published twice");
    one.close().await;
    two.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_loses_its_connection_no_longer_leads() {
    let all = Taker::new("all").shared();
    let shop = shop(Plan::default().roles(&[Role::EventConsumer]), &[&all]).await;
    let (mut relay, rabbit) = a_relay(&shop, &[&all]);
    rabbit.wait_connected(PATIENCE).await.unwrap();
    assert!(relay.lead().await.unwrap());
    let ended = sqlx::query(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
         WHERE l.locktype = 'advisory' AND d.datname = current_database()",
    );
    ended.execute(&shop.app.pool).await.unwrap();
    write_many(&shop.app.pool, numbered(1)).await;
    assert!(relay.round().await.is_err(), "it went on without its lock");
    assert!(relay.lead().await.unwrap());
    assert_eq!(relay.round().await.unwrap().written_at.len(), 1);
    rabbit.close().await;
    shop.close().await;
}

/// What stands between publishing and deleting is the delete: a trigger keeps the relay from it, and
/// then it is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_killed_between_publish_and_delete_tells_twice_and_is_taken_once() {
    let all = Taker::new("all").shared();
    let shop = shop(Plan::default().roles(&[Role::EventConsumer]), &[&all]).await;
    let (mut relay, rabbit) = a_relay(&shop, &[&all]);
    rabbit.wait_connected(PATIENCE).await.unwrap();
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'killed here'; END $$;
        CREATE TRIGGER refuse BEFORE DELETE ON outbox EXECUTE FUNCTION refuse()";
    sqlx::raw_sql(refuse).execute(&shop.app.pool).await.unwrap();
    write_many(&shop.app.pool, numbered(40)).await;
    assert!(relay.lead().await.unwrap());
    assert!(relay.round().await.is_err());
    drop(relay);
    until_taken(&shop, "all", 40).await;
    assert_eq!(waiting(&shop.app.pool).await, 40, "published, and still on record");

    sqlx::raw_sql("DROP TRIGGER refuse ON outbox").execute(&shop.app.pool).await.unwrap();
    let (mut next, second) = a_relay(&shop, &[&all]);
    second.wait_connected(PATIENCE).await.unwrap();
    until_leading(&mut next).await;
    assert_eq!(next.round().await.unwrap().written_at.len(), 40);
    let tries = || all.tries.load(std::sync::atomic::Ordering::SeqCst);
    until("told twice", async || tries() == 80).await;
    assert_eq!(taken(&shop.app.pool, "all").await, numbered(40));
    assert_eq!(waiting(&shop.app.pool).await, 0);
    rabbit.close().await;
    second.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_events_wait_while_the_broker_is_away_and_none_is_lost() {
    let all = Taker::new("all").shared();
    let servers = Servers::shared().with_own_rabbit();
    let shop = shop(Plan { servers, ..plan() }, &[&all]).await;
    write(&shop, numbered(10)).await;
    until_taken(&shop, "all", 10).await;

    let rabbit = shop.servers.rabbit.as_ref().unwrap();
    blocking(|| rabbit.kill());
    write_many(&shop.app.pool, numbered(10_000).split_off(10)).await;
    shop.app.outbox.wake();
    assert!(waiting(&shop.app.pool).await >= 9_000);
    tokio::time::sleep(AWAY).await;
    assert_eq!(waiting(&shop.app.pool).await, 9_990);
    blocking(|| rabbit.again());

    until_published(&shop).await;
    until_taken(&shop, "all", 10_000).await;
    let mut found = taken(&shop.app.pool, "all").await;
    found.sort();
    assert_eq!(found, numbered(10_000));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_comes_back_empty_gets_its_queues_and_all_that_was_not_published() {
    let all = Taker::new("all").shared();
    let servers = Servers::shared().with_own_rabbit();
    let shop = shop(Plan { servers, ..plan() }, &[&all]).await;
    write(&shop, numbered(10)).await;
    until_taken(&shop, "all", 10).await;
    let rabbit = shop.servers.rabbit.as_ref().unwrap();
    blocking(|| {
        rabbit.kill();
        rabbit.wipe();
    });
    write(&shop, numbered(300).split_off(10)).await;
    blocking(|| rabbit.again());
    until_taken(&shop, "all", 300).await;
    assert_eq!(waiting(&shop.app.pool).await, 0);
    shop.close().await;
}

/// A queue that is gone while the connection lasts: the broker hands its events back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_whose_queue_is_gone_waits_until_it_is_made_again() {
    let all = Taker::new("all").shared();
    let shop = shop(Plan::default().roles(&[]), &[&all]).await;
    let (mut relay, rabbit) = a_relay(&shop, &[&all]);
    rabbit.wait_connected(PATIENCE).await.unwrap();
    assert!(relay.lead().await.unwrap());
    write_many(&shop.app.pool, numbered(5)).await;
    assert_eq!(relay.round().await.unwrap().written_at.len(), 5);
    let queue = shop.app.events.queue_of("all");
    rabbit.delete_queue(&queue).await.unwrap();
    write_many(&shop.app.pool, numbered(30).split_off(5)).await;
    let came_back = relay.round().await.unwrap_err();
    assert!(came_back.to_string().contains("no queue"), "{came_back:#}");
    assert_eq!(waiting(&shop.app.pool).await, 25);

    until_leading(&mut relay).await;
    assert_eq!(relay.round().await.unwrap().written_at.len(), 25);
    until("the queue has them", async || rabbit.queue_depth(&queue).await.unwrap() == 25).await;
    tokio::time::sleep(A_MOMENT).await;
    assert_eq!(waiting(&shop.app.pool).await, 0);
    rabbit.close().await;
    shop.close().await;
}

/// Processes that are killed at any moment, and others that take over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_that_are_killed_lose_nothing() {
    let all = Taker::new("all").shared();
    let quick = Plan::default().roles(&[Role::EventConsumer]);
    let shop = shop(quick.with("STAMPEDE_EVENTS__POLL_INTERVAL", "100ms"), &[&all]).await;
    let (rabbit, events) = (&shop.app.rabbit, &shop.app.events);
    rabbit.wait_connected(PATIENCE).await.unwrap();
    // those processes know nothing of this consumer
    events.declare(&shop.app.pool, rabbit, &shop.app.consumers).await.unwrap();
    let spawn = || shop.spawn(&["work", "outbox-relay"]);
    let (mut one, mut other) = (spawn(), spawn());
    let mut written = 0;
    for round in 1..=6 {
        let until = round * 2000;
        write_many(&shop.app.pool, numbered(until).split_off(written)).await;
        written = until;
        until_some_are_published(&shop).await;
        // whichever of them leads
        one.kill();
        (one, other) = (other, spawn());
    }
    until_taken(&shop, "all", 12_000).await;
    until_published(&shop).await;
    let mut found = taken(&shop.app.pool, "all").await;
    found.sort();
    assert_eq!(found, numbered(12_000));
    drop((one, other));
    shop.close().await;
}

async fn until_some_are_published(shop: &Shop) {
    let before = waiting(&shop.app.pool).await;
    until("some are published", async || {
        let now = waiting(&shop.app.pool).await;
        now < before || now == 0
    })
    .await;
}

/// The negative control: what the lock is for. Two that read the same rows tell of them twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_lock_two_relays_tell_everything_twice() {
    let all = Taker::new("all").shared();
    let shop = shop(Plan::default().roles(&[Role::EventConsumer]), &[&all]).await;
    let (rabbit, events) = (&shop.app.rabbit, &shop.app.events);
    rabbit.wait_connected(PATIENCE).await.unwrap();
    events.declare(&shop.app.pool, rabbit, &shop.app.consumers).await.unwrap();
    write_many(&shop.app.pool, numbered(50)).await;
    let relay = async || {
        let rows = outbox::next(&shop.app.pool, 50).await.unwrap();
        let messages: Vec<_> = rows
            .iter()
            .map(|row| Outgoing {
                id: row.id,
                key: &row.routing_key,
                body: &row.body,
                mandatory: true,
            })
            .collect();
        let piped = rabbit.pipeline().publish(events.name(), &messages).await;
        assert!(piped.stopped.is_none(), "{piped:?}");
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        outbox::remove(&shop.app.pool, &ids).await.unwrap();
    };
    tokio::join!(relay(), relay());
    let tries = || all.tries.load(std::sync::atomic::Ordering::SeqCst);
    until("told twice", async || tries() == 100).await;
    assert_eq!(taken(&shop.app.pool, "all").await.len(), 50, "and taken once");
    shop.close().await;
}

/// `RabbitMQ` 3.10 loses a queue that it crashes with in the first second of its life.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_was_lost_in_its_first_second_is_made_again_and_held_nothing() {
    let all = Taker::new("all").shared();
    let servers = Servers::shared().with_own_rabbit();
    let shop = shop(Plan { servers, ..plan() }, &[&all]).await;
    let (rabbit, queue) = (&shop.app.rabbit, shop.app.events.queue_of("all"));
    write(&shop, numbered(10)).await;
    until("a queue", async || rabbit.queue_exists(&queue).await.unwrap_or_default()).await;
    let broker = shop.servers.rabbit.as_ref().unwrap();
    blocking(|| broker.kill());
    assert_eq!(waiting(&shop.app.pool).await, 10, "published into a queue of no age");
    write(&shop, numbered(20).split_off(10)).await;
    blocking(|| broker.again());
    until_taken(&shop, "all", 20).await;
    assert_eq!(waiting(&shop.app.pool).await, 0);
    shop.close().await;
}
