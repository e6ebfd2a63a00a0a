//! A running process: the listeners and workers it was asked for, until it is asked to leave.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use anyhow::Context;

use crate::{
    app::App,
    platform::{postgres, shutdown::Shutdown, supervisor::Supervisor},
    shop::sales,
    web::{self, ops, ops::ReadinessCheck},
    workers::{Role, backlog_watch, stream_watch},
};

/// How often new sales are looked for, whose journals are to be followed.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(1);

/// What a process does.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Whether it serves shoppers.
    pub web: bool,
    /// Its workers.
    pub roles: Vec<Role>,
}

/// A process whose listeners are bound.
pub struct Process {
    /// Where shoppers are served, if they are.
    pub web: Option<SocketAddr>,
    /// Where operators look.
    pub ops: SocketAddr,
    supervisor: Supervisor,
}

impl Process {
    /// Binds the listeners and starts every task. Fails when an address is in use.
    pub fn start(app: &App, shape: &Shape, shutdown: &Shutdown) -> anyhow::Result<Self> {
        let mut supervisor =
            Supervisor::new(shutdown.clone(), app.config.shutdown.timeout + Duration::from_secs(1));
        let (ops, server) =
            ops::server(app.config.ops.listen, app.metrics.clone(), checks(app, shape))?;
        let leave = shutdown.clone();
        supervisor.spawn("ops", async move {
            let handle = server.handle();
            tokio::spawn(async move {
                leave.requested().await;
                handle.stop(false).await;
            });
            Ok(server.await?)
        });
        let watch = stream_watch::run(app.clone(), shutdown.clone());
        supervisor.spawn("stream-watch", watch);
        let web = if shape.web { Some(serve(app, &mut supervisor, shutdown)?) } else { None };
        if !shape.roles.is_empty() {
            let watch = backlog_watch::run(app.clone(), shutdown.clone());
            supervisor.spawn("backlog-watch", watch);
        }
        for role in &shape.roles {
            supervisor.spawn(role.name(), role.run(app.clone(), shutdown.clone()));
        }
        Ok(Self { web, ops, supervisor })
    }

    /// Runs until the process is asked to leave and has drained, or a task ends before its time.
    pub async fn run(self) -> anyhow::Result<()> {
        Ok(self.supervisor.run().await?)
    }
}

fn serve(
    app: &App,
    supervisor: &mut Supervisor,
    shutdown: &Shutdown,
) -> anyhow::Result<SocketAddr> {
    let listen = app.config.web.listen;
    let listener = TcpListener::bind(listen)
        .with_context(|| format!("cannot listen on {listen} (STAMPEDE_WEB__LISTEN)"))?;
    let bound = listener.local_addr()?;
    let (serving, leave) = (app.clone(), shutdown.clone());
    supervisor.spawn("web", async move {
        web::server::serve(serving.clone(), listener, leave).await?;
        // every request is answered; what was left over by batches and checkouts is done now
        tokio::join!(serving.cart_lines.close(), serving.checkout.close());
        Ok(())
    });
    supervisor.spawn("stock-views", follow(app.clone(), shutdown.clone()));
    Ok(bound)
}

/// Follows the journals of all sales that are kept.
async fn follow(app: App, shutdown: Shutdown) -> anyhow::Result<()> {
    let feed = app.stock_views.clone();
    let token = shutdown.clone();
    let mut following = tokio::spawn(async move { feed.run(token.token()).await });
    loop {
        let now = app.clock.now();
        match sales::store::to_keep(&app.pool, now - sales::KEEP_AFTER_END).await {
            Ok(sales) => sales.iter().for_each(|sale| app.stock_views.follow(sale.bucket())),
            Err(error) => tracing::debug!(%error, "new sales cannot be looked for"),
        }
        tokio::select! {
            ended = &mut following => return Ok(ended?),
            () = tokio::time::sleep(FOLLOW_INTERVAL) => {}
        }
    }
}

fn checks(app: &App, shape: &Shape) -> Vec<ReadinessCheck> {
    let (pool, redis, rabbit) = (app.pool.clone(), app.redis.clone(), app.rabbit.clone());
    let mut checks = vec![
        ReadinessCheck::new("postgres", move || {
            let pool = pool.clone();
            async move { postgres::ping(&pool).await }
        }),
        ReadinessCheck::new("redis", move || {
            let redis = redis.clone();
            async move { redis.ping().await }
        }),
        ReadinessCheck::new("rabbitmq", move || {
            let connected = rabbit.is_connected();
            async move { if connected { Ok(()) } else { Err("not connected") } }
        }),
    ];
    if shape.web {
        let stream = app.stream.clone();
        checks.push(ReadinessCheck::new("cart stream", move || {
            let known = stream.generation() > 0;
            async move { if known { Ok(()) } else { Err("its generation is not known yet") } }
        }));
    }
    checks
}
