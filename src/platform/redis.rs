//! Redis: connections, timeouts and scripts.
//!
//! Every call ends within [`RedisOptions::connect_timeout`] plus [`RedisOptions::reply_timeout`].
//! A call that failed may still have run: what is asked of Redis must be safe to repeat.

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use deadpool_redis::{Manager, Pool, Runtime};
use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, ServerErrorKind, ToRedisArgs, Value,
    aio::MultiplexedConnection,
};
use thiserror::Error;
use tokio::{sync::Mutex, time::timeout};

/// Limits on what may wait for Redis.
#[derive(Debug, Clone, Copy)]
pub struct RedisOptions {
    /// Connections for calls that may take a while, so that they never delay a lane.
    pub pool_size: usize,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub reply_timeout: Duration,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            pool_size: 8,
            connect_timeout: Duration::from_secs(1),
            reply_timeout: Duration::from_secs(2),
        }
    }
}

/// Why Redis gave no usable answer.
#[derive(Debug, Error)]
pub enum RedisError {
    /// The connection failed, or there was none. What was sent may have run.
    #[error("no connection to redis: {0}")]
    Connection(#[source] redis::RedisError),
    /// No connection became free, or could be made.
    #[error("no connection to redis: {0}")]
    Pool(#[source] deadpool_redis::PoolError),
    /// No answer in time. What was sent may have run.
    #[error("redis did not answer in time")]
    Timeout,
    /// Redis answered with an error.
    #[error("redis refused: {0}")]
    Refused(redis::ServerError),
    /// The settings are not usable.
    #[error("redis is not configured: {0}")]
    Configuration(String),
}

/// The server. Cheap to clone; connects when it is first asked.
#[derive(Clone)]
pub struct Redis {
    client: Client,
    pool: Pool,
    options: RedisOptions,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may carry a password.
        f.debug_struct("Redis").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Redis {
    /// The server at `url` (`redis://…`). Does not connect yet.
    pub fn new(url: &str, options: RedisOptions) -> Result<Self, RedisError> {
        let unusable = |error: &dyn fmt::Display| RedisError::Configuration(error.to_string());
        let client = Client::open(url).map_err(|e| unusable(&e))?;
        let manager = Manager::new_with_config(url, config(options)).map_err(|e| unusable(&e))?;
        let pool = Pool::builder(manager)
            .max_size(options.pool_size)
            .wait_timeout(Some(options.connect_timeout))
            .create_timeout(Some(options.connect_timeout))
            .recycle_timeout(Some(options.reply_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|e| unusable(&e))?;
        Ok(Self { client, pool, options })
    }

    /// Pooled connections in use, idle ones, and callers that wait for one.
    #[must_use]
    pub fn pool_status(&self) -> (usize, usize, usize) {
        let status = self.pool.status();
        (status.size.saturating_sub(status.available), status.available, status.waiting)
    }

    /// Whether the server answers.
    pub async fn ping(&self) -> Result<(), RedisError> {
        self.ask(&redis::cmd("PING")).await.map(drop)
    }

    /// Runs one command on a pooled connection.
    pub async fn ask(&self, command: &Cmd) -> Result<Value, RedisError> {
        let mut connection = self.pool.get().await.map_err(RedisError::Pool)?;
        let value = connection.send_packed_command(command).await.map_err(lost)?;
        accept(value)
    }

    /// Runs commands in one round trip on a pooled connection; the first that fails is the error.
    pub async fn ask_all(&self, commands: &Pipeline) -> Result<Vec<Value>, RedisError> {
        let mut connection = self.pool.get().await.map_err(RedisError::Pool)?;
        send_all(&mut connection, commands).await?.into_iter().map(accept).collect()
    }

    /// Runs one script on a pooled connection.
    pub async fn run(&self, call: &Call) -> Result<Value, RedisError> {
        let mut connection = self.pool.get().await.map_err(RedisError::Pool)?;
        let values = run_all(&mut connection, std::slice::from_ref(call)).await?;
        values.into_iter().next().ok_or(RedisError::Timeout)
    }

    /// A connection that many callers share and that is kept: no ping before each call, and calls
    /// in flight at once go out together.
    #[must_use]
    pub fn lane(&self) -> Lane {
        Lane { redis: self.clone(), current: Arc::new(Mutex::new(Kept::default())) }
    }

    /// A connection of one's own for blocking reads of at most `block`.
    pub async fn blocking(&self, block: Duration) -> Result<Blocking, RedisError> {
        let patience =
            RedisOptions { reply_timeout: self.options.reply_timeout + block, ..self.options };
        connect(&self.client, patience).await.map(Blocking)
    }
}

/// A kept connection shared by many callers. Cheap to clone.
#[derive(Clone)]
pub struct Lane {
    redis: Redis,
    current: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    generation: u64,
    connection: Option<MultiplexedConnection>,
    /// Hashes of the scripts that its server was told.
    known: HashSet<String>,
}

impl Lane {
    /// Runs scripts in order in one round trip. The first that fails is the error; the others may
    /// have run. Only after somebody flushed the server's scripts under a living connection do those
    /// that it forgot run last.
    pub async fn run_all(&self, calls: &[Call]) -> Result<Vec<Value>, RedisError> {
        let options = self.redis.options;
        // Waiting for others who are connecting counts as connecting.
        let (generation, mut connection) = timeout(options.connect_timeout, self.connection())
            .await
            .map_err(|_| RedisError::Timeout)??;
        if calls.len() > 1 {
            self.introduce(&mut connection, calls).await?;
        }
        let outcome = run_all(&mut connection, calls).await;
        if matches!(outcome, Err(RedisError::Connection(_) | RedisError::Timeout)) {
            self.drop_connection(generation).await;
        }
        outcome
    }

    /// Runs one script.
    pub async fn run(&self, call: &Call) -> Result<Value, RedisError> {
        let values = self.run_all(std::slice::from_ref(call)).await?;
        values.into_iter().next().ok_or(RedisError::Timeout)
    }

    /// Makes scripts that are new to this connection known to its server, so that none has to be
    /// sent again after those behind it.
    async fn introduce(
        &self,
        connection: &mut MultiplexedConnection,
        calls: &[Call],
    ) -> Result<(), RedisError> {
        let mut kept = self.current.lock().await;
        let mut texts = Pipeline::new();
        for call in calls {
            if kept.known.insert(call.script.0.1.clone()) {
                texts.cmd("SCRIPT").arg("LOAD").arg(&call.script.0.0);
            }
        }
        if texts.is_empty() {
            return Ok(());
        }
        let told = send_all(connection, &texts).await;
        if told.is_err() {
            kept.known.clear();
            kept.connection = None;
        }
        told.map(drop)
    }

    async fn connection(&self) -> Result<(u64, MultiplexedConnection), RedisError> {
        let mut kept = self.current.lock().await;
        if let Some(connection) = &kept.connection {
            return Ok((kept.generation, connection.clone()));
        }
        let connection = connect(&self.redis.client, self.redis.options).await?;
        kept.generation += 1;
        kept.known.clear();
        kept.connection = Some(connection.clone());
        Ok((kept.generation, connection))
    }

    async fn drop_connection(&self, generation: u64) {
        let mut kept = self.current.lock().await;
        // Others may have failed on the same connection and made a new one meanwhile.
        if kept.generation == generation {
            kept.connection = None;
        }
    }
}

/// A connection of one's own.
pub struct Blocking(MultiplexedConnection);

impl Blocking {
    /// Runs one command, which may block as long as was announced.
    pub async fn ask(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        accept(self.0.send_packed_command(command).await.map_err(lost)?)
    }
}

/// A Lua script. Cheap to clone.
#[derive(Clone)]
pub struct Script(Arc<(String, String)>);

impl Script {
    /// The script with this text.
    #[must_use]
    pub fn new(text: String) -> Self {
        let hash = redis::Script::new(&text).get_hash().to_owned();
        Self(Arc::new((text, hash)))
    }

    /// A call of it with `keys`.
    #[must_use]
    pub fn call(&self, keys: &[String]) -> Call {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.0.1).arg(keys.len()).arg(keys);
        Call { script: self.clone(), command }
    }
}

/// A script with its keys and arguments.
#[derive(Clone)]
pub struct Call {
    script: Script,
    command: Cmd,
}

impl Call {
    /// Adds arguments.
    #[must_use]
    pub fn arg(mut self, argument: impl ToRedisArgs) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments in place.
    pub fn push(&mut self, argument: impl ToRedisArgs) {
        self.command.arg(argument);
    }
}

fn config(options: RedisOptions) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(options.connect_timeout))
        .set_response_timeout(Some(options.reply_timeout))
}

async fn connect(
    client: &Client,
    options: RedisOptions,
) -> Result<MultiplexedConnection, RedisError> {
    client.get_multiplexed_async_connection_with_config(&config(options)).await.map_err(lost)
}

async fn send_all(
    connection: &mut MultiplexedConnection,
    commands: &Pipeline,
) -> Result<Vec<Value>, RedisError> {
    if commands.is_empty() {
        return Ok(Vec::new());
    }
    connection.send_packed_commands(commands, 0, commands.len()).await.map_err(lost)
}

/// Sends the hashes only. A server that does not know some of them, being new or restarted, is sent
/// their texts and then those calls once more: those alone, for the others have run.
async fn run_all(
    connection: &mut MultiplexedConnection,
    calls: &[Call],
) -> Result<Vec<Value>, RedisError> {
    let mut commands = Pipeline::with_capacity(calls.len());
    for call in calls {
        commands.add_command(call.command.clone());
    }
    let mut values = send_all(connection, &commands).await?;
    let unknown = || calls.iter().zip(&values).filter(|(_, value)| is_unknown_script(value));
    if unknown().next().is_some() {
        let (mut texts, mut again) = (Pipeline::new(), Pipeline::new());
        for (call, _) in unknown() {
            texts.cmd("SCRIPT").arg("LOAD").arg(&call.script.0.0);
            again.add_command(call.command.clone());
        }
        for value in send_all(connection, &texts).await? {
            accept(value)?;
        }
        let answers = send_all(connection, &again).await?;
        for (value, answer) in values.iter_mut().filter(|v| is_unknown_script(v)).zip(answers) {
            *value = answer;
        }
    }
    values.into_iter().map(accept).collect()
}

fn is_unknown_script(value: &Value) -> bool {
    matches!(value, Value::ServerError(e) if e.kind() == Some(ServerErrorKind::NoScript))
}

fn accept(value: Value) -> Result<Value, RedisError> {
    match value {
        Value::ServerError(error) => Err(RedisError::Refused(error)),
        value => Ok(value),
    }
}

fn lost(error: redis::RedisError) -> RedisError {
    if error.is_timeout() { RedisError::Timeout } else { RedisError::Connection(error) }
}
