//! What can be seen of webhooks.

use prometheus::{Histogram, IntCounterVec, IntGauge};

use super::Attempt;
use crate::{
    kernel::clock::Timestamp,
    platform::metrics::{Metrics, MetricsError, SECONDS, seconds},
    shop::webhooks::{Disabled, queue::Backlog},
};

#[derive(Clone)]
pub(super) struct WebhookMetrics {
    tries: IntCounterVec,
    took: Histogram,
    disabled: IntCounterVec,
    waiting: IntGauge,
    oldest: IntGauge,
}

impl WebhookMetrics {
    pub(super) fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        Ok(Self {
            tries: metrics.counter_vec(
                "stampede_webhook_deliveries_total",
                "Tries to deliver a webhook, by outcome: delivered, refused, gone, late, broken, \
                 forbidden; and those given up.",
                &["outcome"],
            )?,
            took: metrics.histogram(
                "stampede_webhook_seconds",
                "Time until an endpoint had answered, or was given up on.",
                SECONDS,
            )?,
            disabled: metrics.counter_vec(
                "stampede_webhooks_disabled_total",
                "Endpoints disabled by themselves, by why.",
                &["why"],
            )?,
            waiting: metrics.gauge(
                "stampede_webhook_deliveries_waiting",
                "Deliveries that wait for endpoints that are enabled.",
            )?,
            oldest: metrics.gauge(
                "stampede_webhook_deliveries_oldest_seconds",
                "For how long the oldest of them has waited; 0 when none does.",
            )?,
        })
    }

    pub(super) fn tried(&self, attempt: &Attempt) {
        let outcome = attempt.failure.as_ref().map_or("delivered", |failure| failure.kind);
        self.tries.with_label_values(&[outcome]).inc();
        self.took.observe(seconds(attempt.took));
    }

    pub(super) fn buried(&self) {
        self.tries.with_label_values(&["given_up"]).inc();
    }

    pub(super) fn disabled(&self, why: Disabled) {
        self.disabled.with_label_values(&[why.as_str()]).inc();
    }

    pub(super) fn waiting(&self, backlog: Backlog, now: Timestamp) {
        let age = backlog.oldest.map_or(0, |oldest| (now - oldest).num_seconds().max(0));
        self.waiting.set(backlog.waiting);
        self.oldest.set(age);
    }
}
