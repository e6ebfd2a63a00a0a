//! The shoppers' listener: limits against slow and greedy clients, and a drain that breaks off
//! nothing it has begun.

use std::{io, net::TcpListener, time::Duration};

use actix_web::{App as Site, HttpServer, web::Data};

use super::{
    cache::Public,
    noop,
    observe::{Figures, Observer},
    routes,
};
use crate::{app::App, platform::shutdown::Shutdown};

/// A client that does not take its last bytes is not waited for longer.
const DISCONNECT: Duration = Duration::from_secs(2);

/// Serves on `listener` until `shutdown` is requested, then stops accepting, answers what is under
/// way within the configured time, and returns.
pub async fn serve(app: App, listener: TcpListener, shutdown: Shutdown) -> io::Result<()> {
    let config = app.config.web.clone();
    let drain = app.config.shutdown.timeout.as_secs().max(1);
    let figures = Figures::new(&app.metrics).map_err(io::Error::other)?;
    let (ids, app, public) = (app.ids.clone(), Data::new(app), Data::new(Public::new()));
    let noop = config.noop;
    let site = move || {
        let observer = Observer::new(figures.clone(), &ids);
        Site::new()
            .app_data(app.clone())
            .app_data(public.clone())
            .configure(|site| routes::mount(site, &observer))
            .configure(|site| {
                if noop {
                    noop::mount(site);
                }
            })
            .default_service(routes::nowhere(&observer))
    };
    let server = HttpServer::new(site)
        .workers(match config.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        })
        .backlog(config.backlog)
        .tcp_nodelay(true)
        .max_connections(config.max_connections)
        .keep_alive(config.keep_alive)
        .client_request_timeout(config.head_timeout)
        .client_disconnect_timeout(DISCONNECT)
        .shutdown_timeout(drain)
        .disable_signals()
        .listen(listener)?
        .run();
    let handle = server.handle();
    let drained = async {
        shutdown.requested().await;
        handle.stop(true).await;
    };
    let (outcome, ()) = tokio::join!(server, drained);
    outcome
}
