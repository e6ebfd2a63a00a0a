//! Takes the cart stream over into Postgres.

use std::time::Duration;

use prometheus::{GaugeVec, IntCounter, IntGauge};
use tokio::{sync::Mutex, time::Instant};

use crate::{
    app::App,
    flows::cart_intake::{self, CartIntake, Taken},
    platform::{
        metrics::{Metrics, MetricsError, seconds},
        rabbit::{Rabbit, StreamMessage},
        shutdown::Shutdown,
    },
    shop::cart::{store::StreamState, stream::CartStream},
    workers::Trouble,
};

/// How long to wait for a message before looking whether the stream has a new generation.
const IDLE: Duration = Duration::from_millis(500);
/// How long to wait for more once there is something: a transaction costs Postgres the same for few
/// messages as for many, and nobody waits for it.
const LINGER: Duration = Duration::from_millis(25);
/// Between two tries while a server is away.
const PAUSE: Duration = Duration::from_millis(250);

/// A batch this young is as good as all there was.
const FRESH: Duration = Duration::from_secs(5);

struct WriterMetrics {
    lag: GaugeVec,
    offset: IntGauge,
    lines: IntCounter,
    parked: IntCounter,
}

impl WriterMetrics {
    fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        Ok(Self {
            lag: metrics.float_gauge_vec(
                "stampede_cart_writer_lag_seconds",
                "Age of the oldest cart line in hand that is not yet in Postgres; 0 when none is.",
                &[],
            )?,
            offset: metrics.gauge(
                "stampede_cart_writer_next_offset",
                "The offset of the cart stream that is to be taken over next.",
            )?,
            lines: metrics.counter(
                "stampede_cart_writer_lines_total",
                "Cart lines taken over into Postgres.",
            )?,
            parked: metrics.counter(
                "stampede_cart_writer_parked_total",
                "Messages and lines that became dead letters.",
            )?,
        })
    }
}

struct Writer {
    intake: CartIntake,
    reading: Rabbit,
    stream: CartStream,
    clock: crate::kernel::clock::Clock,
    batch: usize,
    prefetch: u16,
    metrics: WriterMetrics,
    caught_up_at: Mutex<Option<Instant>>,
}

/// Runs until the process leaves.
pub async fn run(app: App, shutdown: Shutdown) -> anyhow::Result<()> {
    let cart = &app.config.cart;
    let writer = Writer {
        intake: app.intake.clone(),
        reading: Rabbit::start(&app.config.rabbit)?,
        stream: app.stream.clone(),
        clock: app.clock.clone(),
        batch: usize::from(cart.prefetch),
        prefetch: cart.prefetch,
        metrics: WriterMetrics::new(&app.metrics)?,
        caught_up_at: Mutex::default(),
    };
    let mut trouble = Trouble::default();
    while !shutdown.is_requested() {
        if let Err(error) = writer.read(&shutdown).await {
            trouble.is("the cart writer", &error);
            tokio::select! {
                () = shutdown.requested() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }
    writer.reading.close().await;
    Ok(())
}

impl Writer {
    /// Reads the present generation from where Postgres stands, until anything changes.
    async fn read(&self, shutdown: &Shutdown) -> anyhow::Result<()> {
        let StreamState { generation, mut next_offset, .. } = self.intake.state().await?;
        if generation == 0 {
            anyhow::bail!("there is no cart stream yet");
        }
        self.stream.set_generation(generation);
        let queue = self.stream.queue_of(generation);
        let mut reader = self.reading.read_stream(&queue, next_offset, self.prefetch).await?;
        tracing::info!(generation, next_offset, "reading the cart stream");
        while !shutdown.is_requested() {
            self.metrics.offset.set(next_offset);
            let batch = reader.next_batch(self.batch, IDLE, LINGER).await?;
            let (Some((first, bytes)), Some((last, _))) = (batch.first(), batch.last()) else {
                self.metrics.lag.with_label_values::<&str>(&[]).set(0.0);
                self.caught_up(generation).await;
                if self.intake.state().await?.generation != generation {
                    return Ok(());
                }
                continue;
            };
            if *first != next_offset {
                tracing::error!(
                    expected = next_offset,
                    found = first,
                    "the cart stream forgot messages before they were taken over"
                );
            }
            let sent = cart_intake::sent_at(bytes);
            if !self.take_over(generation, next_offset, &batch, sent, shutdown).await {
                return Ok(());
            }
            next_offset = last + 1;
        }
        Ok(())
    }

    /// Says that all there was is taken over, now and then: an error is heard of elsewhere soon.
    async fn caught_up(&self, generation: i64) {
        let mut said = self.caught_up_at.lock().await;
        if said.is_none_or(|at| at.elapsed() >= FRESH)
            && self.intake.caught_up(generation).await.is_ok()
        {
            *said = Some(Instant::now());
        }
    }

    /// Tries until the batch is committed; false when it was overtaken, or the process leaves.
    async fn take_over(
        &self,
        generation: i64,
        expected: i64,
        batch: &[StreamMessage],
        sent: Option<crate::kernel::clock::Timestamp>,
        shutdown: &Shutdown,
    ) -> bool {
        let mut trouble = Trouble::default();
        loop {
            let age = sent.and_then(|sent| (self.clock.now() - sent).to_std().ok());
            let lag = self.metrics.lag.with_label_values::<&str>(&[]);
            lag.set(age.map_or(0.0, seconds));
            match self.intake.take_over(generation, expected, batch).await {
                Ok(Taken::Committed { lines, parked }) => {
                    trouble.is_over("the cart writer");
                    // under a load that never pauses it would otherwise never be said
                    if age.is_some_and(|age| age < FRESH) {
                        self.caught_up(generation).await;
                    }
                    self.metrics.lines.inc_by(u64::try_from(lines).unwrap_or(u64::MAX));
                    self.metrics.parked.inc_by(u64::try_from(parked).unwrap_or(u64::MAX));
                    return true;
                }
                Ok(Taken::Overtaken) => {
                    tracing::info!("another writer was faster");
                    return false;
                }
                Err(error) => {
                    trouble.is("the cart writer", &error);
                    tokio::select! {
                        () = shutdown.requested() => return false,
                        () = tokio::time::sleep(PAUSE) => {}
                    }
                }
            }
        }
    }
}
