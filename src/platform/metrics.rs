//! Prometheus metrics: one registry, passed as a value. Rooms register their own metrics.

use std::time::Duration;

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
    core::Collector, process_collector::ProcessCollector,
};
use prometheus::{GaugeVec, Histogram, IntCounter, IntGauge};

use crate::kernel::clock::Timestamp;

/// All our metrics begin with this.
pub const PREFIX: &str = "stampede_";

/// Buckets in seconds for what takes between half a millisecond and ten seconds.
pub const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Buckets for how many come together, up to a full batch.
pub const SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// Where metrics are registered. Cheap to clone; clones are the same registry.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
}

/// Why a metric was not registered: a name that is taken, not ours or not valid.
pub type MetricsError = prometheus::Error;

impl Metrics {
    /// A registry with the figures of the process (memory, CPU, files) and the version.
    pub fn new() -> Result<Self, MetricsError> {
        let metrics = Self { registry: Registry::new() };
        metrics.registry.register(Box::new(ProcessCollector::for_self()))?;
        metrics
            .gauge_vec(
                "stampede_build_info",
                "Always 1, with the program's version.",
                &["version"],
            )?
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        Ok(metrics)
    }

    /// Registers any collector; a collector is a handle, so the one returned is the one shown.
    pub fn register<C: Collector + Clone + 'static>(
        &self,
        collector: C,
    ) -> Result<C, MetricsError> {
        if let Some(odd) = collector.desc().iter().find(|desc| !desc.fq_name.starts_with(PREFIX)) {
            return Err(MetricsError::Msg(format!("`{}` must begin with {PREFIX}", odd.fq_name)));
        }
        self.registry.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    /// A count that only grows.
    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter, MetricsError> {
        self.register(IntCounter::new(name, help)?)
    }

    /// Counts that only grow, by labels.
    pub fn counter_vec(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, MetricsError> {
        self.register(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    /// A whole number that goes up and down.
    pub fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, MetricsError> {
        self.register(IntGauge::new(name, help)?)
    }

    /// Whole numbers that go up and down, by labels.
    pub fn gauge_vec(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, MetricsError> {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    /// Numbers such as ages in seconds, by labels.
    pub fn float_gauge_vec(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<GaugeVec, MetricsError> {
        self.register(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    /// A distribution, over buckets such as [`SECONDS`] or [`SIZES`].
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<Histogram, MetricsError> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(Histogram::with_opts(options)?)
    }

    /// Distributions by labels.
    pub fn histogram_vec(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, MetricsError> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(HistogramVec::new(options, labels)?)
    }

    /// Everything in Prometheus' text format.
    pub fn render(&self) -> Result<Vec<u8>, MetricsError> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// An instant as a metric's value: seconds since 1970.
#[must_use]
pub fn unix_seconds(at: Timestamp) -> f64 {
    let since = at.signed_duration_since(Timestamp::UNIX_EPOCH).to_std();
    since.map(seconds).unwrap_or_default()
}

/// `duration` as a metric's value.
#[must_use]
pub fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
