//! Versions: which of two statements about the same thing is the newer one.

use serde::{Deserialize, Serialize};

/// A period between two openings of a sale's stock. Later openings have greater epochs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub i64);

/// A number drawn within an epoch, one for each line set.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub i64);

/// What every statement that leaves Redis carries. The higher one wins.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Version {
    /// Compared first.
    pub epoch: Epoch,
    /// Compared within an epoch.
    pub seq: Seq,
}

/// The version of a sale's totals and terms, drawn from a Postgres sequence.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub i64);
