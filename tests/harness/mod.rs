//! The real shop for a test: its own database, key prefix, exchange and stream, on port 0, with the
//! end-of-test check.

pub(crate) mod client;
mod process;
pub(crate) mod servers;

use std::{
    fmt::Write as _,
    net::TcpListener,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use sqlx::{Connection, Executor, PgConnection};
use stampede::{
    app::App,
    cli::process::{Process, Shape},
    flows::{
        opening,
        reconciliation::{Audit, Auditor},
        sale_terms,
    },
    kernel::clock::{Clock, from_millis},
    platform::{config::Config, postgres, shutdown::Shutdown},
    shop::{dead_letters, events::Consumer},
    workers::Role,
};
use tokio::task::JoinHandle;
use uuid::Uuid;

pub(crate) use client::Client;
pub(crate) use process::Spawned;
pub(crate) use servers::Servers;

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// One sale with a scarce SKU, a plenty one and a product with a limit of its own.
pub(crate) const SALE: &str = r#"
[sale]
slug = "run"
title = "Night Run"
currency = "EUR"
starts_at = "+0s"
ends_at = "+30d"
hold = "10m"
limit_per_shopper = 4

[[product]]
slug = "runner-one"
title = "Runner One"
description = "A shoe."
limit_per_shopper = 2

[[product.sku]]
sku = "RUN1-42"
label = "EU 42"
price = "129.00"
stock = 50

[[product.sku]]
sku = "RUN1-43"
label = "EU 43"
price = "129.00"
stock = 1

[[product]]
slug = "cap"
title = "Cap"

[[product.sku]]
sku = "CAP"
label = "One size"
price = "19.50"
stock = 100000
"#;

/// A running shop. Ends with [`Shop::close`], which checks what must hold after every test.
pub(crate) struct Shop {
    pub(crate) app: App,
    pub(crate) url: String,
    pub(crate) servers: Servers,
    /// For processes that are to join this shop.
    pub(crate) variables: Vec<(String, String)>,
    database: String,
    shutdown: Shutdown,
    running: Option<JoinHandle<anyhow::Result<()>>>,
}

/// What a shop is started with.
pub(crate) struct Plan {
    pub(crate) servers: Servers,
    pub(crate) web: bool,
    pub(crate) roles: Vec<Role>,
    pub(crate) variables: Vec<(&'static str, String)>,
    pub(crate) clock: Clock,
    pub(crate) progress: opening::Progress,
    /// Consumers besides the shop's own.
    pub(crate) consumers: Vec<Arc<dyn Consumer>>,
    /// What the database needs besides the shop's own schema.
    pub(crate) schema: &'static str,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            servers: Servers::shared(),
            web: true,
            roles: Role::ALL.to_vec(),
            variables: Vec::new(),
            clock: Clock::system(),
            progress: opening::log_progress(),
            consumers: Vec::new(),
            schema: "",
        }
    }
}

impl Plan {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    pub(crate) fn roles(mut self, roles: &[Role]) -> Self {
        self.roles = roles.to_vec();
        self
    }

    pub(crate) async fn start(self) -> Shop {
        log_if_asked();
        // clients of tests need one; a second try finds it there
        stampede::platform::tls::install();
        let id = Uuid::new_v4().simple().to_string();
        let database = format!("stampede_test_{id}");
        create_database(&self.servers.database_url, &database).await;
        if !self.schema.is_empty() {
            let url = with_database(&self.servers.database_url, &database);
            let mut connection = PgConnection::connect(&url).await.unwrap();
            connection.execute(self.schema).await.unwrap();
        }
        let mut variables: Vec<(String, String)> = [
            ("DATABASE_URL", with_database(&self.servers.database_url, &database)),
            ("REDIS_URL", self.servers.redis_url.clone()),
            ("AMQP_URL", self.servers.amqp_url.clone()),
            ("STAMPEDE_REDIS__PREFIX", format!("test-{id}:")),
            ("STAMPEDE_RABBIT__PREFIX", format!("test-{id}")),
            ("STAMPEDE_WEB__SECRET", "a secret of the tests which is long enough".to_owned()),
            ("STAMPEDE_WEB__LISTEN", "127.0.0.1:0".to_owned()),
            ("STAMPEDE_WEB__WORKERS", "1".to_owned()),
            ("STAMPEDE_OPS__LISTEN", "127.0.0.1:0".to_owned()),
            ("STAMPEDE_POSTGRES__MAX_CONNECTIONS", "12".to_owned()),
            ("STAMPEDE_STOCK__FLUSH_INTERVAL", "200ms".to_owned()),
            ("STAMPEDE_STOCK__KEEPER_INTERVAL", "100ms".to_owned()),
            ("STAMPEDE_STOCK__EXPIRER_INTERVAL", "100ms".to_owned()),
            ("STAMPEDE_STOCK__BARRIER_DELAY", "100ms".to_owned()),
            ("STAMPEDE_CHECKOUT__RESUME_INTERVAL", "200ms".to_owned()),
            ("STAMPEDE_MAIL__FOLDER", mail_folder(&database).display().to_string()),
            ("STAMPEDE_MAIL__INTERVAL", "100ms".to_owned()),
            ("STAMPEDE_WEBHOOKS__INTERVAL", "100ms".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        if self.servers.rabbit.is_none() {
            // the broker that all tests share is not killed
            variables.push(("STAMPEDE_CART__STREAM_SETTLE".to_owned(), "1ms".to_owned()));
            variables.push(("STAMPEDE_EVENTS__QUEUE_SETTLE".to_owned(), "1ms".to_owned()));
        }
        for (name, value) in self.variables {
            variables.retain(|(known, _)| known != name);
            variables.push((name.to_owned(), value));
        }
        let config = Config::from_variables(variables.clone()).expect("settings");
        let mut app = App::with_clock(config, self.clock, self.progress).expect("rooms");
        app.consumers = app.consumers.iter().cloned().chain(self.consumers).collect();
        let shutdown = Shutdown::new();
        let shape = Shape { web: self.web, roles: self.roles };
        let process = Process::start(&app, &shape, &shutdown).expect("listeners");
        let url = process.web.map_or_else(String::new, |at| format!("http://{at}"));
        let running = Some(tokio::spawn(process.run()));
        Shop { app, url, servers: self.servers, variables, database, shutdown, running }
    }
}

impl Shop {
    /// A shop with web and every worker, and [`SALE`] open.
    pub(crate) async fn open() -> Self {
        let shop = Plan::default().start().await;
        shop.import(SALE).await;
        shop.until_open("run").await;
        shop
    }

    /// Imports a sale's file.
    pub(crate) async fn import(&self, file: &str) {
        let folder = std::env::temp_dir().join(format!("stampede-{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("sale.toml");
        std::fs::write(&path, file).unwrap();
        let file = sale_terms::file::read(&path);
        std::fs::remove_dir_all(&folder).unwrap();
        let file = file.expect("a file without errors");
        self.app.sale_terms.import(&file, false).await.expect("the file is imported");
    }

    /// Waits until a sale is open in the epoch that Postgres has.
    pub(crate) async fn until_open(&self, slug: &str) {
        let began = Instant::now();
        while !self.is_open(slug).await {
            assert!(began.elapsed() < PATIENCE, "{slug} does not open");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn is_open(&self, slug: &str) -> bool {
        let slug = slug.parse().unwrap();
        let sale = stampede::shop::sales::store::by_slug(&self.app.pool, &slug).await;
        let Ok(Some(sale)) = sale else { return false };
        let epoch = stampede::shop::sales::store::epoch(&self.app.pool, sale.id, 0).await;
        let bucket = stampede::kernel::ids::Bucket::first(slug);
        let found = self.app.inventory.snapshot(&bucket).await;
        matches!((epoch, found), (Ok(epoch), Ok(Some(found))) if found.epoch == epoch)
    }

    /// A new shopper with a token.
    pub(crate) async fn shopper(&self) -> Client {
        Client::new(&self.url).await
    }

    /// What must hold after every test, then everything of this shop is removed.
    pub(crate) fn close(self) -> BoxFuture<'static, ()> {
        Box::pin(self.close_with_letters(0))
    }

    /// The same, for a test that leaves dead letters on purpose.
    pub(crate) async fn close_with_letters(mut self, letters: i64) {
        let auditor = self.app.auditor.clone();
        for audit in audits(&auditor).await {
            let slug = audit.sale.slug.clone();
            assert!(audit.breaches.is_empty(), "{slug}: {:?}", audit.breaches);
            assert!(audit.quiet, "{slug}: something still moves");
        }
        let odd = auditor.payments(from_millis(0)).await.expect("an audit");
        assert!(odd.is_empty(), "{odd:?}");
        let waiting = dead_letters::store::count_waiting(&self.app.pool).await.unwrap();
        assert_eq!(waiting, letters, "dead letters");
        self.stop().await;
        self.remove().await;
    }

    /// The end of a negative control: what must hold does not, as was to be shown.
    pub(crate) async fn discard(mut self) {
        self.stop().await;
        self.remove().await;
    }

    /// Stops this process in good order.
    pub(crate) async fn stop(&mut self) {
        self.shutdown.request();
        if let Some(running) = self.running.take() {
            let ended = tokio::time::timeout(PATIENCE, running).await.expect("a drain in time");
            ended.unwrap().expect("every task ends well");
        }
    }

    async fn remove(&self) {
        let generation = self.app.stream.generation();
        let _ = self.app.rabbit.delete_exchange(&self.app.stream.exchange_of(generation)).await;
        let _ = self.app.rabbit.delete_stream(&self.app.stream.queue_of(generation)).await;
        let _ = self.app.rabbit.delete_exchange(self.app.events.name()).await;
        for consumer in self.app.consumers.iter() {
            let queue = self.app.events.queue_of(consumer.name());
            let _ = self.app.rabbit.delete_queue(&queue).await;
        }
        self.app.rabbit.close().await;
        self.app.pool.close().await;
        let _ = std::fs::remove_dir_all(mail_folder(&self.database));
        let mut admin = PgConnection::connect(&self.servers.database_url).await.unwrap();
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database);
        let _ = admin.execute(sqlx::AssertSqlSafe(drop)).await;
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        assert!(
            self.running.is_none() || std::thread::panicking(),
            "a test ended without Shop::close, and so without its check"
        );
    }
}

/// Waits until `holds` does.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An audit says what is wrong; that it cannot be had on a machine that is busy is nothing wrong.
async fn audits(auditor: &Auditor) -> Vec<Audit> {
    let began = Instant::now();
    loop {
        match auditor.all().await {
            Ok(audits) => return audits,
            Err(error) => assert!(began.elapsed() < PATIENCE, "no audit: {error:#}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where a shop's mails go.
fn mail_folder(database: &str) -> PathBuf {
    std::env::temp_dir().join(format!("{database}-mail"))
}

fn with_database(url: &str, database: &str) -> String {
    let (server, _) = url.rsplit_once('/').expect("a database in DATABASE_URL");
    format!("{server}/{database}")
}

/// A database with the schema, cloned from a template that is made once for each schema.
async fn create_database(url: &str, name: &str) {
    let mut admin = PgConnection::connect(url).await.expect("DATABASE_URL: run `make test`");
    let sums = postgres::MIGRATIONS.iter().map(|migration| migration.checksum.to_vec());
    let all = sums.reduce(|all, one| all.iter().zip(&one).map(|(a, b)| a ^ b).collect());
    let all = all.expect("migrations");
    let digest = all.iter().take(8).fold(String::new(), |mut digest, byte| {
        let _ = write!(digest, "{byte:02x}");
        digest
    });
    let template = format!("stampede_template_{digest}");
    let run = |sql: String| sqlx::AssertSqlSafe(sql);
    admin.execute("SELECT pg_advisory_lock(727)").await.unwrap();
    let found: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = $1")
        .bind(&template)
        .fetch_optional(&mut admin)
        .await
        .unwrap();
    if found.is_none() {
        let building = format!("{template}_building");
        admin.execute(run(format!("DROP DATABASE IF EXISTS {building}"))).await.unwrap();
        admin.execute(run(format!("CREATE DATABASE {building}"))).await.unwrap();
        let mut database = PgConnection::connect(&with_database(url, &building)).await.unwrap();
        postgres::MIGRATIONS.run(&mut database).await.unwrap();
        database.close().await.unwrap();
        admin
            .execute(run(format!("ALTER DATABASE {building} RENAME TO {template}")))
            .await
            .unwrap();
    }
    admin.execute(run(format!("CREATE DATABASE {name} TEMPLATE {template}"))).await.unwrap();
    admin.close().await.unwrap();
}

/// `TEST_LOG=info` shows what the shop logs.
fn log_if_asked() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        if let Ok(level) = std::env::var("TEST_LOG") {
            let filter = tracing_subscriber::EnvFilter::new(level);
            let _ = tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_writer(std::io::stderr)
                .try_init();
        }
    });
}
