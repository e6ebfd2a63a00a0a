//! What takes events over from a queue of its own.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::Event;

/// Why an event was not taken over.
#[derive(Debug)]
pub enum Fault {
    /// Something that is needed is away: the same event once more, later.
    Retry(anyhow::Error),
    /// This event will never be taken over: to the dead letters with it, and on with the next.
    Park(String),
}

impl From<sqlx::Error> for Fault {
    /// What the database says of the data (SQL states 22 and 23, and 54: too large) is the event's
    /// fault; anything else passes. A table that is missing does too: migrations are on their way.
    fn from(error: sqlx::Error) -> Self {
        let of_data = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .is_some_and(|code| ["22", "23", "54"].iter().any(|class| code.starts_with(class)));
        if of_data || matches!(error, sqlx::Error::Decode(_) | sqlx::Error::Encode(_)) {
            Self::Park(error.to_string())
        } else {
            Self::Retry(error.into())
        }
    }
}

/// One reader of events, with a durable queue of its own.
#[async_trait]
pub trait Consumer: Send + Sync + 'static {
    /// Its name, which is also that of its queue.
    fn name(&self) -> &'static str;

    /// Routing keys that its queue is bound by, such as `order.paid.v1` or `order.*.v1`.
    fn keys(&self) -> &'static [&'static str];

    /// Takes an event over, in a transaction that commits before the event is acknowledged. The
    /// same event may come again, and an older one after a newer: both must change nothing.
    async fn take(&self, tx: &mut PgConnection, event: &Event) -> Result<(), Fault>;
}
