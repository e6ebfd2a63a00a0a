//! The sections, one type each. What a setting is for stands in `default.toml`.

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize, de};

use super::ConfigError;
use crate::platform::secret::{Secret, SecretList, ServiceUrl};

/// The shoppers' listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Web {
    /// Address and port; port 0 is any free one.
    pub listen: SocketAddr,
    /// The address that shoppers see, if it is another.
    #[serde(with = "optional_url")]
    pub public_url: Option<ServiceUrl>,
    /// Signs the shoppers' tokens, newest first; ask [`Web::secrets`], which refuses none at all.
    pub secret: SecretList,
    /// Threads; 0 is one for each core.
    pub workers: usize,
    /// How long an idle connection is kept.
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    /// How long the head of a request may take.
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    /// Bytes of a request's body.
    pub body_limit: usize,
    /// Connections on each thread.
    pub max_connections: usize,
    /// Connections waiting to be accepted.
    pub backlog: u32,
    /// Whether `PUT /noop` answers, for the benchmark.
    pub noop: bool,
}

impl Web {
    /// The secrets, newest first, never empty: without one nothing may be served.
    pub fn secrets(&self) -> Result<&[Secret], ConfigError> {
        if self.secret.is_empty() { Err(ConfigError::NoSecret) } else { Ok(self.secret.as_slice()) }
    }

    /// The whole address of one of the shop's paths, where it is known how shoppers see the shop.
    #[must_use]
    pub fn absolute(&self, path: &str) -> Option<String> {
        let base = self.public_url.as_ref()?.expose().trim_end_matches('/');
        Some(format!("{base}{path}"))
    }

    /// Whether shoppers come by TLS, so that cookies are to be marked `Secure`.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.public_url.as_ref().is_some_and(|url| url.scheme() == "https")
    }
}

/// The operators' listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ops {
    /// Address and port; port 0 is any free one.
    pub listen: SocketAddr,
}

/// What is logged, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// Filter directives, as of `tracing_subscriber::EnvFilter`.
    pub level: String,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    Auto,
    /// For reading.
    Human,
    /// One JSON object a line.
    Json,
}

/// Postgres.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// `postgres://…`
    pub url: ServiceUrl,
    /// Connections of this process.
    pub max_connections: u32,
    /// How long to wait for a free connection.
    #[serde(with = "humantime_serde")]
    pub acquire_timeout: Duration,
    /// How long a statement may run.
    #[serde(with = "humantime_serde")]
    pub statement_timeout: Duration,
    /// How long a statement may wait for a lock.
    #[serde(with = "humantime_serde")]
    pub lock_timeout: Duration,
    /// How long an idle connection is kept.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
}

/// Redis.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// `redis://…`
    pub url: ServiceUrl,
    /// Before every key.
    pub prefix: String,
    /// Connections of this process.
    pub pool_size: usize,
    /// How long connecting may take.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long a call may take before its outcome counts as unknown.
    #[serde(with = "humantime_serde")]
    pub call_timeout: Duration,
}

/// `RabbitMQ`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rabbit {
    /// `amqp://…`
    pub url: ServiceUrl,
    /// Before the name of every exchange and stream.
    pub prefix: String,
    /// How long connecting may take.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long a declaration may take.
    #[serde(with = "humantime_serde")]
    pub call_timeout: Duration,
    /// How long a message may wait for a channel and for the socket.
    #[serde(with = "humantime_serde")]
    pub publish_timeout: Duration,
    /// How long the broker may take to confirm.
    #[serde(with = "humantime_serde")]
    pub confirm_timeout: Duration,
    /// Heartbeat, in whole seconds.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    /// Messages waiting for their confirm at once.
    pub channels: usize,
}

/// Taking, counting and opening.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stock {
    /// How often counts are written to Postgres.
    #[serde(with = "humantime_serde")]
    pub flush_interval: Duration,
    /// Cart lines in one batch, 512 at most.
    pub batch_limit: usize,
    /// Cart lines waiting.
    pub queue_limit: usize,
    /// How late a batch may reach Redis.
    #[serde(with = "humantime_serde")]
    pub claim_deadline: Duration,
    /// How long an opening waits between fence and barrier.
    #[serde(with = "humantime_serde")]
    pub barrier_delay: Duration,
    /// How often the keeper looks.
    #[serde(with = "humantime_serde")]
    pub keeper_interval: Duration,
    /// How often the expirer looks.
    #[serde(with = "humantime_serde")]
    pub expirer_interval: Duration,
}

/// The cart stream and its writer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cart {
    /// Age at which the stream forgets.
    #[serde(with = "humantime_serde")]
    pub stream_max_age: Duration,
    /// Bytes beyond which the stream forgets.
    pub stream_max_bytes: u64,
    /// Bytes of a segment of the stream.
    pub stream_segment_bytes: u64,
    /// How long a new stream has to last before it is trusted.
    #[serde(with = "humantime_serde")]
    pub stream_settle: Duration,
    /// Messages on their way to the writer.
    pub prefetch: u16,
}

/// The checkout.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkout {
    /// How long a checkout may outlive the hold.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// How long a process owns a checkout.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// How long the provider may take.
    #[serde(with = "humantime_serde")]
    pub provider_timeout: Duration,
    /// How often abandoned checkouts are looked for.
    #[serde(with = "humantime_serde")]
    pub resume_interval: Duration,
}

/// Payments.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payments {
    /// Who moves the money.
    pub provider: Provider,
}

/// Who moves the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Nobody: the methods `card_ok`, `card_declined`, … answer as they are named.
    Sandbox,
    /// Stripe: cards.
    Stripe,
}

/// Leaving.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    /// How long a drain may take.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

/// An address that may be left empty.
pub(super) mod optional_url {
    use serde::{Deserializer, Serializer};

    use super::{Deserialize, ServiceUrl, de};

    pub(in crate::platform::config) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<ServiceUrl>, D::Error> {
        let text = String::deserialize(from)?;
        if text.is_empty() {
            return Ok(None);
        }
        ServiceUrl::deserialize(de::value::StringDeserializer::new(text)).map(Some)
    }

    #[expect(clippy::ref_option, reason = "the form that serde calls")]
    pub(in crate::platform::config) fn serialize<S: Serializer>(
        url: &Option<ServiceUrl>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&url.as_ref().map(ServiceUrl::masked).unwrap_or_default())
    }
}
