//! Keeps sales open: makes the cart stream, opens what is closed, mends differing revisions.

use std::collections::HashMap;

use prometheus::IntGaugeVec;

use crate::{
    app::App,
    flows::opening::Tended,
    kernel::{clock::Timestamp, ids::SaleSlug, version::Revision},
    platform::shutdown::Shutdown,
    shop::sales::{self, store::Kept},
    workers::Trouble,
};

struct Keeper {
    app: App,
    /// Since when a sale is closed, and what was last said about it.
    closed: HashMap<SaleSlug, (Timestamp, String)>,
    open: IntGaugeVec,
    closed_seconds: prometheus::GaugeVec,
    no_stream: Trouble,
}

/// Runs until the process leaves.
pub async fn run(app: App, shutdown: Shutdown) -> anyhow::Result<()> {
    let open = app.metrics.gauge_vec(
        "stampede_sale_open",
        "Whether the sale's stock is open in Redis (1) or being opened (0).",
        &["sale"],
    )?;
    let closed_seconds = app.metrics.float_gauge_vec(
        "stampede_sale_closed_seconds",
        "For how long the sale's stock has been closed.",
        &["sale"],
    )?;
    let interval = app.config.stock.keeper_interval;
    let mut keeper =
        Keeper { app, closed: HashMap::new(), open, closed_seconds, no_stream: Trouble::default() };
    let mut trouble = Trouble::default();
    while !shutdown.is_requested() {
        // an opening is not cut short by a shutdown: dying in it is harmless, waiting is shorter
        match keeper.look().await {
            Ok(()) => trouble.is_over("the stock keeper"),
            Err(error) => trouble.is("the stock keeper", &error),
        }
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(interval) => {}
        }
    }
    Ok(())
}

impl Keeper {
    async fn look(&mut self) -> anyhow::Result<()> {
        let now = self.app.clock.now();
        let sales = sales::store::to_keep(&self.app.pool, now - sales::KEEP_AFTER_END).await?;
        // a sale may be open without the stream, and pages and checkouts go on
        match self.app.opening.ensure_stream(&sales).await {
            Ok(()) => self.no_stream.is_over("the cart stream"),
            Err(error) => self.no_stream.is("the cart stream", &error),
        }
        for sale in &sales {
            self.tend(sale).await;
        }
        Ok(())
    }

    async fn tend(&mut self, sale: &Kept) {
        match self.app.opening.tend(sale).await {
            Ok(Tended::Open(revision)) => {
                self.opened(sale);
                if revision != sale.revision {
                    self.reconcile(sale, revision).await;
                }
            }
            Ok(Tended::Opened { epoch, claims }) => {
                tracing::info!(sale = %sale.slug, epoch = epoch.0, claims, "the sale is open");
                self.opened(sale);
            }
            Ok(Tended::Elsewhere) => self.still_closed(sale, "another keeper is opening it".into()),
            Ok(Tended::Overtaken(step)) => {
                self.still_closed(sale, format!("overtaken at step {step}"));
            }
            Err(error) => self.still_closed(sale, format!("{error:#}")),
        }
    }

    /// An import died half way, or Redis was away when it ended.
    async fn reconcile(&self, sale: &Kept, in_redis: Revision) {
        match self.app.sale_terms.reconcile(&sale.slug, in_redis).await {
            Ok(_) => tracing::info!(sale = %sale.slug, "totals and terms are one again"),
            Err(error) => {
                tracing::warn!(sale = %sale.slug, %error, "totals and terms differ");
            }
        }
    }

    fn opened(&mut self, sale: &Kept) {
        self.closed.remove(&sale.slug);
        self.open.with_label_values(&[sale.slug.as_str()]).set(1);
        self.closed_seconds.with_label_values(&[sale.slug.as_str()]).set(0.0);
    }

    /// Says once why, and again when the reason changes.
    fn still_closed(&mut self, sale: &Kept, why: String) {
        let now = self.app.clock.now();
        let (since, said) =
            self.closed.entry(sale.slug.clone()).or_insert_with(|| (now, String::new()));
        let seconds = (now - *since).to_std().unwrap_or_default().as_secs_f64();
        self.open.with_label_values(&[sale.slug.as_str()]).set(0);
        self.closed_seconds.with_label_values(&[sale.slug.as_str()]).set(seconds);
        if *said != why {
            tracing::warn!(sale = %sale.slug, closed_seconds = seconds, why, "the sale is closed");
            *said = why;
        }
    }
}
