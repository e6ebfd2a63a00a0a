//! Stock views for the web, milliseconds behind Redis.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use redis::Cmd;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Inventory,
    journal::{ENTRIES, Entry, Position, read_journals, read_units},
    model::{InventoryError, Snapshot, StockView},
};
use crate::{
    kernel::{clock::Timestamp, ids::Bucket},
    platform::redis::Blocking,
};

/// How long one read of the journals may wait for news, and so about how old a view of an idle
/// stock may be. Well below the second that a view may lag.
const BLOCK: Duration = Duration::from_millis(250);
/// Pause before a lost connection is made again, and between looks at closed sales.
const RETRY: Duration = Duration::from_millis(250);
/// How often a whole snapshot is taken although the journal has no gap: a stock that was deleted on
/// a living server leaves no entry.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The stock of the followed buckets as the journals tell it, milliseconds behind Redis.
#[derive(Clone)]
pub struct Feed(Arc<Followed>);

struct Followed {
    inventory: Inventory,
    buckets: Mutex<BTreeSet<Bucket>>,
    views: ArcSwap<HashMap<Bucket, Arc<StockView>>>,
}

impl Feed {
    /// A feed that follows nothing yet.
    #[must_use]
    pub fn new(inventory: Inventory) -> Self {
        let (buckets, views) = (Mutex::default(), ArcSwap::default());
        Self(Arc::new(Followed { inventory, buckets, views }))
    }

    /// Follows `bucket` from now on. Calling it again changes nothing.
    pub fn follow(&self, bucket: Bucket) {
        self.0.buckets.lock().unwrap_or_else(PoisonError::into_inner).insert(bucket);
    }

    /// Stops following `bucket`.
    pub fn leave(&self, bucket: &Bucket) {
        self.0.buckets.lock().unwrap_or_else(PoisonError::into_inner).remove(bucket);
    }

    /// The last view of `bucket`; `None` before the first one and while the stock is closed. While
    /// Redis is away the last view stays, with its age in `as_of`.
    #[must_use]
    pub fn view(&self, bucket: &Bucket) -> Option<Arc<StockView>> {
        self.0.views.load().get(bucket).cloned()
    }

    /// Follows until `stop`. Survives the loss of Redis.
    pub async fn run(&self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                if let Err(error) = self.follow_until_lost().await {
                    tracing::warn!(%error, "stock feed lost its connection");
                }
                tokio::time::sleep(RETRY).await;
            }
        })
        .await;
    }

    async fn follow_until_lost(&self) -> Result<(), InventoryError> {
        let mut connection = self.0.inventory.0.redis.blocking(BLOCK).await?;
        let (mut positions, mut looked_at) = (HashMap::new(), Instant::now());
        loop {
            if looked_at.elapsed() >= LOOK_EVERY {
                looked_at = Instant::now();
                positions.clear();
            }
            let asked_at = self.0.inventory.0.clock.now();
            self.look(asked_at, &mut positions).await?;
            if positions.is_empty() {
                tokio::time::sleep(RETRY).await;
                continue;
            }
            let read_at = self.0.inventory.0.clock.now();
            self.read(&mut connection, &mut positions, read_at).await?;
        }
    }

    /// Takes a snapshot of every followed bucket that has no position.
    async fn look(
        &self,
        asked_at: Timestamp,
        positions: &mut HashMap<Bucket, Position>,
    ) -> Result<(), InventoryError> {
        let followed = self.0.buckets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        positions.retain(|bucket, _| followed.contains(bucket));
        let mut views = HashMap::clone(&self.0.views.load());
        views.retain(|bucket, _| followed.contains(bucket));
        for bucket in followed {
            if positions.contains_key(&bucket) {
                continue;
            }
            match self.0.inventory.snapshot(&bucket).await? {
                Some(snapshot) => {
                    let Snapshot { epoch, seq, .. } = snapshot;
                    positions.insert(bucket.clone(), Position::of(&snapshot));
                    let units = Arc::new(snapshot.units);
                    let view = StockView { epoch, seq, units, as_of: asked_at };
                    views.insert(bucket, Arc::new(view));
                }
                None => drop(views.remove(&bucket)),
            }
        }
        self.0.views.store(Arc::new(views));
        Ok(())
    }

    /// Waits for news of all positions at once. A position with a gap is forgotten.
    async fn read(
        &self,
        connection: &mut Blocking,
        positions: &mut HashMap<Bucket, Position>,
        read_at: Timestamp,
    ) -> Result<(), InventoryError> {
        let asked: Vec<_> = positions.keys().cloned().collect();
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(ENTRIES).arg("BLOCK").arg(BLOCK.as_millis().to_string());
        let news = journals(&self.0.inventory, command, &asked, positions);
        let mut news = read_journals(connection.ask(&news).await?)?;
        let mut views = HashMap::clone(&self.0.views.load());
        for bucket in asked {
            let entries = news.remove(self.0.inventory.keys(&bucket).journal());
            let Some((position, view)) = positions.get_mut(&bucket).zip(views.get_mut(&bucket))
            else {
                continue;
            };
            let entries = entries.unwrap_or_default();
            if entries.iter().all(|entry| position.advance(entry)) {
                *view = Arc::new(renewed(view, position, &entries, read_at)?);
            } else {
                positions.remove(&bucket);
            }
        }
        self.0.views.store(Arc::new(views));
        Ok(())
    }
}

fn renewed(
    view: &StockView,
    position: &Position,
    entries: &[Entry],
    as_of: Timestamp,
) -> Result<StockView, InventoryError> {
    let mut units = Arc::clone(&view.units);
    for entry in entries.iter().filter(|entry| !entry.units.is_empty()) {
        Arc::make_mut(&mut units).extend(read_units(&entry.units)?);
    }
    Ok(StockView { epoch: position.epoch, seq: position.seq, units, as_of })
}

fn journals(
    inventory: &Inventory,
    mut command: Cmd,
    buckets: &[Bucket],
    positions: &HashMap<Bucket, Position>,
) -> Cmd {
    command.arg("STREAMS");
    for bucket in buckets {
        command.arg(inventory.keys(bucket).journal());
    }
    for position in buckets.iter().filter_map(|bucket| positions.get(bucket)) {
        command.arg(&position.id);
    }
    command
}
