//! What can be seen of mail.

use std::time::Duration;

use prometheus::{Histogram, IntCounterVec, IntGauge};

use crate::{
    kernel::clock::Timestamp,
    platform::{
        mailer::MailError,
        metrics::{Metrics, MetricsError, SECONDS, seconds},
    },
    shop::mail::Backlog,
};

#[derive(Clone)]
pub(super) struct MailMetrics {
    tries: IntCounterVec,
    took: Histogram,
    waiting: IntGauge,
    oldest: IntGauge,
}

impl MailMetrics {
    pub(super) fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        Ok(Self {
            tries: metrics.counter_vec(
                "stampede_mails_total",
                "Tries to send a mail, by outcome: sent, refused, later, away; and those given up.",
                &["kind", "outcome"],
            )?,
            took: metrics.histogram(
                "stampede_mail_seconds",
                "Time until the SMTP server had taken or refused a mail.",
                SECONDS,
            )?,
            waiting: metrics.gauge("stampede_mails_waiting", "Mails that wait to be sent.")?,
            oldest: metrics.gauge(
                "stampede_mails_oldest_seconds",
                "For how long the oldest of them has waited; 0 when none does.",
            )?,
        })
    }

    pub(super) fn tried(&self, kind: &str, outcome: &Result<(), MailError>, took: Duration) {
        let outcome = match outcome {
            Ok(()) => "sent",
            Err(MailError::Refused(_)) => "refused",
            Err(MailError::Later(_)) => "later",
            Err(MailError::Away(_)) => "away",
        };
        self.tries.with_label_values(&[kind, outcome]).inc();
        self.took.observe(seconds(took));
    }

    pub(super) fn buried(&self, kind: &str) {
        self.tries.with_label_values(&[kind, "given_up"]).inc();
    }

    pub(super) fn waiting(&self, backlog: Backlog, now: Timestamp) {
        let age = backlog.oldest.map_or(0, |oldest| (now - oldest).num_seconds().max(0));
        self.waiting.set(backlog.waiting);
        self.oldest.set(age);
    }
}
