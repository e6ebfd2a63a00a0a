//! How a command fails, and the exit code that says so.

use std::{fmt, process::ExitCode};

use sqlx::migrate::MigrateError;

use crate::{platform::config::ConfigError, shop::inventory::InventoryError};

/// A command that did not do what it was asked to.
#[derive(Debug)]
pub(super) enum Failure {
    /// The settings are wrong.
    Config(ConfigError),
    /// A server that is needed cannot be reached.
    Unavailable(anyhow::Error),
    /// Anything else.
    Failed(anyhow::Error),
    /// Who read the output wants no more of it: nothing to be said, as with any command in a pipe.
    ReaderLeft,
}

impl Failure {
    pub(super) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self::Failed(error.into())
    }

    /// As in `sysexits.h` where the shell's own conventions have no number.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Config(_) => 2,
            Self::Unavailable(_) => 69,
            // what a shell says of a command that SIGPIPE ended
            Self::ReaderLeft => 141,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => write!(f, "{error}"),
            Self::Unavailable(error) | Self::Failed(error) => write!(f, "{error:#}"),
            Self::ReaderLeft => f.write_str("the output was closed"),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let away =
            matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Tls(_));
        let error = anyhow::Error::new(error).context("Postgres (DATABASE_URL)");
        if away { Self::Unavailable(error) } else { Self::Failed(error) }
    }
}

impl From<MigrateError> for Failure {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) => error.into(),
            other => Self::Failed(anyhow::Error::new(other).context("migration")),
        }
    }
}

impl Failure {
    /// An error of a verb: whatever in its chain says that a server is away, makes it that.
    pub(super) fn from_anyhow(error: anyhow::Error) -> Self {
        let away = error.chain().any(|cause| {
            let postgres = cause.downcast_ref::<sqlx::Error>();
            let postgres = postgres.is_some_and(|error| {
                matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut)
            });
            let redis = cause.downcast_ref::<InventoryError>();
            postgres || redis.is_some_and(|error| matches!(error, InventoryError::Unavailable(_)))
        });
        if away { Self::Unavailable(error) } else { Self::Failed(error) }
    }
}
