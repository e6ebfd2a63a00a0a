//! Logs: `tracing` to stderr, human on a terminal and JSON otherwise.

use std::io::{IsTerminal, stderr};

use thiserror::Error;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::platform::config::{Log, LogFormat};

/// Kept quiet whatever the level, because of what they say: lapin logs every message that came
/// back unroutable with its whole body, and bodies are the shoppers'; it calls the answer to "is
/// there such an exchange?" an error, which those who asked report themselves; and actix calls an
/// error of ours whatever a client sends that is no HTTP, so that anybody could fill the log.
const SILENCED: [&str; 3] =
    ["lapin::returned_messages=off", "lapin::channel=off", "actix_http::h1::dispatcher=off"];

/// Logging could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter is not understood; the configuration checks it before.
    #[error("log.level: {0}")]
    Filter(String),
    /// Somebody set up logging before.
    #[error("logging is set up already")]
    Twice,
}

/// Sets up logging for the whole process; to be called once.
pub fn init(log: &Log) -> Result<(), TelemetryError> {
    let mut filter =
        EnvFilter::try_new(&log.level).map_err(|e| TelemetryError::Filter(e.to_string()))?;
    for directive in SILENCED {
        let directive = directive.parse();
        filter =
            filter.add_directive(directive.map_err(|e| TelemetryError::Filter(format!("{e}")))?);
    }
    let terminal = stderr().is_terminal();
    let human = match log.format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let done = if human {
        registry.with(fmt::layer().with_writer(stderr).with_ansi(terminal)).try_init()
    } else {
        let lines = fmt::layer().json().flatten_event(true).with_current_span(false);
        registry.with(lines.with_writer(stderr)).try_init()
    };
    done.map_err(|_| TelemetryError::Twice)
}
