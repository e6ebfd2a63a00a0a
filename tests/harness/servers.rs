//! The servers a test uses: the shared ones, or its own that it may kill.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use uuid::Uuid;

/// Where Postgres, Redis and `RabbitMQ` are.
pub(crate) struct Servers {
    pub(crate) database_url: String,
    pub(crate) redis_url: String,
    pub(crate) amqp_url: String,
    pub(crate) redis: Option<Own>,
    pub(crate) rabbit: Option<Own>,
    pub(crate) postgres: Option<Own>,
}

impl Servers {
    /// Those that `make test` started, or that the user named.
    pub(crate) fn shared() -> Self {
        let named = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make test`"))
        };
        Self {
            database_url: named("DATABASE_URL"),
            redis_url: named("REDIS_URL"),
            amqp_url: named("AMQP_URL"),
            redis: None,
            rabbit: None,
            postgres: None,
        }
    }

    /// A Redis of its own, the rest shared.
    pub(crate) fn with_own_redis(mut self) -> Self {
        let redis = Own::start("redis");
        self.redis_url.clone_from(&redis.url);
        self.redis = Some(redis);
        self
    }

    /// A `RabbitMQ` of its own, the rest as it was.
    pub(crate) fn with_own_rabbit(mut self) -> Self {
        let rabbit = Own::start("rabbitmq");
        self.amqp_url.clone_from(&rabbit.url);
        self.rabbit = Some(rabbit);
        self
    }

    /// A Postgres of its own, the rest as it was.
    pub(crate) fn with_own_postgres(mut self) -> Self {
        let postgres = Own::start("postgres");
        self.database_url.clone_from(&postgres.url);
        self.postgres = Some(postgres);
        self
    }
}

/// A server of one test. Removed when it is dropped.
pub(crate) struct Own {
    kind: &'static str,
    folder: PathBuf,
    pub(crate) url: String,
}

impl Own {
    fn start(kind: &'static str) -> Self {
        let name = format!("{kind}-{}", &Uuid::new_v4().simple().to_string()[..8]);
        let folder = root().join(".local/test-servers").join(name);
        let mut own = Self { kind, folder, url: String::new() };
        own.url = own.run_start();
        own
    }

    /// Starts it once more, on the same port.
    pub(crate) fn again(&self) {
        assert_eq!(self.run_start(), self.url, "it came back at another address");
    }

    fn run_start(&self) -> String {
        let said = self.run("start");
        let url = said.lines().find_map(|line| line.strip_prefix("URL="));
        url.unwrap_or_else(|| panic!("no URL in {said:?}")).trim_matches(['\'', '"']).to_owned()
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        self.run("kill");
    }

    /// Removes the data of a killed one.
    pub(crate) fn wipe(&self) {
        self.run("wipe");
    }

    fn run(&self, verb: &str) -> String {
        let output = Command::new(root().join("deploy/local/server"))
            .args([verb, self.kind])
            .arg(&self.folder)
            .output()
            .expect("deploy/local/server");
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        assert!(output.status.success(), "{verb} {}: {out}{err}", self.kind);
        out
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        for verb in ["stop", "remove"] {
            let _ = Command::new(root().join("deploy/local/server"))
                .args([verb, self.kind])
                .arg(&self.folder)
                .output();
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
