//! Runs the audit every few minutes, and shows what it finds as metrics.

use std::{collections::BTreeMap, time::Duration};

use chrono::TimeDelta;
use prometheus::{Gauge, IntGaugeVec};

use crate::{
    app::App,
    flows::reconciliation::Kind,
    platform::{
        metrics::{Metrics, MetricsError, unix_seconds},
        shutdown::Shutdown,
    },
    shop::sales,
    workers::Trouble,
};

/// Payments that were begun longer ago are for `stampede audit`: a provider is not asked for all of
/// them every few minutes.
const RECENT: TimeDelta = TimeDelta::hours(24);
/// After a start, what was left is taken up first.
const SETTLE: Duration = Duration::from_secs(30);

struct AuditMetrics {
    differences: IntGaugeVec,
    breaches: IntGaugeVec,
    audited_at: Gauge,
}

impl AuditMetrics {
    fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        Ok(Self {
            differences: metrics.gauge_vec(
                "stampede_audit_payment_differences",
                "Differences between orders, sagas and the payment providers' books, by kind; \
                 anything but 0 needs a look.",
                &["kind"],
            )?,
            breaches: metrics.gauge_vec(
                "stampede_audit_stock_breaches",
                "Figures of a sale's stock that should be equal and are not; anything but 0 is an \
                 emergency.",
                &["sale"],
            )?,
            audited_at: metrics.register(Gauge::new(
                "stampede_audit_timestamp_seconds",
                "When the last audit ended.",
            )?)?,
        })
    }
}

/// Runs until the process leaves.
pub async fn run(app: App, shutdown: Shutdown) -> anyhow::Result<()> {
    let metrics = AuditMetrics::new(&app.metrics)?;
    let mut trouble = Trouble::default();
    let mut pause = SETTLE.min(app.config.audit.interval);
    loop {
        tokio::select! {
            () = shutdown.requested() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
        pause = app.config.audit.interval;
        tokio::select! {
            () = shutdown.requested() => return Ok(()),
            audited = audit(&app, &metrics) => match audited {
                Ok(()) => trouble.is_over("the auditor"),
                Err(error) => trouble.is("the auditor", &error),
            }
        }
    }
}

async fn audit(app: &App, metrics: &AuditMetrics) -> anyhow::Result<()> {
    let now = app.clock.now();
    for sale in sales::store::all(&app.pool).await? {
        if now > sale.ends_at + sales::KEEP_AFTER_END {
            continue;
        }
        let audit = app.auditor.sale(sale).await?;
        for breach in &audit.breaches {
            tracing::error!(sale = %audit.sale.slug, %breach, "the audit found a breach");
        }
        let breaches = i64::try_from(audit.breaches.len()).unwrap_or(i64::MAX);
        metrics.breaches.with_label_values(&[audit.sale.slug.as_str()]).set(breaches);
    }
    let mut counts: BTreeMap<Kind, i64> = Kind::ALL.into_iter().map(|kind| (kind, 0)).collect();
    for difference in app.auditor.payments(now - RECENT).await? {
        tracing::error!(%difference, remedy = difference.kind.remedy(), "the audit found a difference");
        *counts.entry(difference.kind).or_default() += 1;
    }
    for (kind, count) in counts {
        metrics.differences.with_label_values(&[kind.as_str()]).set(count);
    }
    metrics.audited_at.set(unix_seconds(app.clock.now()));
    Ok(())
}
