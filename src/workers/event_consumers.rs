//! Takes events over, each consumer from a queue of its own and in a task of its own: one that is
//! stuck delays no other.

use std::{sync::Arc, time::Duration};

use anyhow::bail;
use prometheus::{GaugeVec, HistogramVec, IntCounterVec, IntGaugeVec};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    app::App,
    flows::event_intake::{EventIntake, Taken},
    kernel::clock::Clock,
    platform::{
        metrics::{Metrics, MetricsError, SECONDS, seconds},
        postgres,
        rabbit::{Delivered, Rabbit},
        shutdown::Shutdown,
    },
    shop::{dead_letters::DeadLetters, events::Consumer},
    workers::Trouble,
};

/// How long to wait for an event before looking at the queue's depth.
const IDLE: Duration = Duration::from_secs(5);
/// Between two tries while a server is away, doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(15);
/// How long events are kept in hand while Postgres is away. They are not given back between tries,
/// for each time counts as a delivery; the broker takes them back by itself after half an hour.
const HOLD: Duration = Duration::from_mins(20);
/// An event that was delivered so often before, and not acknowledged once, may be what ends the
/// processes that take it: from then on it is a dead letter first, and tried second. A restart or a
/// lost connection counts too, so it may be nothing of the kind; then the try succeeds.
const SUSPECT: u64 = 5;

#[derive(Clone)]
struct ConsumerMetrics {
    handled: IntCounterVec,
    parked: IntCounterVec,
    lag: HistogramVec,
    depth: IntGaugeVec,
    waits: GaugeVec,
}

impl ConsumerMetrics {
    fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        Ok(Self {
            handled: metrics.counter_vec(
                "stampede_events_handled_total",
                "Events taken over, by consumer.",
                &["consumer"],
            )?,
            parked: metrics.counter_vec(
                "stampede_events_parked_total",
                "Events that became dead letters, by consumer.",
                &["consumer"],
            )?,
            lag: metrics.histogram_vec(
                "stampede_events_lag_seconds",
                "Time from what happened to its being taken over, by consumer.",
                &["consumer"],
                SECONDS,
            )?,
            depth: metrics.gauge_vec(
                "stampede_events_queue_messages",
                "Events in a consumer's queue that are not on their way to anybody.",
                &["consumer"],
            )?,
            waits: metrics.float_gauge_vec(
                "stampede_events_waiting_seconds",
                "For how long a consumer has had the same events in hand and could not go on.",
                &["consumer"],
            )?,
        })
    }
}

struct Reader {
    name: &'static str,
    consumer: Arc<dyn Consumer>,
    intake: EventIntake,
    letters: DeadLetters,
    app: App,
    rabbit: Rabbit,
    metrics: ConsumerMetrics,
    depth_at: Option<Instant>,
    trouble: Trouble,
    shutdown: Shutdown,
}

/// Runs until the process leaves.
pub async fn run(app: App, shutdown: Shutdown) -> anyhow::Result<()> {
    let consumers = chosen(&app)?;
    if consumers.is_empty() {
        shutdown.requested().await;
        return Ok(());
    }
    let metrics = ConsumerMetrics::new(&app.metrics)?;
    let rabbit = Rabbit::start(&app.config.rabbit)?;
    let mut tasks = JoinSet::new();
    for consumer in consumers {
        let reader = Reader {
            name: consumer.name(),
            intake: EventIntake::new(app.pool.clone(), app.clock.clone(), Arc::clone(&consumer)),
            consumer,
            letters: app.dead_letters(),
            app: app.clone(),
            rabbit: rabbit.clone(),
            metrics: metrics.clone(),
            depth_at: None,
            trouble: Trouble::default(),
            shutdown: shutdown.clone(),
        };
        tasks.spawn(reader.run());
    }
    while let Some(ended) = tasks.join_next().await {
        // one that panicked takes the process along
        ended?;
    }
    rabbit.close().await;
    Ok(())
}

/// The consumers that this process runs.
fn chosen(app: &App) -> anyhow::Result<Vec<Arc<dyn Consumer>>> {
    let mut chosen = Vec::new();
    for name in app.config.events.consumers() {
        let Some(consumer) = app.consumers.iter().find(|consumer| consumer.name() == name) else {
            let known: Vec<_> = app.consumers.iter().map(|consumer| consumer.name()).collect();
            bail!("events.consumers: there is no `{name}`; there are: {}", known.join(", "));
        };
        chosen.push(Arc::clone(consumer));
    }
    if chosen.is_empty() {
        chosen.extend(app.consumers.iter().cloned());
    }
    Ok(chosen)
}

impl Reader {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        while !self.shutdown.is_requested() {
            let began = Instant::now();
            if let Err(error) = self.read().await {
                self.says(&error);
                if began.elapsed() > LAST_PAUSE {
                    pause = FIRST_PAUSE;
                }
                self.wait(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }

    /// Reads the queue until something is lost, or the process leaves.
    async fn read(&mut self) -> anyhow::Result<()> {
        // without it nothing could be taken over, and what is given back counts as delivered
        postgres::ping(&self.app.pool).await?;
        let batch = usize::from(self.app.config.events.batch);
        let own = std::slice::from_ref(&self.consumer);
        self.app.events.declare(&self.app.pool, &self.rabbit, own).await?;
        let queue = self.app.events.queue_of(self.name);
        let prefetch = self.app.config.events.batch.saturating_mul(2);
        let mut reader = self.rabbit.read_queue(&queue, prefetch).await?;
        self.goes_on();
        loop {
            if self.depth_at.is_none_or(|at| at.elapsed() >= IDLE) {
                let depth = i64::from(self.rabbit.queue_depth(&queue).await?);
                self.metrics.depth.with_label_values(&[self.name]).set(depth);
                self.depth_at = Some(Instant::now());
            }
            let arrived = tokio::select! {
                () = self.shutdown.requested() => return Ok(()),
                arrived = reader.next_batch(batch, IDLE) => arrived?,
            };
            let mut rest = arrived.as_slice();
            while let Some(first) = rest.first() {
                let good = rest.iter().take_while(|event| event.before < SUSPECT).count();
                let (now, later) = rest.split_at(good.max(1));
                let letter = if good == 0 {
                    self.set_aside(first).await?
                } else if self.take_over(now).await? {
                    None
                } else {
                    return Ok(());
                };
                if let Some(last) = now.last() {
                    reader.ack_up_to(last).await?;
                }
                if let Some(letter) = letter {
                    self.try_alone(letter).await;
                }
                rest = later;
            }
        }
    }

    /// Tries until everything is taken over or kept; false when the process leaves meanwhile.
    async fn take_over(&mut self, events: &[Delivered]) -> anyhow::Result<bool> {
        let bodies: Vec<&[u8]> = events.iter().map(|event| event.body.as_ref()).collect();
        let (began, mut pause) = (Instant::now(), FIRST_PAUSE);
        let waits = self.metrics.waits.with_label_values(&[self.name]);
        loop {
            match self.intake.take_over(&bodies).await {
                Ok(taken) => {
                    waits.set(0.0);
                    self.goes_on();
                    self.count(&taken, &self.app.clock);
                    return Ok(true);
                }
                Err(error) if began.elapsed() < HOLD => {
                    waits.set(seconds(began.elapsed()));
                    self.says(&error);
                    self.wait(pause).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                Err(error) => return Err(error),
            }
            if self.shutdown.is_requested() {
                return Ok(false);
            }
        }
    }

    /// Makes a dead letter of it before anything else is done with it.
    async fn set_aside(&self, event: &Delivered) -> anyhow::Result<Option<i64>> {
        let letter = self.intake.set_aside(&event.body, event.before).await?;
        if letter.is_some() {
            self.metrics.parked.with_label_values(&[self.name]).inc();
        }
        Ok(letter)
    }

    /// Tries a dead letter that may have been innocent.
    async fn try_alone(&self, letter: i64) {
        match self.letters.replay(letter).await {
            Ok(_) => self.metrics.handled.with_label_values(&[self.name]).inc(),
            Err(error) => tracing::warn!(consumer = self.name, letter, %error, "it stays one"),
        }
    }

    fn count(&self, taken: &Taken, clock: &Clock) {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let (labels, now) = ([self.name], clock.now());
        self.metrics.handled.with_label_values(&labels).inc_by(count(taken.times.len()));
        self.metrics.parked.with_label_values(&labels).inc_by(count(taken.parked));
        let lag = self.metrics.lag.with_label_values(&labels);
        for time in &taken.times {
            lag.observe(seconds((now - *time).to_std().unwrap_or_default()));
        }
    }

    fn says(&mut self, error: &dyn std::fmt::Display) {
        self.trouble.is(&format!("the consumer {}", self.name), error);
    }

    fn goes_on(&mut self) {
        self.trouble.is_over(&format!("the consumer {}", self.name));
    }

    async fn wait(&self, pause: Duration) {
        tokio::select! {
            () = self.shutdown.requested() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
