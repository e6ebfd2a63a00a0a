//! What could not be taken over: why, how often it was tried, and what became of it since.
//!
//! Owns the table `dead_letters`, the one place for what failed on any road: cart lines, events,
//! mails, webhooks, what a payment provider told us. A dead letter is written in the transaction
//! that moves past it, so nothing is skipped without a trace. It waits until it is replayed with
//! success or dropped by somebody who says why; both are final, and a replay of either does nothing.
//! Nothing is ever removed.

mod replay;
pub mod store;

pub use replay::{DeadLetters, Dropped, Replay, ReplayError, Replayed};

use crate::kernel::clock::Timestamp;

/// Something that failed, as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number, for `stampede dead-letters`.
    pub id: i64,
    /// The queue it came by, such as `cart` or `events.mails`.
    pub source: String,
    /// Where on that road it stood, such as `generation 1, offset 42`.
    pub position: String,
    /// Why it failed, the last time.
    pub reason: String,
    /// The bytes that failed, ready to be replayed.
    pub payload: Vec<u8>,
    /// What it belongs to, such as an order's id.
    pub subject: Option<String>,
    /// How often it was tried.
    pub attempts: i64,
    /// When it failed first.
    pub first_failed_at: Timestamp,
    /// When it failed last.
    pub last_failed_at: Timestamp,
    /// When it was replayed with success.
    pub replayed_at: Option<Timestamp>,
    /// When it was given up.
    pub dropped_at: Option<Timestamp>,
    /// Why it was given up.
    pub drop_reason: Option<String>,
}

/// What is written when something fails.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// The queue it came by.
    pub source: &'a str,
    /// Where on that road it stood.
    pub position: &'a str,
    /// Why it failed.
    pub reason: &'a str,
    /// The bytes that failed.
    pub payload: &'a [u8],
    /// What it belongs to.
    pub subject: Option<&'a str>,
    /// Its own id, where the same may come again: then it is kept once.
    pub message_id: Option<&'a str>,
    /// How often it was tried.
    pub attempts: i64,
}

impl<'a> Failure<'a> {
    /// Something that failed once, and comes by once.
    #[must_use]
    pub fn new(source: &'a str, position: &'a str, reason: &'a str, payload: &'a [u8]) -> Self {
        let (subject, message_id) = (None, None);
        Self { source, position, reason, payload, subject, message_id, attempts: 1 }
    }

    /// It belongs to `subject`.
    #[must_use]
    pub fn about(self, subject: Option<&'a str>) -> Self {
        Self { subject, ..self }
    }

    /// It may come again, by this id.
    #[must_use]
    pub fn of_message(self, id: &'a str) -> Self {
        Self { message_id: Some(id), ..self }
    }

    /// It was tried so often.
    #[must_use]
    pub fn tried(self, attempts: i64) -> Self {
        Self { attempts, ..self }
    }
}

/// What [`store::insert`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// A new letter, of this number.
    New(i64),
    /// It was there already: waiting, and then it failed once more, or done with.
    Known,
}

/// What waits of one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The queue.
    pub source: String,
    /// Letters.
    pub letters: i64,
    /// When the oldest of them failed first.
    pub oldest: Timestamp,
}
