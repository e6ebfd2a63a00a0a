//! Every room, built once from the configuration. The doors get it whole.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;

use crate::{
    flows::{
        cart_intake::CartIntake,
        cart_lines::{CartLimits, CartLines},
        checkout::{self, Checkout, CheckoutReplay, NoticeReplay},
        event_intake::EventReplay,
        mailing::{MailConsumer, MailReplay, Mailing},
        opening::{self, Opening, Patience},
        reconciliation::Auditor,
        refunding::{RefundReplay, Refunding},
        sale_terms::SaleTerms,
        statistics::Statistics,
        webhook_delivery::{WebhookConsumer, WebhookDelivery, WebhookReplay},
    },
    kernel::{clock::Clock, ids::Ids},
    platform::{
        batcher::Limits,
        config::{self, Config},
        metrics::Metrics,
        outbox::Outbox,
        postgres,
        rabbit::{Rabbit, StreamLimits},
        redis::{Redis, RedisOptions},
        secret::Secret,
        tls,
    },
    shop::{
        accounts::Sessions,
        cart::stream::CartStream,
        catalog::Catalog,
        dead_letters::{DeadLetters, Replay},
        events::{Consumer, EventExchange},
        inventory::{Feed, Inventory, Scripts},
        orders::Orders,
        payments::{self, Payments, Provider, sandbox::Sandbox, stripe::Stripe},
        sales::Sales,
    },
};

/// How long an opening waits for the writer before it begins anew. A stream full of lines is taken
/// over in this time; a writer that is away for longer will not come sooner for being waited for.
const BARRIER_TIMEOUT: Duration = Duration::from_mins(1);

/// The shop. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct App {
    /// What it was built from.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Clock,
    /// Where metrics are registered.
    pub metrics: Metrics,
    /// Postgres.
    pub pool: PgPool,
    /// Redis.
    pub redis: Redis,
    /// `RabbitMQ`, for publishing and topology.
    pub rabbit: Rabbit,
    /// Wakes the relay, after a transaction that wrote events.
    pub outbox: Outbox,
    /// Where events go in the broker.
    pub events: EventExchange,
    /// Who takes events over.
    pub consumers: Arc<[Arc<dyn Consumer>]>,
    /// The names of the cart stream.
    pub stream: CartStream,
    /// Where new ids come from.
    pub ids: Ids,
    /// Who a shopper is.
    pub sessions: Sessions,
    /// Schedules.
    pub sales: Sales,
    /// Products and SKUs.
    pub catalog: Catalog,
    /// The stock.
    pub inventory: Inventory,
    /// Stock views, as the journals tell them.
    pub stock_views: Feed,
    /// Orders, for reading.
    pub orders: Orders,
    /// Cart lines: take, change, release.
    pub cart_lines: CartLines,
    /// The stream's way into Postgres.
    pub intake: CartIntake,
    /// Who moves money.
    pub payments: Payments,
    /// Buying a cart.
    pub checkout: Checkout,
    /// The audit.
    pub auditor: Auditor,
    /// Giving money back.
    pub refunding: Refunding,
    /// Opening sales.
    pub opening: Opening,
    /// Totals and terms.
    pub sale_terms: SaleTerms,
    /// What happened to orders, minute by minute.
    pub statistics: Statistics,
    /// Mail.
    pub mailing: Mailing,
    /// Webhooks of merchants.
    pub webhook_delivery: WebhookDelivery,
}

impl App {
    /// Builds every room. Connects to nothing yet, so that a process starts, and says that it is
    /// not ready, while a server is away. Must be called within a tokio runtime.
    pub fn build(config: Config) -> anyhow::Result<Self> {
        Self::with_clock(config, Clock::system(), opening::log_progress())
    }

    /// The same, with another clock and another listener to the steps of openings.
    pub fn with_clock(
        config: Config,
        clock: Clock,
        progress: opening::Progress,
    ) -> anyhow::Result<Self> {
        tls::install();
        let (config, metrics, ids) = (Arc::new(config), Metrics::new()?, Ids::random());
        let pool = postgres::connect(&config.postgres)?;
        let redis = Redis::new(config.redis.url.expose(), redis_options(&config))?;
        let rabbit = Rabbit::start(&config.rabbit)?;
        let stream = CartStream::new(&config.rabbit.prefix);
        let inventory = Inventory::new(
            redis.clone(),
            &config.redis.prefix,
            clock.clone(),
            Scripts::production(),
        );
        let payments = providers(&config, &pool)?;
        let (sales, catalog) = (Sales::new(pool.clone()), Catalog::new(pool.clone()));
        let outbox = Outbox::start(pool.clone());
        let stock = Stock {
            inventory: inventory.clone(),
            payments: payments.clone(),
            time: (clock.clone(), ids.clone()),
        };
        Ok(Self {
            events: EventExchange::new(&config.rabbit.prefix, config.events.queue_settle),
            consumers: consumers(&pool, &ids).into(),
            stock_views: Feed::new(inventory.clone()),
            orders: Orders::new(pool.clone()),
            cart_lines: cart_lines(&config, &inventory, &rabbit, &stream, &clock, &metrics)?,
            intake: CartIntake::new(pool.clone(), clock.clone()),
            checkout: checkout(&config, &pool, &stock, &metrics)?.waking(outbox.clone()),
            refunding: refunding(&config, &pool, &stock).waking(outbox.clone()),
            auditor: Auditor::new(pool.clone(), inventory.clone(), payments.clone()),
            opening: Opening::new(
                pool.clone(),
                inventory.clone(),
                rabbit.clone(),
                stream.clone(),
                clock.clone(),
                patience(&config),
                progress,
            ),
            sale_terms: SaleTerms::new(
                pool.clone(),
                inventory.clone(),
                sales.clone(),
                clock.clone(),
                config.checkout.grace,
            ),
            statistics: Statistics::new(pool.clone()),
            mailing: Mailing::new(pool.clone(), clock.clone(), config.clone(), &metrics)?,
            webhook_delivery: WebhookDelivery::new(
                pool.clone(),
                stock.time,
                config.clone(),
                &metrics,
            )?,
            sessions: sessions(&config, &ids)?,
            ids,
            config,
            clock,
            metrics,
            pool,
            redis,
            rabbit,
            stream,
            sales,
            catalog,
            inventory,
            payments,
            outbox,
        })
    }

    /// What failed on any road, and how it is replayed.
    #[must_use]
    pub fn dead_letters(&self) -> DeadLetters {
        let roads = roads(&self.intake, &self.consumers);
        DeadLetters::new(self.pool.clone(), self.clock.clone(), roads)
    }
}

/// What a purchase and its refund act upon, and what they are named and dated by.
pub(crate) struct Stock {
    pub(crate) inventory: Inventory,
    pub(crate) payments: Payments,
    pub(crate) time: (Clock, Ids),
}

pub(crate) fn checkout(
    config: &Config,
    pool: &PgPool,
    stock: &Stock,
    metrics: &Metrics,
) -> anyhow::Result<Checkout> {
    let settings =
        checkout::Settings { lease: config.checkout.lease, grace: config.checkout.grace };
    let (inventory, payments) = (stock.inventory.clone(), stock.payments.clone());
    let catalog = Catalog::new(pool.clone());
    let time = stock.time.clone();
    Ok(Checkout::new(pool.clone(), inventory, catalog, payments, time, settings, metrics)?)
}

pub(crate) fn refunding(config: &Config, pool: &PgPool, stock: &Stock) -> Refunding {
    let (inventory, payments) = (stock.inventory.clone(), stock.payments.clone());
    Refunding::new(pool.clone(), inventory, payments, stock.time.clone(), config.checkout.lease)
}

/// Who takes events over, each from a durable queue of its own.
#[must_use]
pub fn consumers(pool: &PgPool, ids: &Ids) -> Vec<Arc<dyn Consumer>> {
    vec![
        Arc::new(Statistics::new(pool.clone())),
        Arc::new(MailConsumer::new(ids.clone())),
        Arc::new(WebhookConsumer::new(ids.clone())),
    ]
}

/// The roads by which dead letters come.
#[must_use]
pub fn roads(intake: &CartIntake, consumers: &[Arc<dyn Consumer>]) -> Vec<Arc<dyn Replay>> {
    let mut roads: Vec<Arc<dyn Replay>> = vec![
        Arc::new(intake.clone()),
        Arc::new(CheckoutReplay),
        Arc::new(RefundReplay),
        Arc::new(NoticeReplay),
        Arc::new(MailReplay),
        Arc::new(WebhookReplay),
    ];
    for consumer in consumers {
        roads.push(Arc::new(EventReplay::new(Arc::clone(consumer))));
    }
    roads
}

/// The configured provider, and every other one that can still answer for orders of its own.
pub(crate) fn providers(config: &Config, pool: &PgPool) -> anyhow::Result<Payments> {
    let timeout = config.checkout.provider_timeout;
    let sandbox: Arc<dyn Provider> = Arc::new(Sandbox::new(pool.clone(), timeout));
    if config.stripe.secret_key.expose().is_empty() {
        return Ok(Payments::new(sandbox, Vec::new()));
    }
    let stripe: Arc<dyn Provider> = Arc::new(Stripe::new(payments::stripe::Settings {
        api_url: config.stripe.api_url.clone(),
        secret_key: config.stripe.secret_key.clone(),
        timeout,
        public_url: config.web.absolute("").unwrap_or_default(),
    })?);
    Ok(match config.payments.provider {
        config::Provider::Sandbox => Payments::new(sandbox, vec![stripe]),
        config::Provider::Stripe => Payments::new(stripe, vec![sandbox]),
    })
}

/// A process without a listener needs no secret; it gets one that nobody else has.
fn sessions(config: &Config, ids: &Ids) -> anyhow::Result<Sessions> {
    let secrets = config.web.secret.as_slice();
    if secrets.is_empty() {
        let unknown = format!("{}{}", ids.shopper(), ids.shopper());
        return Ok(Sessions::new([unknown], ids.clone())?);
    }
    Ok(Sessions::new(secrets.iter().map(Secret::expose), ids.clone())?)
}

fn redis_options(config: &Config) -> RedisOptions {
    RedisOptions {
        pool_size: config.redis.pool_size,
        connect_timeout: config.redis.connect_timeout,
        reply_timeout: config.redis.call_timeout,
    }
}

fn cart_lines(
    config: &Config,
    inventory: &Inventory,
    rabbit: &Rabbit,
    stream: &CartStream,
    clock: &Clock,
    metrics: &Metrics,
) -> anyhow::Result<CartLines> {
    let limits = CartLimits {
        batch: Limits { batch: config.stock.batch_limit, queue: config.stock.queue_limit },
        deadline: config.stock.claim_deadline,
        stream_max_age: config.cart.stream_max_age,
        stream_max_bytes: config.cart.stream_max_bytes,
    };
    let (inventory, publisher) = (inventory.clone(), rabbit.publisher());
    Ok(CartLines::new(inventory, publisher, stream.clone(), clock.clone(), limits, metrics)?)
}

fn patience(config: &Config) -> Patience {
    Patience {
        barrier_delay: config.stock.barrier_delay,
        barrier_timeout: BARRIER_TIMEOUT,
        grace: config.checkout.grace,
        stream_limits: StreamLimits {
            max_age: config.cart.stream_max_age,
            max_bytes: config.cart.stream_max_bytes,
            segment_bytes: config.cart.stream_segment_bytes,
        },
        stream_settle: config.cart.stream_settle,
    }
}
