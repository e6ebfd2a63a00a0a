//! A real shop without a single worker: the test itself is every process, one step at a time.

mod acts;
mod faults;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use stampede::{
    app::App,
    flows::{
        cart_lines::{CartLimits, CartLines},
        opening::Step,
    },
    kernel::{
        clock::{Clock, Timestamp, from_millis},
        ids::{Bucket, ShopperId},
    },
    platform::{batcher::Limits, metrics::Metrics, rabbit::StreamLimits},
    shop::{
        inventory::{Inventory, Scripts, WantedLine},
        sales::{self, Sale, store::Kept},
    },
};

use crate::{
    harness::{PATIENCE, Plan, Shop},
    inventory::support::{scripts, scripts_without},
};

/// The last pair: there is one.
pub(super) const PAIR: &str = "PAIR";
/// There are plenty.
pub(super) const CAP: &str = "CAP";

pub(super) const HOLD: Duration = Duration::from_mins(10);
pub(super) const GRACE: Duration = Duration::from_mins(5);

pub(super) const FILE: &str = r#"
[sale]
slug = "run"
title = "Night Run"
currency = "EUR"
starts_at = "+0s"
ends_at = "+30d"
hold = "10m"
limit_per_shopper = 9

[[product]]
slug = "runner"
title = "Runner"

[[product.sku]]
sku = "PAIR"
label = "EU 42"
price = "129.00"
stock = 1

[[product.sku]]
sku = "CAP"
label = "One size"
price = "19.50"
stock = 1000
"#;

/// Whether a schedule is played as the shop would, or without the rule that its test is named for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Kept,
    LeftOut,
}

impl Rule {
    pub(super) const BOTH: [Self; 2] = [Self::Kept, Self::LeftOut];

    pub(super) fn is_left_out(self) -> bool {
        self == Self::LeftOut
    }
}

/// One sale, open, and everybody who acts on it. Cheap to clone, so that a hook can act too.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) app: App,
    /// The stock, on a clock that stands still unless the test lets time [pass](Stage::pass).
    pub(super) inventory: Inventory,
    pub(super) bucket: Bucket,
    pub(super) kept: Kept,
    pub(super) sale: Arc<Sale>,
    carts: CartLines,
    /// There is one writer at a time; the number of its last marker.
    writer: Arc<tokio::sync::Mutex<i64>>,
    now: Arc<AtomicI64>,
    shop: Arc<Mutex<Option<Shop>>>,
}

impl Stage {
    /// The sale of [`FILE`], open, with nobody in it.
    pub(super) async fn open() -> Self {
        let plan = Plan { web: false, ..Plan::default() }.roles(&[]);
        let shop = Box::pin(plan.start()).await;
        shop.import(FILE).await;
        let app = shop.app.clone();
        app.rabbit.wait_connected(PATIENCE).await.expect("a connection to RabbitMQ");
        let kept = sales::store::to_keep(&app.pool, app.clock.now()).await.unwrap().remove(0);
        let sale = sales::store::by_slug(&app.pool, &kept.slug).await.unwrap().unwrap();
        let inventory = inventory(&app, scripts());
        let stage = Self {
            carts: carts(&app, inventory.clone()),
            bucket: kept.bucket(),
            sale: Arc::new(sale),
            writer: Arc::default(),
            now: Arc::new(AtomicI64::new(app.clock.now().timestamp_millis() + 1)),
            shop: Arc::new(Mutex::new(Some(shop))),
            app,
            inventory,
            kept,
        };
        stage.pass(Duration::ZERO).await;
        stage.keeper(nothing).ensure_stream(std::slice::from_ref(&stage.kept)).await.unwrap();
        stage.open_again().await;
        stage
    }

    /// The stock through scripts in which `check` is replaced.
    pub(super) fn inventory_without(&self, file: &str, check: &str, instead: &str) -> Inventory {
        inventory(&self.app, scripts_without(file, check, instead))
    }

    pub(super) fn shoppers<const N: usize>(&self) -> [ShopperId; N] {
        std::array::from_fn(|_| self.app.ids.shopper())
    }

    /// Lets Redis' time pass.
    pub(super) async fn pass(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap();
        let now = self.now.fetch_add(millis, Ordering::SeqCst) + millis;
        let mut set = redis::cmd("SET");
        self.app.redis.ask(set.arg(self.key("now")).arg(now)).await.unwrap();
        // whoever asks it hears what time it is
        let _ = self.inventory.snapshot(&self.bucket).await.unwrap();
    }

    pub(super) fn soon(&self) -> Timestamp {
        from_millis(self.now.load(Ordering::SeqCst)) + Duration::from_secs(2)
    }

    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{{{}}}:{name}", self.app.config.redis.prefix, self.bucket)
    }

    /// The end: with the rule everything adds up; without it, nobody need look.
    pub(super) async fn end(self, rule: Rule) {
        let shop = self.shop.lock().unwrap().take().unwrap();
        if rule.is_left_out() {
            return Box::pin(shop.discard()).await;
        }
        if !self.is_open().await {
            self.open_again().await;
        }
        self.expire().await;
        self.take_over().await;
        Box::pin(shop.close()).await;
    }
}

const STREAM_LIMITS: StreamLimits = StreamLimits {
    max_age: Duration::from_hours(1),
    max_bytes: 100_000_000,
    segment_bytes: 1_000_000,
};

/// What happens to most keepers.
pub(super) async fn nothing(_: Stage, _: Step) -> anyhow::Result<()> {
    Ok(())
}

pub(super) fn want(shopper: ShopperId, sku: &str, quantity: i64) -> WantedLine {
    WantedLine { shopper, sku: sku.parse().unwrap(), quantity: quantity.try_into().unwrap() }
}

fn inventory(app: &App, scripts: Scripts) -> Inventory {
    let (redis, prefix) = (app.redis.clone(), &app.config.redis.prefix);
    Inventory::new(redis, prefix, Clock::system(), scripts)
}

fn carts(app: &App, inventory: Inventory) -> CartLines {
    let limits = CartLimits {
        batch: Limits { batch: 64, queue: 64 },
        deadline: Duration::from_secs(2),
        stream_max_age: STREAM_LIMITS.max_age,
        stream_max_bytes: STREAM_LIMITS.max_bytes,
    };
    let (stream, clock) = (app.stream.clone(), app.clock.clone());
    let metrics = Metrics::new().unwrap();
    CartLines::new(inventory, app.rabbit.publisher(), stream, clock, limits, &metrics).unwrap()
}
