//! A bucket of its own for each test, with a clock that the test sets.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use redis::{FromRedisValue, Value};
use stampede::{
    kernel::{
        clock::{Clock, Timestamp, from_millis},
        ids::{Bucket, Ids, OrderId, ShopperId, Sku},
        quantity::Quantity,
        version::{Epoch, Revision},
    },
    platform::redis::{Redis, RedisOptions},
    shop::inventory::{
        Built, Claim, ClaimOutcome, Claimed, Freeze, Inventory, InventoryError, Opening, Scripts,
        SkuTerms, Terms, WantedLine,
    },
};
use uuid::Uuid;

/// When every test begins, in milliseconds.
pub(crate) const START: i64 = 1_000_000;
pub(crate) const HOLD: i64 = 600_000;
pub(crate) const GRACE: i64 = 300_000;

const TEST_CLOCK: &str = "local function now_ms()
  return tonumber(redis.call('GET', (string.gsub(KEYS[1], ':stock$', ':now'))))
end
";

/// The scripts with the tests' clock.
pub(crate) fn scripts() -> Scripts {
    scripts_without("", "", "")
}

/// The scripts with the tests' clock, and with `check` in `file` replaced.
pub(crate) fn scripts_without(file: &str, check: &str, instead: &str) -> Scripts {
    Scripts::altered(|name, text| {
        if name == "clock" {
            TEST_CLOCK.to_owned()
        } else if name == file {
            assert!(text.contains(check), "{file}.lua has no {check:?}");
            text.replace(check, instead)
        } else {
            text.to_owned()
        }
    })
}

pub(crate) fn redis_url() -> String {
    std::env::var("REDIS_URL").expect("REDIS_URL names the server to test against")
}

pub(crate) fn redis(url: &str) -> Redis {
    Redis::new(url, RedisOptions::default()).unwrap()
}

/// One bucket under a prefix of its own.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) redis: Redis,
    pub(crate) prefix: String,
    pub(crate) inventory: Inventory,
    pub(crate) bucket: Bucket,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self::at(&redis_url(), scripts())
    }

    pub(crate) fn at(url: &str, scripts: Scripts) -> Self {
        let redis = redis(url);
        let prefix = format!("test:{}:", Ids::random().order());
        let inventory = Inventory::new(redis.clone(), &prefix, Clock::system(), scripts);
        Self { redis, prefix, inventory, bucket: Bucket::first("sale".parse().unwrap()) }
    }

    /// An open shop with these totals at [`START`], in epoch 1.
    pub(crate) async fn open(totals: &[(&str, i64)]) -> Self {
        let shop = Self::new();
        shop.set_now(START).await;
        shop.reopen(Epoch(1), &terms(totals), &[]).await;
        shop
    }

    /// The same stock, through other scripts and connections of their own.
    pub(crate) fn through(&self, scripts: Scripts) -> Inventory {
        Inventory::new(redis(&redis_url()), &self.prefix, Clock::system(), scripts)
    }

    pub(crate) async fn reopen(&self, epoch: Epoch, terms: &Terms, claims: &[(ShopperId, Claim)]) {
        let inventory = &self.inventory;
        assert_eq!(inventory.mark_opening(&self.bucket, epoch).await.unwrap(), Opening::Done);
        let built = self.build(epoch, terms, claims).await;
        assert!(matches!(built, Built::Ready { .. }), "{built:?}");
        assert_eq!(inventory.swap_in(&self.bucket, epoch).await.unwrap(), Opening::Done);
    }

    pub(crate) async fn build(
        &self,
        epoch: Epoch,
        terms: &Terms,
        claims: &[(ShopperId, Claim)],
    ) -> Built {
        let revision = Revision(epoch.0);
        let mut build = self.inventory.build(&self.bucket, epoch, revision, terms).await.unwrap();
        for (shopper, claim) in claims {
            build.push(*shopper, claim).await.unwrap();
        }
        build.finish().await.unwrap()
    }

    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{{{}}}:{name}", self.prefix, self.bucket)
    }

    /// Runs a command on one of the bucket's keys.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        command: &str,
        key: &str,
        args: &[&str],
    ) -> T {
        let value: Value =
            self.redis.ask(redis::cmd(command).arg(self.key(key)).arg(args)).await.unwrap();
        redis::from_redis_value(value).unwrap()
    }

    pub(crate) async fn set_now(&self, millis: i64) {
        let _: () = self.ask("SET", "now", &[&millis.to_string()]).await;
    }

    pub(crate) async fn wipe(&self) {
        for key in ["stock", "claims", "returns", "journal"] {
            let _: i64 = self.ask("DEL", key, &[]).await;
        }
    }

    /// Claims in epoch 1 without a deadline to speak of.
    pub(crate) async fn claim(&self, wanted: &[WantedLine]) -> Result<Claimed, InventoryError> {
        claim_in(&self.inventory, &self.bucket, Epoch(1), wanted).await
    }

    /// Claims one line that must be accepted.
    pub(crate) async fn take(&self, shopper: ShopperId, sku: &str, quantity: i64) -> Claimed {
        let claimed = self.claim(&[want(shopper, sku, quantity)]).await.unwrap();
        assert!(!matches!(claimed.outcomes[..], [ClaimOutcome::Refused(_)]), "{claimed:?}");
        claimed
    }

    pub(crate) async fn packed_claim(&self, shopper: ShopperId) -> String {
        let field = shopper.0.as_simple().to_string();
        let packed: Option<String> = self.ask("HGET", "claims", &[&field]).await;
        packed.unwrap_or_default()
    }

    /// available, held, sold of a SKU.
    pub(crate) async fn units(&self, name: &str) -> (i64, i64, i64) {
        let snapshot = self.inventory.snapshot(&self.bucket).await.unwrap().unwrap();
        let units = snapshot.units[&sku(name)];
        assert_eq!(units.total, units.available + units.held + units.sold);
        (units.available, units.held, units.sold)
    }
}

pub(crate) async fn claim_in(
    inventory: &Inventory,
    bucket: &Bucket,
    epoch: Epoch,
    wanted: &[WantedLine],
) -> Result<Claimed, InventoryError> {
    inventory.claim(bucket, epoch, never(), &[], wanted).await
}

pub(crate) fn never() -> Timestamp {
    from_millis(i64::from(u32::MAX) * 1000)
}

pub(crate) fn terms(totals: &[(&str, i64)]) -> Terms {
    Terms {
        paused: false,
        starts_at: from_millis(0),
        ends_at: never(),
        hold: Duration::from_millis(HOLD.unsigned_abs()),
        grace: Duration::from_millis(GRACE.unsigned_abs()),
        limit: Quantity::ZERO,
        skus: totals
            .iter()
            .map(|(name, total)| SkuTerms {
                sku: sku(name),
                product: name[..1].to_ascii_lowercase().parse().unwrap(),
                product_limit: Quantity::ZERO,
                total: quantity(*total),
            })
            .collect(),
    }
}

pub(crate) fn sku(name: &str) -> Sku {
    name.parse().unwrap()
}

pub(crate) fn quantity(n: i64) -> Quantity {
    n.try_into().unwrap()
}

pub(crate) fn want(shopper: ShopperId, name: &str, n: i64) -> WantedLine {
    WantedLine { shopper, sku: sku(name), quantity: quantity(n) }
}

pub(crate) fn lines(wanted: &[(&str, i64)]) -> Vec<(Sku, Quantity)> {
    wanted.iter().map(|(name, n)| (sku(name), quantity(*n))).collect()
}

pub(crate) fn shopper(n: usize) -> ShopperId {
    ShopperId(Uuid::from_u128(0xA000 + n as u128))
}

pub(crate) fn order(n: usize) -> OrderId {
    OrderId(Uuid::from_u128(0xB000 + n as u128))
}

pub(crate) fn freeze(who: usize, which: usize, attempt: i32) -> Freeze {
    Freeze { shopper: shopper(who), order: order(which), attempt }
}

/// A Redis of one's own, killed when dropped.
pub(crate) struct Server {
    process: Child,
    folder: PathBuf,
    pub(crate) url: String,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = std::env::temp_dir().join(Ids::random().order().to_string());
        std::fs::create_dir(&folder).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|socket| socket.local_addr())
            .unwrap()
            .port();
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "no", "--dir"])
            .arg(&folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let server = Self { process, folder, url: format!("redis://127.0.0.1:{port}/") };
        let client = redis(&server.url);
        for _ in 0..200 {
            if client.ping().await.is_ok() {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("redis-server did not start");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
