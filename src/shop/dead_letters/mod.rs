//! What could not be taken over, why, and whether it was replayed since.
//!
//! Owns the table `dead_letters`. A dead letter is written in the transaction that moves past it, so
//! nothing is skipped without a trace and nothing is kept twice.

pub mod store;

use crate::kernel::clock::Timestamp;

/// Something that failed, as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number, for `stampede dead-letters`.
    pub id: i64,
    /// Which road it came by, such as `cart`.
    pub source: String,
    /// Where on that road it stood, such as `generation 1, offset 42`.
    pub position: String,
    /// Why it failed.
    pub reason: String,
    /// The bytes that failed, ready to be replayed.
    pub payload: Vec<u8>,
    /// When it failed.
    pub failed_at: Timestamp,
    /// When it was replayed with success.
    pub replayed_at: Option<Timestamp>,
}

/// What is written when something fails.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// Which road it came by.
    pub source: &'static str,
    /// Where on that road it stood.
    pub position: &'a str,
    /// Why it failed.
    pub reason: &'a str,
    /// The bytes that failed.
    pub payload: &'a [u8],
}
