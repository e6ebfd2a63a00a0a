//! Brokers for these tests: the shared one, and one of a test's own that it may kill.

use std::{path::PathBuf, process::Command, time::Duration};

use stampede::platform::{
    config::{self, Config},
    rabbit::{Rabbit, StreamLimits},
};
use uuid::Uuid;

pub(super) const PATIENCE: Duration = Duration::from_mins(1);

pub(super) const LIMITS: StreamLimits = StreamLimits {
    max_age: Duration::from_hours(1),
    max_bytes: 100_000_000,
    segment_bytes: 10_000_000,
};

/// A name that no other test has.
pub(super) fn unique(what: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "names only have to differ")]
    let id = Uuid::new_v4().simple();
    format!("test-{what}-{id}")
}

/// The settings for the shared broker.
pub(super) fn shared() -> config::Rabbit {
    settings(&std::env::var("AMQP_URL").expect("AMQP_URL: run the tests by `make test`"))
}

pub(super) fn settings(url: &str) -> config::Rabbit {
    Config::from_variables([("AMQP_URL", url)]).unwrap().rabbit
}

/// An exchange and a stream on the shared broker, removed by [`Desk::clear`].
pub(super) struct Desk {
    pub(super) rabbit: Rabbit,
    pub(super) exchange: String,
    pub(super) stream: String,
}

impl Desk {
    /// Messages with the key `in` go to the stream.
    pub(super) async fn new() -> Self {
        Self::at(&shared()).await
    }

    pub(super) async fn at(settings: &config::Rabbit) -> Self {
        let rabbit = Rabbit::start(settings).unwrap();
        rabbit.wait_connected(PATIENCE).await.unwrap();
        let (exchange, stream) = (unique("exchange"), unique("stream"));
        rabbit.declare_exchange(&exchange).await.unwrap();
        rabbit.declare_stream(&stream, &LIMITS).await.unwrap();
        rabbit.bind(&stream, &exchange, "in").await.unwrap();
        Self { rabbit, exchange, stream }
    }

    pub(super) async fn clear(self) {
        self.rabbit.delete_stream(&self.stream).await.unwrap();
        self.rabbit.delete_exchange(&self.exchange).await.unwrap();
        self.rabbit.close().await;
        assert!(!self.rabbit.is_connected());
    }
}

/// A broker of the test's own, gone with it.
pub(super) struct OwnBroker(PathBuf);

impl OwnBroker {
    /// A broker that may be killed at any time. A new one may not: `RabbitMQ` 3.10 notes that it
    /// has streams at all in a file that is written three seconds later, and a kill before that
    /// loses every stream.
    pub(super) async fn start() -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".local/test-servers");
        let broker = Self(folder.join(unique("rabbitmq")));
        broker.run("start");
        let rabbit = Rabbit::start(&broker.settings()).unwrap();
        rabbit.wait_connected(PATIENCE).await.unwrap();
        rabbit.declare_stream("first", &LIMITS).await.unwrap();
        rabbit.close().await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        broker
    }

    pub(super) fn settings(&self) -> config::Rabbit {
        let status = self.run("status");
        let url = status.lines().find_map(|line| line.strip_prefix("URL=")).expect("URL=");
        settings(url)
    }

    /// Its process, which a hanging broker cannot tell.
    pub(super) fn pid(&self) -> String {
        let status = self.run("status");
        status.lines().find_map(|line| line.strip_prefix("PID=")).expect("PID=").to_owned()
    }

    /// kill -9.
    pub(super) fn kill(&self) {
        self.run("kill");
    }

    pub(super) fn start_again(&self) {
        self.run("start");
    }

    fn run(&self, verb: &str) -> String {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy/local/server");
        let output =
            Command::new(script).args([verb, "rabbitmq"]).arg(&self.0).output().expect(verb);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{verb}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        self.run("kill");
        self.run("remove");
    }
}
