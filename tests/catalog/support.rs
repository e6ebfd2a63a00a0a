//! A shop with a database and a key prefix of its own, and a clock that the test sets.

use std::{
    collections::BTreeMap,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use stampede::{
    flows::sale_terms::{
        Imported, SaleTerms, SaleTermsError,
        file::{FileErrors, SaleFile},
    },
    kernel::{
        clock::{Clock, Timestamp, from_millis},
        ids::{Bucket, Ids, SaleSlug, ShopperId, Sku},
        quantity::Quantity,
        version::{Epoch, Revision},
    },
    platform::{
        postgres,
        redis::{Redis, RedisOptions},
    },
    shop::{
        catalog::{self, Catalog, Image, Product},
        inventory::{
            Built, ClaimOutcome, Inventory, Opening, Scripts, SkuTerms, Snapshot, Terms, WantedLine,
        },
        sales::{self, Sale, Sales},
    },
};

pub(super) const GRACE: Duration = Duration::from_mins(5);

/// 2026-11-27 09:00 UTC, an hour before the sale of [`FILE`] starts.
pub(super) const BEFORE: i64 = 1_795_770_000_000;
/// While it is open.
pub(super) const OPEN: i64 = BEFORE + 5_400_000;

pub(super) const FILE: &str = r#"[sale]
slug = "night-run"
title = "Night Run"
currency = "EUR"
starts_at = "2026-11-27T10:00:00Z"
ends_at = "2026-11-27T12:00:00Z"
hold = "10m"
limit_per_shopper = 4

[[product]]
slug = "runner-one"
title = "Runner One"
description = "Plain text."
image = "one.svg"
limit_per_shopper = 2

[[product.sku]]
sku = "RUN1-42"
label = "EU 42"
price = "129.00"
stock = 10

[[product.sku]]
sku = "RUN1-43"
label = "EU 43"
price = "129.00"
stock = 20

[[product]]
slug = "runner-two"
title = "Runner Two"

[[product.sku]]
sku = "RUN2"
label = "one size"
price = "59.90"
stock = 5
"#;

const TEST_CLOCK: &str = "local function now_ms()
  return tonumber(redis.call('GET', (string.gsub(KEYS[1], ':stock$', ':now'))))
end
";

pub(super) fn parse(text: &str) -> Result<SaleFile, FileErrors> {
    SaleFile::parse(text, &mut |name| {
        let svg = format!("<svg xmlns='http://www.w3.org/2000/svg'><title>{name}</title></svg>");
        Ok(Image::parse(Bytes::from(svg)).unwrap())
    })
}

pub(super) fn slug() -> SaleSlug {
    "night-run".parse().unwrap()
}

pub(super) fn bucket() -> Bucket {
    Bucket::first(slug())
}

pub(super) fn sku(name: &str) -> Sku {
    name.parse().unwrap()
}

pub(super) struct Shop {
    pub(super) pool: PgPool,
    pub(super) database_url: String,
    pub(super) prefix: String,
    pub(super) redis: Redis,
    pub(super) inventory: Inventory,
    pub(super) sales: Sales,
    pub(super) catalog: Catalog,
    pub(super) terms: SaleTerms,
    now: Arc<AtomicI64>,
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} names the server to test against"))
}

pub(super) fn redis_at(url: &str) -> Redis {
    Redis::new(url, RedisOptions::default()).unwrap()
}

impl Shop {
    pub(super) async fn new() -> Self {
        let name = format!("catalog_{}", Ids::random().order().0.simple());
        let given = variable("DATABASE_URL");
        let mut admin = PgConnection::connect(&given).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut admin)
            .await
            .unwrap();
        let options = PgConnectOptions::from_str(&given).unwrap().database(&name);
        let pool = PgPoolOptions::new().max_connections(4).connect_lazy_with(options);
        postgres::migrate(&pool).await.unwrap();
        let (server, _) = given.rsplit_once('/').unwrap();
        Self::over(pool, format!("{server}/{name}")).await
    }

    async fn over(pool: PgPool, database_url: String) -> Self {
        let now = Arc::new(AtomicI64::new(BEFORE));
        let clock = {
            let now = now.clone();
            Clock::from_fn(move || from_millis(now.load(Ordering::SeqCst)))
        };
        let redis = redis_at(&variable("REDIS_URL"));
        let prefix = format!("test:{}:", Ids::random().order());
        let scripts = Scripts::altered(|name, text| match name {
            "clock" => TEST_CLOCK.to_owned(),
            _ => text.to_owned(),
        });
        let inventory = Inventory::new(redis.clone(), &prefix, clock.clone(), scripts);
        let sales = Sales::new(pool.clone());
        let catalog = Catalog::new(pool.clone());
        let terms = SaleTerms::new(pool.clone(), inventory.clone(), sales.clone(), clock, GRACE);
        let shop =
            Self { pool, database_url, prefix, redis, inventory, sales, catalog, terms, now };
        shop.set_now(BEFORE).await;
        shop
    }

    /// The same shop with a Redis that does not answer.
    pub(super) fn without_redis(&self) -> SaleTerms {
        let redis = redis_at("redis://127.0.0.1:1/");
        let now = self.now();
        let clock = Clock::from_fn(move || now);
        let inventory = Inventory::new(redis, &self.prefix, clock.clone(), Scripts::production());
        SaleTerms::new(self.pool.clone(), inventory, self.sales.clone(), clock, GRACE)
    }

    /// Removes what only this test used. A test that fails leaves it to be looked at.
    pub(super) async fn close(self) {
        self.pool.close().await;
        let mut admin = PgConnection::connect(&variable("DATABASE_URL")).await.unwrap();
        let (_, name) = self.database_url.rsplit_once('/').unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)")))
            .execute(&mut admin)
            .await
            .unwrap();
    }

    pub(super) fn now(&self) -> Timestamp {
        from_millis(self.now.load(Ordering::SeqCst))
    }

    pub(super) async fn set_now(&self, millis: i64) {
        self.now.store(millis, Ordering::SeqCst);
        let key = format!("{}{{{}}}:now", self.prefix, bucket());
        self.redis.ask(redis::cmd("SET").arg(key).arg(millis)).await.unwrap();
    }

    pub(super) async fn import(&self, text: &str) -> Result<Imported, SaleTermsError> {
        self.terms.import(&parse(text).unwrap(), false).await
    }

    /// The one error that the import of `text` is refused with, as `(line, field)`.
    pub(super) async fn refused(&self, text: &str) -> (usize, String) {
        match self.import(text).await {
            Err(SaleTermsError::Invalid(errors)) => {
                let [error] = errors.as_slice() else { panic!("{errors}") };
                (error.line, error.field.clone())
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn sale(&self) -> Sale {
        sales::store::by_slug(&self.pool, &slug()).await.unwrap().unwrap()
    }

    pub(super) async fn products(&self) -> Vec<Product> {
        let sale = self.sale().await;
        catalog::store::products(&self.pool, sale.id, sale.currency).await.unwrap()
    }

    /// The stored total of a SKU.
    pub(super) async fn total(&self, name: &str) -> Option<i64> {
        let products = self.products().await;
        let mut items = products.iter().flat_map(|product| &product.skus);
        items.find(|item| item.sku.as_str() == name).map(|item| item.total)
    }

    /// Opens the stock as the keeper would, with nobody holding anything.
    pub(super) async fn open(&self) -> Epoch {
        let sale = self.sale().await;
        let epoch = sales::store::next_epoch(&self.pool, sale.id, 0, self.now()).await.unwrap();
        self.build(epoch).await;
        epoch
    }

    /// Fills Redis for an epoch that is on record already.
    pub(super) async fn build(&self, epoch: Epoch) {
        let sale = self.sale().await;
        let terms = stock_terms(&sale, &self.products().await);
        let inventory = &self.inventory;
        assert_eq!(inventory.mark_opening(&bucket(), epoch).await.unwrap(), Opening::Done);
        let build = inventory.build(&bucket(), epoch, sale.revision, &terms).await.unwrap();
        assert!(matches!(build.finish().await.unwrap(), Built::Ready { .. }));
        assert_eq!(inventory.swap_in(&bucket(), epoch).await.unwrap(), Opening::Done);
    }

    pub(super) async fn take(&self, epoch: Epoch, name: &str, quantity: i64) -> ShopperId {
        let shopper = Ids::random().shopper();
        let line =
            WantedLine { shopper, sku: sku(name), quantity: Quantity::try_from(quantity).unwrap() };
        let deadline = self.now() + Duration::from_mins(1);
        let claimed = self.inventory.claim(&bucket(), epoch, deadline, &[], &[line]).await.unwrap();
        assert!(matches!(claimed.outcomes[..], [ClaimOutcome::Created { .. }]), "{claimed:?}");
        shopper
    }

    pub(super) async fn snapshot(&self) -> Snapshot {
        self.inventory.snapshot(&bucket()).await.unwrap().expect("the stock is open")
    }

    pub(super) async fn revision(&self) -> Revision {
        sales::store::next_revision(&self.pool).await.unwrap()
    }

    /// Postgres and Redis say the same of totals and revision.
    pub(super) async fn assert_agreed(&self) {
        let (sale, products, snapshot) =
            (self.sale().await, self.products().await, self.snapshot().await);
        assert_eq!(sale.revision, snapshot.revision);
        assert_eq!(sale.paused, snapshot.paused);
        let stored: BTreeMap<_, _> = products
            .iter()
            .flat_map(|product| &product.skus)
            .map(|item| (item.sku.clone(), item.total))
            .collect();
        let open: BTreeMap<_, _> =
            snapshot.units.iter().map(|(sku, units)| (sku.clone(), units.total)).collect();
        assert_eq!(stored, open);
    }
}

fn stock_terms(sale: &Sale, products: &[Product]) -> Terms {
    let skus = products.iter().flat_map(|product| {
        product.skus.iter().map(|item| SkuTerms {
            sku: item.sku.clone(),
            product: product.slug.clone(),
            product_limit: product.limit.unwrap_or(Quantity::ZERO),
            total: Quantity::try_from(item.total).unwrap(),
        })
    });
    Terms {
        paused: sale.paused,
        starts_at: sale.starts_at,
        ends_at: sale.ends_at,
        hold: sale.hold,
        grace: GRACE,
        limit: sale.limit_per_shopper,
        skus: skus.collect(),
    }
}
