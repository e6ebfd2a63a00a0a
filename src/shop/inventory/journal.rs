//! Reading the journal: one entry for each batch that changed something.
//!
//! An entry tells the number before and after its batch, so that a follower knows when it missed
//! one, or when the sale was opened again. Then it looks at the whole: a snapshot, or a scan of the
//! claims.

use std::collections::{BTreeMap, HashMap};

use redis::Value;

use super::{
    model::{InventoryError, Snapshot, Units},
    reply::{Fields, parse, shopper},
};
use crate::kernel::{
    clock::{Timestamp, from_millis},
    ids::{ShopperId, Sku},
    version::{Epoch, Seq},
};

/// Entries taken by one read.
pub(super) const ENTRIES: usize = 500;

/// One batch of changes.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) epoch: Epoch,
    before: Seq,
    after: Seq,
    pub(super) units: String,
    pub(super) holds: String,
    /// More has changed than the entry says.
    look_again: bool,
}

/// Where a follower stands in one journal.
#[derive(Debug)]
pub(super) struct Position {
    pub(super) id: String,
    pub(super) epoch: Epoch,
    pub(super) seq: Seq,
}

impl Position {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        Self { id: snapshot.journal_id.clone(), epoch: snapshot.epoch, seq: snapshot.seq }
    }

    /// Moves on to `entry`; false when something lies between, or it doesn't tell all.
    pub(super) fn advance(&mut self, entry: &Entry) -> bool {
        let follows = !entry.look_again && entry.epoch == self.epoch && entry.before == self.seq;
        if follows {
            self.id.clone_from(&entry.id);
            self.seq = entry.after;
        }
        follows
    }
}

/// New entries by journal; a read that brings none answers nothing.
pub(super) fn read_journals(value: Value) -> Result<HashMap<String, Vec<Entry>>, InventoryError> {
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
pub(super) fn read_units(packed: &str) -> Result<BTreeMap<Sku, Units>, InventoryError> {
    let pair = |item: &str| {
        let (sku, counters) = item.split_once(' ').unwrap_or((item, ""));
        Ok((parse(sku)?, Units::parse(counters)?))
    };
    packed.split(',').map(pair).collect()
}

/// Reads "end:shopper shopper …".
pub(super) fn read_holds(packed: &str) -> Result<Vec<(Timestamp, ShopperId)>, InventoryError> {
    let Some((end, shoppers)) = packed.split_once(':') else { return Ok(Vec::new()) };
    let end = from_millis(parse(end)?);
    shoppers.split(' ').map(|id| Ok((end, shopper(id)?))).collect()
}
