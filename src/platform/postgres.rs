//! The pool of connections to Postgres, and the schema.

use std::{str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool, Postgres, Row, Transaction,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions, types::PgInterval},
};

use tokio::time::timeout;

use crate::platform::config;

/// A server that is there takes milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The schema's steps, taken into the binary.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// A pool whose connections give up on statements and locks in time. Connects at the first use,
/// so that a process can start, and say that it is not ready, while Postgres is away.
pub fn connect(config: &config::Postgres) -> Result<PgPool, sqlx::Error> {
    let millis = |limit: Duration| limit.as_millis().to_string();
    let options =
        PgConnectOptions::from_str(config.url.expose())?.application_name("stampede").options([
            ("statement_timeout", millis(config.statement_timeout)),
            ("lock_timeout", millis(config.lock_timeout)),
            // A transaction whose process hangs must not hold its rows for ever.
            ("idle_in_transaction_session_timeout", millis(config.statement_timeout * 2)),
        ]);
    Ok(PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(config.acquire_timeout)
        .idle_timeout(config.idle_timeout)
        .after_release(|connection, _| Box::pin(is_outside_transactions(connection)))
        .connect_lazy_with(options))
}

/// Brings the schema up to date, and returns its version. Several at once wait for each other; a
/// migration may take as long as it takes.
pub async fn migrate(pool: &PgPool) -> Result<i64, MigrateError> {
    // Not one of the pool's: it would hide why there is no connection, and keep our limits.
    let options = pool.connect_options();
    let connected = timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options)).await;
    let mut connection = connected.map_err(|_| sqlx::Error::PoolTimedOut)??;
    sqlx::query("set statement_timeout = 0").execute(&mut connection).await?;
    sqlx::query("set lock_timeout = 0").execute(&mut connection).await?;
    MIGRATIONS.run(&mut connection).await?;
    connection.close().await?;
    Ok(MIGRATIONS.iter().map(|step| step.version).max().unwrap_or_default())
}

/// Takes the lock `number` of the kind `name` until the transaction of `tx` ends; false when another
/// holds it. A holder that dies or is cancelled lets go of it. The transaction may idle as long as
/// what it guards takes.
pub async fn try_lock(tx: &mut PgConnection, name: &str, number: i64) -> Result<bool, sqlx::Error> {
    sqlx::query("SET LOCAL idle_in_transaction_session_timeout = 0").execute(&mut *tx).await?;
    sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtextextended($1, $2))")
        .bind(name)
        .bind(number)
        .fetch_one(tx)
        .await
}

/// A connection that is none of the pool's, and that the server ends after `idle` without a word:
/// for locks that last, which a process that hangs must not keep for ever.
pub async fn connect_alone(pool: &PgPool, idle: Duration) -> Result<PgConnection, sqlx::Error> {
    let mut connection = pool.acquire().await?.detach();
    let timeout = format!("SET idle_session_timeout = {}", idle.as_millis());
    sqlx::query(sqlx::AssertSqlSafe(timeout)).execute(&mut connection).await?;
    Ok(connection)
}

/// Takes the lock `number` of the kind `name` for as long as the connection lasts; false when
/// another holds it. Whoever works through this connection alone has the lock whenever it works.
pub async fn try_lock_for_long(
    connection: &mut PgConnection,
    name: &str,
    number: i64,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, $2))")
        .bind(name)
        .bind(number)
        .fetch_one(connection)
        .await
}

/// A view of the database at one instant, for reading as much and as long as it takes.
pub async fn snapshot(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
    sqlx::query("SET LOCAL idle_in_transaction_session_timeout = 0").execute(&mut *tx).await?;
    Ok(tx)
}

/// The pool of a command that reads much: that a statement takes long is no news there.
pub fn connect_for_long_reads(config: &config::Postgres) -> Result<PgPool, sqlx::Error> {
    let pool = connect(config)?;
    let options = pool.connect_options().as_ref().clone().disable_statement_logging();
    pool.set_connect_options(options);
    Ok(pool)
}

/// Whether a connection that comes back to the pool may be used again. A `begin` that is cancelled
/// on its way leaves a transaction open that sqlx does not know of; whoever used the connection next
/// would write into it, and never commit. Inside a transaction `now()` stands still.
async fn is_outside_transactions(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    // as one message of the simple protocol: each of the extended one's would be a later timestamp
    let asked = sqlx::raw_sql("SELECT now() = statement_timestamp()").fetch_one(connection).await?;
    asked.try_get(0)
}

/// A length of time as a parameter.
pub fn interval(length: Duration) -> Result<PgInterval, sqlx::Error> {
    PgInterval::try_from(length).map_err(sqlx::Error::Encode)
}

/// Whether Postgres answers.
pub async fn ping(pool: &PgPool) -> Result<(), sqlx::Error> {
    pool.acquire().await?.ping().await
}
