//! What can be seen of checkouts.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec};

use super::{
    model::{Record, Saga, Step},
    owner::Stop,
};
use crate::{
    platform::metrics::{Metrics, MetricsError, SECONDS, seconds},
    shop::orders::OrderStatus,
};

#[derive(Clone)]
pub(super) struct CheckoutMetrics {
    outcomes: IntCounterVec,
    stops: IntCounterVec,
    steps: HistogramVec,
}

impl CheckoutMetrics {
    pub(super) fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        Ok(Self {
            outcomes: metrics.counter_vec(
                "stampede_checkouts_total",
                "Checkouts that came to an end, by outcome: paid, declined, or why nothing was bought.",
                &["outcome"],
            )?,
            stops: metrics.counter_vec(
                "stampede_checkout_stops_total",
                "Checkouts that were let go on the way, for somebody else to finish.",
                &["reason"],
            )?,
            steps: metrics.histogram_vec(
                "stampede_checkout_step_seconds",
                "Time of a checkout's step, until it is on record.",
                &["step"],
                SECONDS,
            )?,
        })
    }

    /// A step was done and is on record.
    pub(super) fn did(&self, step: Step, took: Duration) {
        self.steps.with_label_values(&[step.as_str()]).observe(seconds(took));
    }

    /// What was recorded may have been the end of it.
    pub(super) fn ended(&self, saga: &Saga, record: &Record) {
        let outcome = match (record, &saga.ending) {
            (Record::Paid(_), _) => "paid",
            // The provider's own words are no label.
            (Record::Undone, Some(ending)) if ending.status == OrderStatus::Declined => "declined",
            (Record::Undone, Some(ending)) => ending.reason.as_str(),
            _ => return,
        };
        self.outcomes.with_label_values(&[outcome]).inc();
    }

    pub(super) fn stopped(&self, why: &Stop) {
        let reason = match why {
            Stop::Overtaken => "overtaken",
            Stop::Later(_) => "later",
            Stop::Waits(_) => "waits",
            Stop::Unsure(_) => "unsure",
            Stop::Broken(_) => "broken",
        };
        self.stops.with_label_values(&[reason]).inc();
    }
}
