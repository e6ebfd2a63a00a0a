//! The connection, and the task that keeps it.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use lapin::{
    Channel, Connection, ConnectionProperties, ErrorKind, Event,
    protocol::{AMQPErrorKind, AMQPSoftError},
    uri::AMQPUri,
};
use tokio::{
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::RabbitError;
use crate::platform::config;

/// The first pause before connecting again, doubled up to the last: a broker that restarts is
/// away for some seconds, and a hundred processes must not come back in one instant.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(3);
/// How often the connection's state is looked at, in case its event was missed.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long the broker may take to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

type Current = Option<Arc<Connection>>;
type Idle = Arc<Mutex<Vec<Channel>>>;

pub(super) struct Supervised {
    pub(super) config: config::Rabbit,
    current: watch::Receiver<Current>,
    closing: CancellationToken,
    /// Channels in confirm mode that wait for a message, each with nothing outstanding.
    idle: Idle,
    /// As many messages may be on their way as there are permits.
    pub(super) permits: Semaphore,
}

impl Supervised {
    pub(super) fn start(config: &config::Rabbit) -> Result<Self, RabbitError> {
        let mut uri: AMQPUri = config.url.expose().parse().map_err(RabbitError::Refused)?;
        uri.query.heartbeat = u16::try_from(config.heartbeat.as_secs()).ok();
        let (tell, current) = watch::channel(None);
        let closing = CancellationToken::new();
        let idle = Idle::default();
        let keeper =
            Keeper { uri, patience: config.connect_timeout, tell, idle: Arc::clone(&idle) };
        tokio::spawn(keeper.keep(closing.clone()));
        Ok(Self {
            config: config.clone(),
            current,
            closing,
            idle,
            permits: Semaphore::new(config.channels),
        })
    }

    pub(super) fn is_connected(&self) -> bool {
        self.current.borrow().as_ref().is_some_and(|connection| {
            let status = connection.status();
            status.connected() && !status.blocked()
        })
    }

    pub(super) async fn wait_connected(&self, within: Duration) -> Result<(), RabbitError> {
        let mut current = self.current.clone();
        let found = timeout(within, current.wait_for(Option::is_some)).await;
        found.is_ok_and(|found| found.is_ok()).then_some(()).ok_or_else(not_connected)
    }

    /// A new channel. Not under a timeout: the callers' covers all they do with it.
    pub(super) async fn channel(&self) -> Result<Channel, RabbitError> {
        let connection = self.current.borrow().clone().ok_or_else(not_connected)?;
        Ok(connection.create_channel().await?)
    }

    /// Runs a call with a channel of its own under the timeout for calls. A refusal closes the
    /// channel, so none is ever used for two of them.
    pub(super) async fn call<T>(
        &self,
        call: impl AsyncFnOnce(&Channel) -> Result<T, lapin::Error>,
    ) -> Result<T, RabbitError> {
        let work = async {
            let channel = self.channel().await?;
            Ok(call(&channel).await?)
        };
        timeout(self.config.call_timeout, work).await.map_err(|_| too_late("call"))?
    }

    /// A channel that was put back, of the present connection.
    pub(super) fn take_idle(&self) -> Option<Channel> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(channel) = idle.pop() {
            if channel.status().connected() {
                return Some(channel);
            }
        }
        None
    }

    /// Puts a channel back on which nothing is outstanding.
    pub(super) fn put_idle(&self, channel: Channel) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(channel);
    }

    pub(super) async fn close(&self) {
        self.closing.cancel();
        let mut current = self.current.clone();
        // An error means that the task has ended, which is what is waited for.
        let _ = timeout(2 * CLOSE_TIMEOUT, current.wait_for(Option::is_none)).await;
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

/// The task that connects, and connects again.
struct Keeper {
    uri: AMQPUri,
    patience: Duration,
    tell: watch::Sender<Current>,
    idle: Idle,
}

impl Keeper {
    async fn keep(self, closing: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        loop {
            let why = match connect(&self.uri, self.patience).await {
                Ok(connection) => {
                    pause = FIRST_PAUSE;
                    self.serve(connection, &closing).await
                }
                Err(why) => why,
            };
            if closing.is_cancelled() {
                return;
            }
            let wait = pause.mul_f64(rand::random_range(0.5..1.0));
            tracing::warn!(reason = why, ?wait, "no connection to RabbitMQ; trying again");
            tokio::select! {
                () = closing.cancelled() => return,
                () = sleep(wait) => pause = (pause * 2).min(LAST_PAUSE),
            }
        }
    }

    /// Offers the connection as long as it lasts, and says why it ended.
    async fn serve(&self, connection: Connection, closing: &CancellationToken) -> String {
        tracing::info!("connected to RabbitMQ");
        let connection = Arc::new(connection);
        self.tell.send_replace(Some(Arc::clone(&connection)));
        let why = until_lost(&connection, closing).await;
        // Channels hold their connection, so those that nobody uses go first.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if connection.status().connected() {
            let bye = timeout(CLOSE_TIMEOUT, connection.close(200, "bye".into())).await;
            tracing::debug!(?bye, "closed the connection to RabbitMQ");
        }
        self.tell.send_replace(None);
        why
    }
}

async fn connect(uri: &AMQPUri, patience: Duration) -> Result<Connection, String> {
    let properties = ConnectionProperties::default().with_connection_name("stampede".into());
    match timeout(patience, Connection::connect_uri(uri.clone(), properties)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {patience:?}")),
    }
}

/// Waits for the end of the connection and says why it came.
async fn until_lost(connection: &Connection, closing: &CancellationToken) -> String {
    let mut events = pin!(connection.events_listener());
    let mut last_error = "the connection ended".to_owned();
    while connection.status().connected() {
        tokio::select! {
            () = closing.cancelled() => return "closed by us".to_owned(),
            () = sleep(LOOK_INTERVAL) => {}
            event = events.next() => match event {
                // Refusals that close a channel come by here too, and end no connection.
                Some(Event::Error(error)) => last_error = error.to_string(),
                Some(Event::ConnectionBlocked(reason)) => {
                    tracing::warn!(reason, "RabbitMQ takes no messages for now");
                }
                Some(Event::ConnectionUnblocked) => {
                    tracing::info!("RabbitMQ takes messages again");
                }
                Some(_) => {}
                None => return last_error,
            },
        }
    }
    last_error
}

pub(super) fn not_connected() -> RabbitError {
    RabbitError::Unavailable("not connected".to_owned())
}

pub(super) fn too_late(what: &str) -> RabbitError {
    RabbitError::Unavailable(format!("no answer to a {what} in time"))
}

impl From<lapin::Error> for RabbitError {
    fn from(error: lapin::Error) -> Self {
        let ErrorKind::ProtocolError(refusal) = error.kind() else {
            return Self::Unavailable(error.to_string());
        };
        match refusal.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => Self::NotFound(error.to_string()),
            AMQPErrorKind::Soft(_) => Self::Refused(error.to_string()),
            AMQPErrorKind::Hard(_) => Self::Unavailable(error.to_string()),
        }
    }
}
