//! A shop with one open sale, in a database and under keys of its own, and what a test does to it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use futures_util::{FutureExt, TryStreamExt};
use sqlx::{Connection, PgConnection, PgPool, postgres::PgPoolOptions};
use stampede::{
    flows::checkout::{Checkout, CheckoutError, Moment, Placed, Purchase, Settings},
    kernel::{
        clock::Clock,
        ids::{Bucket, Ids, OrderId, ShopperId, Sku},
        line::CartLine,
        quantity::Quantity,
        version::{Epoch, Revision},
    },
    platform::{
        metrics::Metrics,
        postgres,
        redis::{Redis, RedisOptions},
    },
    shop::{
        cart,
        catalog::Catalog,
        inventory::{
            Built, CartView, Claim, Inventory, Opening, Scripts, SkuTerms, Terms, Units, WantedLine,
        },
        orders::{self, Email, Order, Shipping},
        payments::{
            Payments, Provider,
            sandbox::{Card, Sandbox},
        },
        sales::{self, Sale},
    },
};

use super::sale::insert_sale;

/// SKUs of the sale: title, label, price.
pub(super) const SKUS: [(&str, i64); 3] = [("A", 1_000), ("B", 250), ("FREE", 0)];

/// How the sale is set up.
#[derive(Clone, Copy)]
pub(super) struct Set {
    pub(super) total: i64,
    pub(super) hold: Duration,
    pub(super) grace: Duration,
    /// How long the sandbox lets a caller wait.
    pub(super) provider: Duration,
}

impl Default for Set {
    fn default() -> Self {
        Self {
            total: 100,
            hold: Duration::from_mins(10),
            grace: Duration::from_mins(5),
            provider: Duration::from_secs(3),
        }
    }
}

#[derive(Clone)]
pub(super) struct Shop {
    pub(super) pool: PgPool,
    pub(super) inventory: Inventory,
    pub(super) redis: Redis,
    pub(super) payments: Payments,
    pub(super) sale: Sale,
    pub(super) bucket: Bucket,
    prefix: String,
    set: Set,
    lease: Duration,
    clock: Clock,
}

/// Runs a test in a shop of its own. At its end, whatever the test did, nothing may be half done.
pub(super) async fn in_shop<F: Future<Output = ()>>(set: Set, test: impl FnOnce(Shop) -> F) {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL");
    let name = format!("checkout_{}", Ids::random().order().0.as_simple());
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut admin).await.unwrap();
    let shop = Shop::open(connect(&name).await, &name, set).await;
    let outcome = std::panic::AssertUnwindSafe(async {
        test(shop.clone()).await;
        shop.check().await;
    })
    .catch_unwind()
    .await;
    shop.pool.close().await;
    shop.wipe().await;
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&mut admin).await.unwrap();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// Connections to the database of this name.
pub(super) async fn connect(name: &str) -> PgPool {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL");
    let (server, _) = url.rsplit_once('/').unwrap();
    let options = PgPoolOptions::new().max_connections(8);
    options.connect(&format!("{server}/{name}")).await.unwrap()
}

impl Shop {
    async fn open(pool: PgPool, name: &str, set: Set) -> Self {
        postgres::migrate(&pool).await.unwrap();
        insert_sale(&pool, set).await;
        let shop = Self::join(pool, name, set).await;
        shop.reopen().await;
        shop
    }

    /// The shop of this name, as another process has it.
    pub(super) async fn join(pool: PgPool, name: &str, set: Set) -> Self {
        let sale = sales::store::by_slug(&pool, &"shoes".parse().unwrap()).await.unwrap().unwrap();
        let url = std::env::var("REDIS_URL").expect("REDIS_URL");
        let redis = Redis::new(&url, RedisOptions::default()).unwrap();
        let prefix = format!("{name}:");
        Self {
            inventory: Inventory::new(
                redis.clone(),
                &prefix,
                Clock::system(),
                Scripts::production(),
            ),
            payments: Payments::new(Arc::new(Sandbox::new(pool.clone(), set.provider)), Vec::new()),
            bucket: Bucket::first(sale.slug.clone()),
            pool,
            redis,
            sale,
            prefix,
            set,
            lease: Duration::from_secs(10),
            clock: Clock::system(),
        }
    }

    /// The database that other processes join.
    pub(super) fn name(&self) -> &str {
        self.prefix.trim_end_matches(':')
    }

    /// The same shop with another provider.
    pub(super) fn paying_with(&self, provider: impl Provider + 'static) -> Self {
        Self { payments: Payments::new(Arc::new(provider), Vec::new()), ..self.clone() }
    }

    /// The same shop by another clock.
    pub(super) fn at(&self, clock: Clock) -> Self {
        Self { clock, ..self.clone() }
    }

    pub(super) fn sandbox(&self) -> Sandbox {
        Sandbox::new(self.pool.clone(), self.set.provider)
    }

    /// Opens the sale anew: from paper, under the next epoch.
    pub(super) async fn reopen(&self) {
        let epoch = sales::store::next_epoch(&self.pool, self.sale.id, 0, Clock::system().now())
            .await
            .unwrap();
        assert_eq!(self.inventory.mark_opening(&self.bucket, epoch).await.unwrap(), Opening::Done);
        let mut next =
            self.inventory.build(&self.bucket, epoch, Revision(1), &self.terms()).await.unwrap();
        for (shopper, claim) in self.claims_on_paper().await {
            next.push(shopper, &claim).await.unwrap();
        }
        assert!(matches!(next.finish().await.unwrap(), Built::Ready { .. }));
        assert_eq!(self.inventory.swap_in(&self.bucket, epoch).await.unwrap(), Opening::Done);
    }

    async fn claims_on_paper(&self) -> BTreeMap<ShopperId, Claim> {
        let mut lines: BTreeMap<ShopperId, Vec<CartLine>> = BTreeMap::new();
        let all: Vec<CartLine> =
            cart::store::lines_of_sale(&self.pool, self.sale.id).try_collect().await.unwrap();
        for line in all {
            lines.entry(line.shopper).or_default().push(line);
        }
        let mut claims: BTreeMap<ShopperId, Claim> =
            lines.iter().map(|(shopper, lines)| (*shopper, Claim::from_lines(lines))).collect();
        let frozen = orders::rebuild::frozen(&self.pool, self.sale.id).await.unwrap();
        for checkout in frozen {
            let claim = claims.entry(checkout.shopper).or_default();
            if checkout.settled.is_empty() {
                claim.freeze(checkout.order, checkout.attempt);
            } else {
                claim.settle(checkout.order, checkout.attempt, &checkout.settled);
            }
        }
        let bought: Vec<_> =
            orders::rebuild::bought(&self.pool, self.sale.id).try_collect().await.unwrap();
        for row in bought {
            claims.entry(row.shopper).or_default().add_bought(&row.sku, row.units, row.restocked);
        }
        claims
    }

    fn terms(&self) -> Terms {
        let total = Quantity::try_from(self.set.total).unwrap();
        Terms {
            paused: self.sale.paused,
            starts_at: self.sale.starts_at,
            ends_at: self.sale.ends_at,
            hold: self.set.hold,
            grace: self.set.grace,
            limit: Quantity::ZERO,
            skus: SKUS
                .iter()
                .map(|(sku, _)| SkuTerms {
                    sku: sku.parse().unwrap(),
                    product: "runner".parse().unwrap(),
                    product_limit: Quantity::ZERO,
                    total,
                })
                .collect(),
        }
    }

    /// Redis loses everything.
    pub(super) async fn wipe(&self) {
        let mut delete = redis::cmd("DEL");
        for key in ["stock", "claims", "returns", "journal"] {
            delete.arg(format!("{}{{{}}}:{key}", self.prefix, self.bucket));
        }
        self.redis.ask(&delete).await.unwrap();
    }

    /// The same shop with processes that own a checkout for so long.
    pub(super) fn leasing(&self, lease: Duration) -> Self {
        Self { lease, ..self.clone() }
    }

    pub(super) fn checkout(&self) -> Checkout {
        Checkout::new(
            self.pool.clone(),
            self.inventory.clone(),
            Catalog::new(self.pool.clone()),
            self.payments.clone(),
            (self.clock.clone(), Ids::random()),
            Settings { lease: self.lease, grace: Duration::from_mins(5) },
            &Metrics::new().unwrap(),
        )
        .unwrap()
    }

    /// A process that is killed at the given moment, the first time that it comes.
    pub(super) fn killed_at(&self, moment: Moment) -> Checkout {
        self.checkout().with_schedule(Arc::new(move |now| async move { now != moment }.boxed()))
    }

    /// A process in which something happens at a given moment, the first time that it comes.
    /// Counts how often it came.
    pub(super) fn meanwhile<F: Future<Output = ()> + Send + 'static>(
        &self,
        moment: Moment,
        happens: impl Fn(Shop) -> F + Send + Sync + 'static,
    ) -> (Checkout, Arc<AtomicUsize>) {
        let times = Arc::new(AtomicUsize::new(0));
        let (shop, counted, happens) = (self.clone(), times.clone(), Arc::new(happens));
        let schedule = Arc::new(move |now: Moment| {
            let first = now == moment && counted.fetch_add(1, Ordering::SeqCst) == 0;
            let (shop, happens) = (shop.clone(), happens.clone());
            async move {
                if first {
                    happens(shop).await;
                }
                true
            }
            .boxed()
        });
        (self.checkout().with_schedule(schedule), times)
    }

    pub(super) async fn epoch(&self) -> Epoch {
        sales::store::epoch(&self.pool, self.sale.id, 0).await.unwrap()
    }

    /// Sets a line, on the shelf and on paper.
    pub(super) async fn set(&self, shopper: ShopperId, sku: &str, quantity: i64) {
        let wanted = WantedLine {
            shopper,
            sku: sku.parse().unwrap(),
            quantity: quantity.try_into().unwrap(),
        };
        let deadline = Clock::system().now() + TimeDelta::seconds(5);
        let (bucket, epoch) = (&self.bucket, self.epoch().await);
        let claimed = self.inventory.claim(bucket, epoch, deadline, &[], &[wanted]).await.unwrap();
        assert!(!claimed.lines.is_empty(), "{claimed:?}");
        let mut conn = self.pool.acquire().await.unwrap();
        cart::store::upsert(&mut conn, self.sale.id, &claimed.lines).await.unwrap();
        self.inventory.give_back(bucket, epoch, &claimed.returned).await.unwrap();
    }

    /// A shopper with a line of each.
    pub(super) async fn shopper_with(&self, lines: &[(&str, i64)]) -> ShopperId {
        let shopper = Ids::random().shopper();
        for (sku, quantity) in lines {
            self.set(shopper, sku, *quantity).await;
        }
        shopper
    }

    pub(super) fn purchase(&self, shopper: ShopperId, key: &str, method: Card) -> Purchase<'_> {
        Purchase {
            sale: &self.sale,
            shopper,
            key: key.parse().unwrap(),
            email: Email::parse("ada@example.org").unwrap(),
            shipping: Shipping::parse("Ada", "1 Way", "London", "N1", "GB").unwrap(),
            method: method.into(),
            cart_version: None,
        }
    }

    pub(super) async fn buy(
        &self,
        shopper: ShopperId,
        method: Card,
    ) -> Result<Placed, CheckoutError> {
        let key = Ids::random().order().to_string();
        self.checkout().place(self.purchase(shopper, &key, method)).await
    }

    pub(super) async fn cart(&self, shopper: ShopperId) -> CartView {
        self.inventory.cart(&self.bucket, self.epoch().await, shopper).await.unwrap()
    }

    pub(super) async fn units(&self, sku: &str) -> Units {
        let snapshot = self.inventory.snapshot(&self.bucket).await.unwrap().unwrap();
        snapshot.units[&sku.parse::<Sku>().unwrap()]
    }

    pub(super) async fn order(&self, id: OrderId) -> Order {
        let mut conn = self.pool.acquire().await.unwrap();
        orders::store::by_id(&mut conn, id).await.unwrap().unwrap()
    }

    /// The only order there is.
    pub(super) async fn only_order(&self) -> Order {
        let id = sqlx::query_scalar("SELECT id FROM orders").fetch_one(&self.pool).await.unwrap();
        self.order(OrderId(id)).await
    }

    pub(super) async fn count(&self, what: &str) -> i64 {
        let sql = format!("SELECT COUNT(*) FROM {what}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&self.pool).await.unwrap()
    }

    /// Every lease is over: their owners count as dead.
    pub(super) async fn leases_end(&self) {
        self.write("UPDATE checkouts SET lease_until = clock_timestamp() - interval '1 second'")
            .await;
    }

    pub(super) async fn write(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.pool).await.unwrap();
    }

    /// Another process takes over what was left, until nothing is.
    pub(super) async fn resume(&self) {
        for _ in 0..10 {
            self.leases_end().await;
            if self.checkout().resume_due(16).await.unwrap() == 0 {
                return;
            }
        }
        panic!("a checkout does not end");
    }

    /// How a charge stands in the provider's book; `None` when there is none.
    pub(super) async fn charge(&self, order: OrderId) -> Option<String> {
        sqlx::query_scalar("SELECT status FROM sandbox_payments WHERE key = $1")
            .bind(order.0)
            .fetch_optional(&self.pool)
            .await
            .unwrap()
    }
}
