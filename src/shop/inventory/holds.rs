//! The list of holds for the expirer.

use std::collections::BTreeSet;

use super::{
    Inventory,
    journal::{ENTRIES, Position, read_holds, read_journals},
    model::{InventoryError, Snapshot},
};
use crate::kernel::{
    clock::Timestamp,
    ids::{Bucket, ShopperId},
    version::Epoch,
};

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
                self.ends.extend(read_holds(&entry.holds)?);
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
