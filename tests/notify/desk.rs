//! A database with a sale and orders, and what sends mails and webhooks out of it.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures_util::FutureExt;
use sqlx::{Connection, PgConnection, PgPool, postgres::PgPoolOptions};
use stampede::{
    app,
    flows::{
        cart_intake::CartIntake,
        mailing::{MailConsumer, Mailing},
        webhook_delivery::{WebhookConsumer, WebhookDelivery},
    },
    kernel::{
        clock::{Clock, from_millis},
        ids::{EndpointId, Ids, OrderId},
        money::Money,
    },
    platform::{config::Config, metrics::Metrics, outgoing::Reach, postgres},
    shop::{
        dead_letters::{self, DeadLetter, DeadLetters, Replayed},
        events::{Consumer, Event, Fact, OrderFact, OrderFactLine, RefundFact},
        webhooks::{self, EndpointUrl, MAX_ENDPOINTS, NewEndpoint, SigningKey},
    },
};
use uuid::Uuid;

/// What the first key of every endpoint is made of.
pub(super) const KEY: [u8; 32] = [7; 32];

#[derive(Clone)]
pub(super) struct Desk {
    pub(super) pool: PgPool,
    pub(super) config: Arc<Config>,
    pub(super) variables: Vec<(String, String)>,
}

/// An order as it is put on record.
pub(super) struct Bought {
    pub(super) email: &'static str,
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) status: &'static str,
    pub(super) reason: Option<&'static str>,
}

impl Default for Bought {
    fn default() -> Self {
        Self {
            email: "ada@example.org",
            name: "Ada Lovelace",
            title: "Runner One – EU 42",
            status: "paid",
            reason: None,
        }
    }
}

/// Runs a test on a desk of its own.
pub(super) async fn at_desk<F: Future<Output = ()>>(
    settings: &[(&str, &str)],
    test: impl FnOnce(Desk) -> F,
) {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL");
    let name = format!("notify_{}", Uuid::new_v4().simple());
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut admin).await.unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    let database = format!("{server}/{name}");
    let pool = PgPoolOptions::new().max_connections(16).connect(&database).await.unwrap();
    postgres::migrate(&pool).await.unwrap();
    insert_sale(&pool).await;
    let folder = std::env::temp_dir().join(&name);
    let folder = folder.to_str().unwrap();
    let mut variables = vec![
        ("DATABASE_URL", database.as_str()),
        ("STAMPEDE_WEB__PUBLIC_URL", "https://shop.example"),
        ("STAMPEDE_MAIL__FROM", "Night Runners <shop@night.example>"),
        ("STAMPEDE_MAIL__MERCHANT", "merchant@night.example"),
        ("STAMPEDE_MAIL__FOLDER", folder),
        ("STAMPEDE_MAIL__RATE", "1000"),
        ("STAMPEDE_MAIL__TIMEOUT", "5s"),
        ("STAMPEDE_WEBHOOKS__ALLOW_PRIVATE", "true"),
        ("STAMPEDE_WEBHOOKS__TIMEOUT", "30s"),
    ];
    for (name, value) in settings {
        variables.retain(|(known, _)| known != name);
        variables.push((name, value));
    }
    let config = Arc::new(Config::from_variables(variables.clone()).unwrap());
    let variables =
        variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let desk = Desk { pool: pool.clone(), config, variables };
    let outcome = std::panic::AssertUnwindSafe(test(desk)).catch_unwind().await;
    pool.close().await;
    let _ = std::fs::remove_dir_all(folder);
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&mut admin).await.unwrap();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

impl Desk {
    /// A process that sends mails.
    pub(super) fn mailing(&self) -> Mailing {
        let metrics = Metrics::new().unwrap();
        Mailing::new(self.pool.clone(), Clock::system(), self.config.clone(), &metrics).unwrap()
    }

    /// A process that sends webhooks.
    pub(super) fn webhooks(&self) -> WebhookDelivery {
        let metrics = Metrics::new().unwrap();
        let sources = (Clock::system(), Ids::random());
        WebhookDelivery::new(self.pool.clone(), sources, self.config.clone(), &metrics).unwrap()
    }

    /// Puts an order on record.
    pub(super) async fn order(&self, bought: Bought) -> OrderId {
        let id = Ids::random().order();
        sqlx::query(
            "WITH made AS (
                 INSERT INTO orders (id, sale_id, shopper_id, status, reason, email, shipping,
                                     currency, total_minor, created_at, paid_at)
                 SELECT $1, sales.id, $2, $3, $4, $5, jsonb_build_object('name', $6::text), 'EUR',
                        25800, now(), CASE WHEN $3 IN ('paid', 'refunded') THEN now() END
                 FROM sales RETURNING id)
             INSERT INTO order_lines (order_id, sku, title, quantity, unit_price_minor)
             SELECT id, 'RUN1-42', $7, 2, 12900 FROM made",
        )
        .bind(id.0)
        .bind(Uuid::new_v4())
        .bind(bought.status)
        .bind(bought.reason)
        .bind(bought.email)
        .bind(bought.name)
        .bind(bought.title)
        .execute(&self.pool)
        .await
        .unwrap();
        id
    }

    /// What is told of a paid order.
    pub(super) async fn paid(&self) -> Event {
        let order = self.order(Bought::default()).await;
        event(Fact::OrderPaid(order_fact(order, "paid", None)))
    }

    /// Has the mail consumer take an event over.
    pub(super) async fn ask_for_mail(&self, event: &Event) {
        self.take(&MailConsumer::new(Ids::random()), event).await;
    }

    /// Has the webhook consumer take an event over.
    pub(super) async fn ask_for_deliveries(&self, event: &Event) {
        self.take(&WebhookConsumer::new(Ids::random()), event).await;
    }

    async fn take(&self, consumer: &dyn Consumer, event: &Event) {
        let mut tx = self.pool.begin().await.unwrap();
        consumer.take(&mut tx, event).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// An endpoint that is sent everything.
    pub(super) async fn endpoint(&self, url: &str) -> EndpointId {
        self.endpoint_for(url, &[]).await
    }

    /// An endpoint that is sent some types of events.
    pub(super) async fn endpoint_for(&self, url: &str, events: &[&str]) -> EndpointId {
        let id = EndpointId(Ids::random().unique());
        let url = EndpointUrl::parse(url, Reach::Anywhere).unwrap();
        let events = events.iter().map(|&kind| kind.to_owned()).collect();
        let endpoint = NewEndpoint { id, url, events, key: SigningKey::new(KEY) };
        assert!(webhooks::store::insert(&self.pool, &endpoint, MAX_ENDPOINTS).await.unwrap());
        id
    }

    /// Sends deliveries, as a worker does, until none is due.
    pub(super) async fn deliver(&self) {
        let flow = self.webhooks();
        let due = "SELECT COUNT(*) FROM webhook_deliveries d JOIN webhook_endpoints e
                   ON e.id = endpoint_id WHERE status = 'waiting' AND disabled_at IS NULL
                   AND next_try_at <= clock_timestamp()";
        while self.number(due).await > 0 {
            if flow.send_due().await.unwrap() == 0 {
                // no room; or the last ones are with somebody else
                let _ = tokio::time::timeout(Duration::from_millis(50), flow.one_ended()).await;
            }
        }
        flow.close().await;
    }

    /// What was put off is due, and leases are over.
    pub(super) async fn time_passes(&self) {
        for table in ["mails", "webhook_deliveries"] {
            self.write(&format!(
                "UPDATE {table} SET next_try_at = clock_timestamp() WHERE status = 'waiting'"
            ))
            .await;
        }
    }

    pub(super) async fn write(&self, sql: &str) {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(&self.pool).await.unwrap();
    }

    pub(super) async fn number(&self, sql: &str) -> i64 {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    pub(super) async fn text(&self, sql: &str) -> Option<String> {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    /// How many mails or deliveries have a status.
    pub(super) async fn count(&self, table: &str, status: &str) -> i64 {
        self.number(&format!("SELECT COUNT(*) FROM {table} WHERE status = '{status}'")).await
    }

    pub(super) async fn dead_letters(&self) -> Vec<DeadLetter> {
        dead_letters::store::waiting(&self.pool, None, 0, 100).await.unwrap()
    }

    /// Tries a dead letter once more, as the command does.
    pub(super) async fn replay(&self, letter: &DeadLetter) -> Replayed {
        let intake = CartIntake::new(self.pool.clone(), Clock::system());
        let roads = app::roads(&intake, &[]);
        let letters = DeadLetters::new(self.pool.clone(), Clock::system(), roads);
        letters.replay(letter.id).await.unwrap()
    }
}

pub(super) fn event(fact: Fact) -> Event {
    Event::new(Ids::random().unique(), Clock::system().now(), fact)
}

pub(super) fn order_fact(order: OrderId, status: &str, reason: Option<&str>) -> OrderFact {
    let money = |amount| Money { amount, currency: "EUR".parse().unwrap() };
    OrderFact {
        order,
        sale: "night".parse().unwrap(),
        shopper: Ids::random().shopper(),
        status: status.to_owned(),
        reason: reason.map(str::to_owned),
        lines: vec![OrderFactLine {
            sku: "RUN1-42".parse().unwrap(),
            title: "Runner One – EU 42".to_owned(),
            quantity: 2_i64.try_into().unwrap(),
            unit_price: money(12_900),
            restocked: 0_i64.try_into().unwrap(),
        }],
        total: money(25_800),
        refunded_total: money(0),
        created_at: from_millis(1_700_000_000_000),
        paid_at: None,
    }
}

/// So much of an order was given back, by the event and on record.
pub(super) async fn refunded(desk: &Desk, order: OrderId, amount: i64) -> Event {
    desk.write(&format!(
        "UPDATE orders SET refunded_minor = refunded_minor + {amount} WHERE id = '{}'",
        order.0
    ))
    .await;
    let fact = order_fact(order, "paid", None);
    event(Fact::OrderRefunded(RefundFact {
        refund: Uuid::new_v4(),
        amount: Money { amount, ..fact.total },
        reason: None,
        order: fact,
    }))
}

async fn insert_sale(pool: &PgPool) {
    let now = Clock::system().now();
    sqlx::query(
        "INSERT INTO sales (slug, title, currency, starts_at, ends_at, hold_ms,
                            limit_per_shopper, revision, first_imported_at)
         VALUES ('night', 'Night Run', 'EUR', $1, $2, 600000, 4, 1, $1)",
    )
    .bind(now - TimeDelta::hours(1))
    .bind(now + TimeDelta::hours(1))
    .execute(pool)
    .await
    .unwrap();
}
