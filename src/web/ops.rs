//! The operators' listener: `/metrics`, `/healthz` (the process) and `/readyz` (what it needs).
//! It has a thread of its own, so that it answers while the shoppers' threads are busy.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::Server,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    web::{self, Data},
};
use futures_util::future::{BoxFuture, join_all};
use serde::Serialize;
use tokio::{sync::Mutex, time::timeout};

use crate::platform::metrics::{self, Metrics};

/// A probe that takes longer has found out enough: a server that slow serves nobody.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Results this young are given again, so that eager balancers do not become a load.
const FRESH: Duration = Duration::from_millis(500);

type Probe = dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync;

/// One thing that the process cannot serve without.
pub struct ReadinessCheck {
    name: &'static str,
    probe: Box<Probe>,
    last: Mutex<Option<(Instant, Result<(), String>)>>,
}

impl ReadinessCheck {
    /// `probe` really asks, each time: whoever is ready by hearsay is not ready.
    pub fn new<F, E>(name: &'static str, probe: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let probe = move || -> BoxFuture<'static, Result<(), String>> {
            let asked = probe();
            Box::pin(async move { asked.await.map_err(|error| error.to_string()) })
        };
        Self { name, probe: Box::new(probe), last: Mutex::default() }
    }

    /// The latest result, asking again when it is not fresh. Requests at the same time share one.
    async fn look(&self) -> CheckReport {
        let mut last = self.last.lock().await;
        let known = last.take().filter(|(at, _)| at.elapsed() < FRESH);
        let (at, result) = if let Some(known) = known {
            known
        } else {
            let late = || Err(format!("no answer within {PROBE_TIMEOUT:?}"));
            let result = timeout(PROBE_TIMEOUT, (self.probe)()).await;
            (Instant::now(), result.unwrap_or_else(|_| late()))
        };
        let (name, age_seconds) = (self.name, at.elapsed().as_secs_f64());
        let (ready, reason) = (result.is_ok(), result.as_ref().err().cloned());
        *last = Some((at, result));
        CheckReport { name, ready, age_seconds, reason }
    }
}

#[derive(Serialize)]
struct CheckReport {
    name: &'static str,
    ready: bool,
    age_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    checks: Vec<CheckReport>,
}

/// Binds `listen` and returns the address (port 0 becomes the one that was free) and the server,
/// which runs when it is awaited. Its handle stops it; signals do not.
pub fn server(
    listen: SocketAddr,
    metrics: Metrics,
    checks: Vec<ReadinessCheck>,
) -> io::Result<(SocketAddr, Server)> {
    let metrics = Data::new(metrics);
    let checks = Data::from(Arc::new(checks));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(metrics.clone())
            .app_data(checks.clone())
            .route("/metrics", web::get().to(show_metrics))
            .route("/healthz", web::get().to(health))
            .route("/readyz", web::get().to(readiness))
    })
    .workers(1)
    .disable_signals()
    .bind(listen)
    .map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on {listen} (STAMPEDE_OPS__LISTEN): {error}"),
        )
    })?;
    let bound = server.addrs().first().copied().unwrap_or(listen);
    Ok((bound, server.run()))
}

async fn show_metrics(metrics: Data<Metrics>) -> HttpResponse {
    match metrics.render() {
        Ok(text) => {
            HttpResponse::Ok().insert_header((CONTENT_TYPE, metrics::CONTENT_TYPE)).body(text)
        }
        Err(error) => {
            tracing::error!(%error, "metrics could not be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}

async fn health() -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).body("ok\n")
}

async fn readiness(checks: Data<Vec<ReadinessCheck>>) -> HttpResponse {
    let checks = join_all(checks.iter().map(ReadinessCheck::look)).await;
    let ready = checks.iter().all(|check| check.ready);
    let mut reply = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    reply.insert_header((CACHE_CONTROL, "no-store")).json(Readiness { ready, checks })
}
