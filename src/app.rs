//! Every room, built once from the configuration. The doors get it whole.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;

use crate::{
    flows::{
        cart_intake::CartIntake,
        cart_lines::{CartLimits, CartLines},
        checkout::{self, Checkout},
        event_intake::EventReplay,
        opening::{self, Opening, Patience},
        sale_terms::SaleTerms,
    },
    kernel::{clock::Clock, ids::Ids},
    platform::{
        batcher::Limits,
        config::Config,
        metrics::Metrics,
        outbox::Outbox,
        postgres,
        rabbit::{Rabbit, StreamLimits},
        redis::{Redis, RedisOptions},
        secret::Secret,
    },
    shop::{
        accounts::Sessions,
        cart::stream::CartStream,
        catalog::Catalog,
        dead_letters::{DeadLetters, Replay},
        events::{Consumer, EventExchange},
        inventory::{Feed, Inventory, Scripts},
        orders::Orders,
        payments::sandbox::Sandbox,
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
    /// Buying a cart.
    pub checkout: Checkout,
    /// Opening sales.
    pub opening: Opening,
    /// Totals and terms.
    pub sale_terms: SaleTerms,
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
        let metrics = Metrics::new()?;
        let ids = Ids::random();
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
        let (sales, catalog) = (Sales::new(pool.clone()), Catalog::new(pool.clone()));
        Ok(Self {
            outbox: Outbox::start(pool.clone()),
            events: EventExchange::new(&config.rabbit.prefix, config.events.queue_settle),
            consumers: consumers().into(),
            stock_views: Feed::new(inventory.clone()),
            orders: Orders::new(pool.clone()),
            cart_lines: CartLines::new(
                inventory.clone(),
                rabbit.publisher(),
                stream.clone(),
                clock.clone(),
                cart_limits(&config),
                &metrics,
            )?,
            intake: CartIntake::new(pool.clone(), clock.clone()),
            checkout: Checkout::new(
                pool.clone(),
                inventory.clone(),
                catalog.clone(),
                Sandbox::new(pool.clone(), config.checkout.provider_timeout),
                (clock.clone(), ids.clone()),
                checkout::Settings { lease: config.checkout.lease },
                &metrics,
            )?,
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
            sessions: sessions(&config, &ids)?,
            ids,
            config: Arc::new(config),
            clock,
            metrics,
            pool,
            redis,
            rabbit,
            stream,
            sales,
            catalog,
            inventory,
        })
    }

    /// What failed on any road, and how it is replayed.
    #[must_use]
    pub fn dead_letters(&self) -> DeadLetters {
        let roads = roads(&self.intake, &self.consumers);
        DeadLetters::new(self.pool.clone(), self.clock.clone(), roads)
    }
}

/// Who takes events over, each from a durable queue of its own.
#[must_use]
pub fn consumers() -> Vec<Arc<dyn Consumer>> {
    Vec::new()
}

/// The roads by which dead letters come.
#[must_use]
pub fn roads(intake: &CartIntake, consumers: &[Arc<dyn Consumer>]) -> Vec<Arc<dyn Replay>> {
    let mut roads: Vec<Arc<dyn Replay>> = vec![Arc::new(intake.clone())];
    for consumer in consumers {
        roads.push(Arc::new(EventReplay::new(Arc::clone(consumer))));
    }
    roads
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

fn cart_limits(config: &Config) -> CartLimits {
    CartLimits {
        batch: Limits { batch: config.stock.batch_limit, queue: config.stock.queue_limit },
        deadline: config.stock.claim_deadline,
        stream_max_age: config.cart.stream_max_age,
        stream_max_bytes: config.cart.stream_max_bytes,
    }
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
