//! Following the journal: stock views for the web, and the list of holds for the expirer.
//!
//! An entry tells the number before and after its batch, so that a follower knows when it missed
//! one, or when the sale was opened again. Then it looks at the whole: a snapshot, or a scan of the
//! claims.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use redis::{Cmd, Value};
use tokio_util::sync::CancellationToken;

use super::{
    Inventory,
    model::{InventoryError, Snapshot, StockView, Units},
    reply::{Fields, parse, shopper},
};
use crate::{
    kernel::{
        clock::{Timestamp, from_millis},
        ids::{Bucket, ShopperId, Sku},
        version::{Epoch, Seq},
    },
    platform::redis::Blocking,
};

/// How long one read of the journals may wait for news, and so about how old a view of an idle
/// stock may be. Well below the second that a view may lag.
const BLOCK: Duration = Duration::from_millis(250);
/// Pause before a lost connection is made again, and between looks at closed sales.
const RETRY: Duration = Duration::from_millis(250);
/// Entries taken by one read.
const ENTRIES: usize = 500;

/// One batch of changes.
#[derive(Debug, Default)]
struct Entry {
    id: String,
    epoch: Epoch,
    before: Seq,
    after: Seq,
    units: String,
    holds: String,
    /// More has changed than the entry says.
    look_again: bool,
}

/// Where a follower stands in one journal.
#[derive(Debug)]
struct Position {
    id: String,
    epoch: Epoch,
    seq: Seq,
}

impl Position {
    fn of(snapshot: &Snapshot) -> Self {
        Self { id: snapshot.journal_id.clone(), epoch: snapshot.epoch, seq: snapshot.seq }
    }

    /// Moves on to `entry`; false when something lies between, or it doesn't tell all.
    fn advance(&mut self, entry: &Entry) -> bool {
        let follows = !entry.look_again && entry.epoch == self.epoch && entry.before == self.seq;
        if follows {
            self.id.clone_from(&entry.id);
            self.seq = entry.after;
        }
        follows
    }
}

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
        let mut positions = HashMap::new();
        loop {
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

/// The carts of one bucket by the end of their hold, from the journal. Ends are hints: whoever asks
/// the stock to expire a cart learns when it is due really.
pub struct Holds {
    inventory: Inventory,
    bucket: Bucket,
    position: Option<Position>,
    ends: BTreeSet<(Timestamp, ShopperId)>,
}

impl Holds {
    /// Knows nothing before [`Self::catch_up`].
    #[must_use]
    pub fn new(inventory: Inventory, bucket: Bucket) -> Self {
        Self { inventory, bucket, position: None, ends: BTreeSet::new() }
    }

    /// Reads what is new; a first time, after an opening and after a gap it reads all claims. The
    /// answer is the epoch that the holds belong to, or `None` while the stock is closed.
    ///
    /// Reading some thousand entries behind is a gap, so this is to be called every second or so.
    pub async fn catch_up(&mut self) -> Result<Option<Epoch>, InventoryError> {
        // Another server, or none open: only a snapshot compares its run id.
        let Some(snapshot) = self.inventory.snapshot(&self.bucket).await? else {
            self.position = None;
            self.ends.clear();
            return Ok(None);
        };
        if !self.follow(&snapshot).await? {
            // What comes after this snapshot is read again from the journal: no hold is missed.
            self.position = None;
            self.ends = self.scan(snapshot.epoch).await?;
            self.position = Some(Position::of(&snapshot));
        }
        Ok(Some(snapshot.epoch))
    }

    /// Takes out, oldest first, carts whose hold is over at `now` (Redis' time).
    pub fn due(&mut self, now: Timestamp, limit: usize) -> Vec<ShopperId> {
        let mut due = Vec::new();
        while let Some((end, shopper)) = self.ends.pop_first() {
            if end > now || due.len() >= limit {
                self.ends.insert((end, shopper));
                break;
            }
            due.push(shopper);
        }
        due
    }

    /// Puts a cart back, to be due at `at`.
    pub fn later(&mut self, at: Timestamp, shopper: ShopperId) {
        self.ends.insert((at, shopper));
    }

    /// Follows the journal up to `snapshot` at least; false when something is missing.
    async fn follow(&mut self, snapshot: &Snapshot) -> Result<bool, InventoryError> {
        loop {
            let Some(position) = self.position.as_mut().filter(|p| p.epoch == snapshot.epoch)
            else {
                return Ok(false);
            };
            if position.seq >= snapshot.seq {
                return Ok(true);
            }
            let journal = self.inventory.keys(&self.bucket).journal().to_owned();
            let mut command = redis::cmd("XREAD");
            command.arg("COUNT").arg(ENTRIES).arg("STREAMS").arg(&journal).arg(&position.id);
            let mut news = read_journals(self.inventory.0.redis.ask(&command).await?)?;
            let entries = news.remove(&journal).unwrap_or_default();
            if entries.is_empty() || !entries.iter().all(|entry| position.advance(entry)) {
                return Ok(false);
            }
            for entry in &entries {
                read_holds(&entry.holds, &mut self.ends)?;
            }
        }
    }

    async fn scan(&self, epoch: Epoch) -> Result<BTreeSet<(Timestamp, ShopperId)>, InventoryError> {
        let (mut cursor, mut ends) = (0, BTreeSet::new());
        loop {
            let (next, claims) = self.inventory.scan_claims(&self.bucket, epoch, cursor).await?;
            for (shopper, claim) in claims {
                ends.extend(claim.expires_at.filter(|_| !claim.ran_out).map(|end| (end, shopper)));
            }
            cursor = next;
            if cursor == 0 {
                return Ok(ends);
            }
        }
    }
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

/// New entries by journal; a read that brings none answers nothing.
fn read_journals(value: Value) -> Result<HashMap<String, Vec<Entry>>, InventoryError> {
    let mut news = HashMap::new();
    if value == Value::Nil {
        return Ok(news);
    }
    let mut journals = Fields::of(value)?;
    while !journals.is_empty() {
        let mut journal = journals.fields()?;
        let (name, mut entries) = (journal.text()?, journal.fields()?);
        let mut read = Vec::new();
        while !entries.is_empty() {
            read.push(read_entry(&mut entries.fields()?)?);
        }
        news.insert(name, read);
    }
    Ok(news)
}

fn read_entry(fields: &mut Fields) -> Result<Entry, InventoryError> {
    let mut entry = Entry { id: fields.text()?, ..Entry::default() };
    let mut values = fields.fields()?;
    while !values.is_empty() {
        let (name, value) = (values.text()?, values.text()?);
        match name.as_str() {
            "e" => entry.epoch = Epoch(parse(&value)?),
            "p" => entry.before = Seq(parse(&value)?),
            "q" => entry.after = Seq(parse(&value)?),
            "u" => entry.units = value,
            "h" => entry.holds = value,
            "r" => entry.look_again = true,
            _ => {}
        }
    }
    Ok(entry)
}

/// Reads "SKU total available …,SKU …".
fn read_units(packed: &str) -> Result<BTreeMap<Sku, Units>, InventoryError> {
    let pair = |item: &str| {
        let (sku, counters) = item.split_once(' ').unwrap_or((item, ""));
        Ok((parse(sku)?, Units::parse(counters)?))
    };
    packed.split(',').map(pair).collect()
}

/// Reads "end:shopper shopper …".
fn read_holds(
    packed: &str,
    ends: &mut BTreeSet<(Timestamp, ShopperId)>,
) -> Result<(), InventoryError> {
    if let Some((end, shoppers)) = packed.split_once(':') {
        let end = from_millis(parse(end)?);
        for id in shoppers.split(' ') {
            ends.insert((end, shopper(id)?));
        }
    }
    Ok(())
}
