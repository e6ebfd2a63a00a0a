//! The rooms of the commands that do one thing and end.

use sqlx::PgPool;

use super::failure::Failure;
use crate::{
    app,
    flows::{
        cart_intake::CartIntake, checkout::Checkout, reconciliation::Auditor, refunding::Refunding,
        sale_terms::SaleTerms,
    },
    kernel::{clock::Clock, ids::Ids},
    platform::{
        config::Config,
        metrics::Metrics,
        postgres,
        redis::{Redis, RedisOptions},
    },
    shop::{
        dead_letters::DeadLetters,
        inventory::{Inventory, Scripts},
        sales::Sales,
    },
};

/// What needs Postgres and Redis only.
pub(super) struct Rooms {
    pub(super) pool: PgPool,
    pub(super) sale_terms: SaleTerms,
    pub(super) auditor: Auditor,
    pub(super) checkout: Checkout,
    pub(super) refunding: Refunding,
    pub(super) clock: Clock,
    pub(super) dead_letters: DeadLetters,
}

impl Rooms {
    /// With connections of their own, made when they are needed.
    pub(super) fn new(config: &Config) -> Result<Self, Failure> {
        let pool = postgres::connect(&config.postgres)?;
        let options = RedisOptions {
            pool_size: config.redis.pool_size,
            connect_timeout: config.redis.connect_timeout,
            reply_timeout: config.redis.call_timeout,
        };
        let redis = Redis::new(config.redis.url.expose(), options).map_err(Failure::failed)?;
        let clock = Clock::system();
        let prefix = &config.redis.prefix;
        let inventory = Inventory::new(redis, prefix, clock.clone(), Scripts::production());
        let (sales, grace) = (Sales::new(pool.clone()), config.checkout.grace);
        let payments = app::providers(config, &pool).map_err(Failure::failed)?;
        let ids = Ids::random();
        let stock = app::Stock {
            inventory: inventory.clone(),
            payments: payments.clone(),
            time: (clock.clone(), ids.clone()),
        };
        let metrics = Metrics::new().map_err(Failure::failed)?;
        let intake = CartIntake::new(pool.clone(), clock.clone());
        let roads = app::roads(&intake, &app::consumers(&pool, &ids));
        Ok(Self {
            auditor: Auditor::new(pool.clone(), inventory.clone(), payments),
            checkout: app::checkout(config, &pool, &stock, &metrics).map_err(Failure::failed)?,
            refunding: app::refunding(config, &pool, &stock),
            dead_letters: DeadLetters::new(pool.clone(), clock.clone(), roads),
            sale_terms: SaleTerms::new(pool.clone(), inventory, sales, clock.clone(), grace),
            clock,
            pool,
        })
    }
}
