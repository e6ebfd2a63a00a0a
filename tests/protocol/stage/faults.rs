//! What goes wrong, and what is seen of it.

use stampede::{
    kernel::{
        ids::{ShopperId, Sku},
        version::Epoch,
    },
    shop::{
        cart::{self, stream::routing_key},
        inventory::Units,
        sales,
    },
};

use super::Stage;
use crate::harness::until;

impl Stage {
    /// Redis comes back empty.
    pub(crate) async fn lose_redis(&self) {
        let mut unlink = redis::cmd("UNLINK");
        for key in ["stock", "claims", "returns", "journal"] {
            unlink.arg(self.key(key));
        }
        self.app.redis.ask(&unlink).await.unwrap();
    }

    /// The broker comes back empty.
    pub(crate) async fn lose_broker(&self) {
        let (rabbit, stream) = (&self.app.rabbit, &self.app.stream);
        let (exchange, queue) = (stream.exchange(), stream.queue_of(stream.generation()));
        // it may end the connection over a reader that was just at the stream
        until("the broker is empty", async || {
            rabbit.delete_exchange(&exchange).await.is_ok()
                && rabbit.delete_stream(&queue).await.is_ok()
        })
        .await;
    }

    pub(crate) async fn bind(&self, epoch: Epoch) {
        let (stream, key) = (&self.app.stream, routing_key(&self.bucket, epoch));
        let queue = stream.queue_of(stream.generation());
        self.app.rabbit.bind(&queue, &stream.exchange(), &key).await.unwrap();
    }

    pub(crate) async fn unbind(&self, epoch: Epoch) {
        let (stream, key) = (&self.app.stream, routing_key(&self.bucket, epoch));
        let queue = stream.queue_of(stream.generation());
        self.app.rabbit.unbind(&queue, &stream.exchange(), &key).await.unwrap();
    }

    pub(crate) async fn write(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.app.pool).await.unwrap();
    }

    /// Makes Postgres say that `epoch` is the last: what somebody sees who does not look.
    pub(crate) async fn pretend_epoch(&self, epoch: Epoch) {
        let set = sqlx::query("UPDATE openings SET epoch = $1").bind(epoch.0);
        set.execute(&self.app.pool).await.unwrap();
    }

    // What is seen.

    /// The epoch on record.
    pub(crate) async fn epoch(&self) -> Epoch {
        sales::store::epoch(&self.app.pool, self.kept.sale, self.kept.bucket).await.unwrap()
    }

    /// The epoch that Redis is open under.
    pub(crate) async fn open_epoch(&self) -> Epoch {
        self.inventory.snapshot(&self.bucket).await.unwrap().expect("an open sale").epoch
    }

    pub(crate) async fn is_open(&self) -> bool {
        self.inventory.snapshot(&self.bucket).await.unwrap().is_some()
    }

    /// Units of a SKU in a shopper's cart, as he would see it.
    pub(crate) async fn in_cart(&self, shopper: ShopperId, sku: &str) -> i64 {
        let cart = self.carts.cart(&self.sale, shopper).await.unwrap();
        let of_sku = |line: &&(Sku, _)| line.0.as_str() == sku;
        cart.lines.iter().find(of_sku).map_or(0, |(_, quantity)| i64::from(*quantity))
    }

    pub(crate) async fn units(&self, sku: &str) -> Units {
        let snapshot = self.inventory.snapshot(&self.bucket).await.unwrap().unwrap();
        snapshot.units[&sku.parse::<Sku>().unwrap()]
    }

    pub(crate) async fn held_on_paper(&self, sku: &str) -> i64 {
        let held = cart::store::held_units(&self.app.pool, self.kept.sale).await.unwrap();
        held.get(sku).copied().unwrap_or_default()
    }

    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.app.pool).await.unwrap()
    }
}
