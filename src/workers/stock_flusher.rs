//! Writes counts to Postgres every few seconds, and shows them as metrics.

use std::collections::BTreeMap;

use prometheus::{GaugeVec, IntGaugeVec};

use crate::{
    app::App,
    flows::stock_flush::StockFlush,
    kernel::ids::{SaleSlug, Sku},
    platform::{
        metrics::{Metrics, MetricsError, unix_seconds},
        shutdown::Shutdown,
    },
    shop::{inventory::Units, sales},
    workers::Trouble,
};

struct FlushMetrics {
    units: IntGaugeVec,
    invariant: IntGaugeVec,
    flushed_at: GaugeVec,
}

impl FlushMetrics {
    fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        Ok(Self {
            units: metrics.gauge_vec(
                "stampede_stock_units",
                "Units of a SKU by state, as Redis counts them.",
                &["sale", "sku", "state"],
            )?,
            invariant: metrics.gauge_vec(
                "stampede_stock_invariant_difference_units",
                "total - (available + held + sold); anything but 0 is an emergency.",
                &["sale", "sku"],
            )?,
            flushed_at: metrics.float_gauge_vec(
                "stampede_stock_flushed_timestamp_seconds",
                "When the counts were last read and, where they had changed, written to Postgres.",
                &["sale"],
            )?,
        })
    }

    fn show(&self, sale: &SaleSlug, units: &BTreeMap<Sku, Units>) {
        for (sku, units) in units {
            let labels = [sale.as_str(), sku.as_str()];
            for (state, count) in [
                ("total", units.total),
                ("available", units.available),
                ("held", units.held),
                ("sold", units.sold),
            ] {
                self.units.with_label_values(&[sale.as_str(), sku.as_str(), state]).set(count);
            }
            self.invariant
                .with_label_values(&labels)
                .set(units.total - units.available - units.held - units.sold);
        }
    }
}

/// Runs until the process leaves, and flushes once more then.
pub async fn run(app: App, shutdown: Shutdown) -> anyhow::Result<()> {
    let metrics = FlushMetrics::new(&app.metrics)?;
    let mut flush = StockFlush::new(
        app.pool.clone(),
        app.inventory.clone(),
        app.clock.clone(),
        app.ids.clone(),
        app.outbox.clone(),
    );
    let mut trouble = Trouble::default();
    loop {
        let leaving = shutdown.is_requested();
        match flush_all(&app, &mut flush, &metrics).await {
            Ok(()) => trouble.is_over("the stock flusher"),
            Err(error) => trouble.is("the stock flusher", &error),
        }
        if leaving {
            return Ok(());
        }
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(app.config.stock.flush_interval) => {}
        }
    }
}

async fn flush_all(
    app: &App,
    flush: &mut StockFlush,
    metrics: &FlushMetrics,
) -> anyhow::Result<()> {
    let now = app.clock.now();
    for sale in sales::store::to_keep(&app.pool, now - sales::KEEP_AFTER_END).await? {
        let flushed = flush.flush(&sale).await?;
        metrics.show(&sale.slug, &flushed.units);
        if let Some(at) = flushed.at {
            metrics.flushed_at.with_label_values(&[sale.slug.as_str()]).set(unix_seconds(at));
        }
    }
    Ok(())
}
