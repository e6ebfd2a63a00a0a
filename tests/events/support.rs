//! Consumers for tests, and events to give them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{Executor, PgConnection, PgPool};
use stampede::{
    kernel::{clock::from_millis, ids::Ids},
    platform::shutdown::Shutdown,
    shop::events::{self, Consumer, Event, Fact, Fault, StockFact},
    workers::{Role, event_consumers},
};
use tokio::task::JoinHandle;

use crate::harness::{Plan, Shop, until};

/// What a consumer does with the events about some SKUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// Refuses them, for good.
    Refuse,
    /// Writes what the database refuses.
    BadRow,
    /// Dies of them.
    Panic,
    /// Waits for something that is away, as long as it is told to.
    Wait,
}

/// Writes each event it takes into a table `taken`.
pub(super) struct Taker {
    name: &'static str,
    keys: &'static [&'static str],
    deeds: HashMap<&'static str, Deed>,
    pub(super) away: AtomicBool,
    pub(super) tries: AtomicUsize,
}

impl Taker {
    /// Takes everything that happens to stock.
    pub(super) fn new(name: &'static str) -> Self {
        let (away, tries) = (AtomicBool::new(false), AtomicUsize::new(0));
        Self { name, keys: &["stock.*.v1"], deeds: HashMap::new(), away, tries }
    }

    pub(super) fn of(mut self, keys: &'static [&'static str]) -> Self {
        self.keys = keys;
        self
    }

    pub(super) fn does(mut self, sku: &'static str, deed: Deed) -> Self {
        self.deeds.insert(sku, deed);
        self
    }

    pub(super) fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }
}

#[async_trait]
impl Consumer for Taker {
    fn name(&self) -> &'static str {
        self.name
    }

    fn keys(&self) -> &'static [&'static str] {
        self.keys
    }

    async fn take(&self, tx: &mut PgConnection, event: &Event) -> Result<(), Fault> {
        self.tries.fetch_add(1, Ordering::SeqCst);
        let subject = event.subject.as_str();
        let deed = self.deeds.iter().find(|(sku, _)| subject.ends_with(*sku)).map(|(_, deed)| deed);
        match deed {
            Some(Deed::Refuse) => return Err(Fault::Park("it is refused".to_owned())),
            Some(Deed::BadRow) => {
                tx.execute("INSERT INTO taken (consumer, event) VALUES ('bad', 'no id')").await?;
            }
            Some(Deed::Panic) => panic!("a consumer that dies of {subject}"),
            Some(Deed::Wait) if self.away.load(Ordering::SeqCst) => {
                return Err(Fault::Retry(anyhow::anyhow!("what it needs is away")));
            }
            Some(Deed::Wait) | None => {}
        }
        sqlx::query(
            "INSERT INTO taken (consumer, event, subject) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
        )
        .bind(self.name)
        .bind(event.id)
        .bind(subject)
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// What only relays and takes over.
pub(super) fn plan() -> Plan {
    Plan::default().roles(&[Role::OutboxRelay, Role::EventConsumer])
}

/// What consumers have taken, in order.
const TAKEN: &str = "CREATE TABLE taken (
    n bigint GENERATED ALWAYS AS IDENTITY,
    consumer text, event uuid, subject text, PRIMARY KEY (consumer, event))";

/// A shop with these consumers and no sale.
pub(super) async fn shop(plan: Plan, consumers: &[&Arc<Taker>]) -> Shop {
    let consumers = consumers.iter().map(|one| Arc::clone(one) as Arc<dyn Consumer>).collect();
    Plan { web: false, consumers, schema: TAKEN, ..plan }.start().await
}

/// The worker of consumers, begun later than the shop.
pub(super) struct Consuming(Shutdown, JoinHandle<anyhow::Result<()>>);

impl Consuming {
    pub(super) fn start(shop: &Shop) -> Self {
        let shutdown = Shutdown::new();
        let role = event_consumers::run(shop.app.clone(), shutdown.clone());
        Self(shutdown, tokio::spawn(role))
    }

    /// In good order.
    pub(super) async fn stop(self) {
        self.0.request();
        self.1.await.unwrap().unwrap();
    }
}

/// An event about a SKU.
pub(super) fn about(sku: &str) -> Event {
    let fact = StockFact {
        sale: "run".parse().unwrap(),
        sku: sku.parse().unwrap(),
        total: 10,
        available: 0,
        held: 4,
        sold: 6,
    };
    Event::new(Ids::random().unique(), from_millis(1_000), Fact::StockSoldOut(fact))
}

/// Writes events in a transaction each, and wakes the relay after each.
pub(super) async fn write(shop: &Shop, skus: impl IntoIterator<Item = String>) {
    for sku in skus {
        events::store::append(&shop.app.pool, &[about(&sku)]).await.unwrap();
        shop.app.outbox.wake();
    }
}

/// Writes many events in few transactions.
pub(super) async fn write_many(pool: &PgPool, skus: impl IntoIterator<Item = String>) {
    let events: Vec<_> = skus.into_iter().map(|sku| about(&sku)).collect();
    for some in events.chunks(1000) {
        events::store::append(pool, some).await.unwrap();
    }
}

/// The SKUs that a consumer has taken, in order.
pub(super) async fn taken(pool: &PgPool, consumer: &str) -> Vec<String> {
    let subjects: Vec<String> =
        sqlx::query_scalar("SELECT subject FROM taken WHERE consumer = $1 ORDER BY n")
            .bind(consumer)
            .fetch_all(pool)
            .await
            .unwrap();
    subjects.into_iter().map(|subject| subject.replacen("run/", "", 1)).collect()
}

pub(super) async fn count_taken(pool: &PgPool, consumer: &str) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM taken WHERE consumer = $1")
        .bind(consumer)
        .fetch_one(pool)
        .await
        .unwrap()
}

/// Waits until a consumer has taken so many.
pub(super) async fn until_taken(shop: &Shop, consumer: &str, count: i64) {
    until(&format!("{consumer} has taken {count}"), async || {
        count_taken(&shop.app.pool, consumer).await >= count
    })
    .await;
}

/// Rows that wait to be published.
pub(super) async fn waiting(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(pool).await.unwrap()
}

/// Names of events, in order.
pub(super) fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("S{n:05}")).collect()
}

pub(super) const A_MOMENT: Duration = Duration::from_millis(300);
