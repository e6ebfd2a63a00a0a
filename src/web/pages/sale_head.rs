//! What every page of a sale has on top: its name, its phase, its times.

use super::{accent, words};
use crate::{
    kernel::clock::Timestamp,
    shop::sales::{Phase, Sale},
};

/// The head of every page of a sale.
pub(super) struct SaleHead {
    pub(super) slug: String,
    pub(super) title: String,
    pub(super) phase: Phase,
    pub(super) starts_at: Moment,
    pub(super) ends_at: Moment,
    /// How long a cart is kept, in words.
    pub(super) hold: String,
    /// The stylesheet of its own colour.
    pub(super) accent: Option<String>,
    /// Seconds after which a page without a script looks again; 0 for never.
    pub(super) refresh: i64,
    /// When the stock was last heard of, if that is long ago.
    pub(super) behind: Option<Moment>,
}

impl SaleHead {
    pub(super) fn new(sale: &Sale, now: Timestamp) -> Self {
        let phase = sale.phase(now);
        let refresh = match phase {
            Phase::Before => (sale.starts_at - now).num_seconds().saturating_add(1).clamp(1, 30),
            Phase::Paused => 10,
            Phase::Open | Phase::Ended => 0,
        };
        Self {
            slug: sale.slug.to_string(),
            title: sale.title.clone(),
            phase,
            starts_at: Moment::new(sale.starts_at),
            ends_at: Moment::new(sale.ends_at),
            hold: words::span(sale.hold),
            accent: sale.accent.map(accent::path),
            refresh,
            behind: None,
        }
    }

    /// On a page with stock that may be behind.
    pub(super) fn behind(self, as_of: Option<Timestamp>) -> Self {
        Self { behind: as_of.map(Moment::new), ..self }
    }

    pub(super) fn is(&self, phase: &str) -> bool {
        self.phase_name() == phase
    }

    /// The phase as styles and the script know it.
    pub(super) fn phase_name(&self) -> &'static str {
        match self.phase {
            Phase::Before => "before",
            Phase::Open => "open",
            Phase::Paused => "paused",
            Phase::Ended => "ended",
        }
    }
}

/// An instant for people and for machines.
pub(super) struct Moment {
    pub(super) machine: String,
    pub(super) people: String,
}

impl Moment {
    pub(super) fn new(at: Timestamp) -> Self {
        let whole_minute = at.timestamp().rem_euclid(60) == 0;
        let people = if whole_minute { "%-d %B %Y, %H:%M UTC" } else { "%-d %B %Y, %H:%M:%S UTC" };
        Self {
            machine: at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            people: at.format(people).to_string(),
        }
    }
}
