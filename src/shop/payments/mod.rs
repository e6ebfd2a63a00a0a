//! Charging money: what any payment provider is asked, and the sandbox that stands in for one.
//!
//! A charge is made under a key, the order's id: asked twice under one key, a provider charges
//! once. It is first authorised (the money is set aside), then captured or voided. Voiding cancels
//! the key itself, so that an authorisation that arrives later fails.
//!
//! There is one provider so far, and so no trait: [`sandbox::Sandbox`] has the verbs
//! `authorise`, `lookup`, `capture` and `void`, in these shapes, and a second one will have them.

pub mod sandbox;

use thiserror::Error;

/// What came of an authorisation or of a question for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charge {
    /// The provider knows no such key. That is no refusal: the request may still be on its way.
    Unknown,
    /// It was asked for; the outcome is not known yet.
    Pending,
    /// The money is set aside.
    Authorised,
    /// Refused, for good under this key. The reason is a word for the order, such as
    /// `card_declined`.
    Declined(&'static str),
    /// The money was taken.
    Captured,
    /// Cancelled: under this key nothing will ever be charged.
    Voided,
}

/// The provider did not answer, or not in time: what was asked of it may or may not have happened.
#[derive(Debug, Error)]
#[error("the payment provider did not answer")]
pub struct NoAnswer(#[source] pub sqlx::Error);
