//! What every request has around it: an id that the reply carries, a span for the log, figures by
//! route, the headers that browsers want, and errors put into words, as JSON or as a page.
//!
//! Each route has an instance of its own. So its figures are at hand without a look-up, and their
//! labels are bounded by the table of routes, whatever is asked for.

use std::{
    cell::{Cell, RefCell},
    future::{Ready, ready},
    panic::AssertUnwindSafe,
    rc::Rc,
    time::Instant,
};

use actix_web::{
    Error, HttpResponse,
    body::BoxBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};
use futures_util::{FutureExt, future::LocalBoxFuture};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};
use tracing::Instrument;

use super::{error::Problem, pages};
use crate::{
    kernel::ids::Ids,
    platform::metrics::{Metrics, MetricsError, SECONDS},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ids of a proxy are replaced by one of ours.
const LONGEST_REQUEST_ID: usize = 64;

/// For pages: nothing from elsewhere, no script but ours, no frame around us.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
/// For what is no page: should a browser be made to show it, nothing of it runs.
const DATA_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The figures of all routes: rate, errors, duration. Cheap to clone.
#[derive(Clone)]
pub struct Figures {
    requests: IntCounterVec,
    durations: HistogramVec,
}

impl Figures {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Result<Self, MetricsError> {
        Ok(Self {
            requests: metrics.counter_vec(
                "stampede_http_requests_total",
                "Requests answered, by method, route and status.",
                &["method", "route", "status"],
            )?,
            durations: metrics.histogram_vec(
                "stampede_http_request_duration_seconds",
                "From the end of a request's head to its reply's.",
                &["method", "route"],
                SECONDS,
            )?,
        })
    }
}

/// Makes the instances for the routes of one server thread.
#[derive(Clone)]
pub struct Observer {
    figures: Figures,
    /// Differs between threads and processes; with the count behind it an id is unique.
    prefix: u64,
    count: Rc<Cell<u32>>,
}

impl Observer {
    /// For one server thread.
    #[must_use]
    pub fn new(figures: Figures, ids: &Ids) -> Self {
        // The last bytes of such an id are random.
        let (_, prefix) = ids.unique().as_u64_pair();
        let prefix = prefix & u64::from(u32::MAX);
        Self { figures, prefix, count: Rc::default() }
    }

    /// The instance for one route, named by its pattern.
    #[must_use]
    pub fn route(&self, route: &'static str) -> Observe {
        Observe { observer: self.clone(), route }
    }

    fn request_id(&self, headers: &HeaderMap) -> HeaderValue {
        let sound = |id: &&HeaderValue| {
            (1..=LONGEST_REQUEST_ID).contains(&id.len())
                && id.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
        };
        if let Some(id) = headers.get(REQUEST_ID).filter(sound) {
            return id.clone();
        }
        let count = self.count.get();
        self.count.set(count.wrapping_add(1));
        HeaderValue::try_from(format!("{:08x}{count:08x}", self.prefix))
            .unwrap_or(HeaderValue::from_static("-"))
    }
}

/// The middleware of one route.
pub struct Observe {
    observer: Observer,
    route: &'static str,
}

impl<S> Transform<S, ServiceRequest> for Observe
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = Observed<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        let (observer, route) = (self.observer.clone(), self.route);
        let counts = Rc::new(Counts { observer, route, known: RefCell::default() });
        ready(Ok(Observed { inner, counts }))
    }
}

/// One route's service with everything around it.
pub struct Observed<S> {
    inner: S,
    counts: Rc<Counts>,
}

impl<S> Service<ServiceRequest> for Observed<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let started = Instant::now();
        let counts = Rc::clone(&self.counts);
        let id = counts.observer.request_id(request.headers());
        let span = tracing::info_span!(
            "request",
            id = id.to_str().unwrap_or_default(),
            method = method(request.method()),
            route = counts.route,
        );
        let page = wants_page(request.path(), request.headers());
        let verb = request.method().clone();
        let answer = self.inner.call(request);
        let work = async move {
            let answered = AssertUnwindSafe(answer).catch_unwind().await;
            // Handlers turn their errors into replies; what fails before one, or panics, has none.
            let failed = match answered {
                Ok(Ok(answered)) => {
                    let (asked, mut reply) = answered.into_parts();
                    if let Some(spoken) = in_words(&reply, page) {
                        reply = spoken;
                    }
                    let unchanged = reply.status() == StatusCode::NOT_MODIFIED;
                    finish(reply.headers_mut(), id, unchanged);
                    counts.count(&verb, reply.status(), started);
                    return Ok(ServiceResponse::new(asked, reply));
                }
                Ok(Err(error)) => Problem::internal(anyhow::anyhow!("{error}")),
                Err(_) => Problem::internal(Panicked),
            };
            failed.log();
            counts.count(&verb, StatusCode::INTERNAL_SERVER_ERROR, started);
            Err(failed.into())
        };
        Box::pin(work.instrument(span))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a handler panicked")]
struct Panicked;

/// Writes an error's cause down, and makes a page of the error where a person will read it.
fn in_words(reply: &HttpResponse, page: bool) -> Option<HttpResponse> {
    let error = reply.error()?;
    let Some(problem) = error.as_error::<Problem>() else {
        // An error that is none of ours says nothing to the outside.
        let problem = Problem::internal(anyhow::anyhow!("{error}"));
        problem.log();
        return Some(HttpResponse::from_error(problem));
    };
    problem.log();
    page.then(|| problem.reply("text/html; charset=utf-8", pages::problem::page(problem)))
}

/// Whether a person sits there: a browser that goes to a page, not a program that calls.
fn wants_page(path: &str, headers: &HeaderMap) -> bool {
    !path.starts_with("/api/")
        && headers
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.contains("text/html"))
}

fn finish(headers: &mut HeaderMap, id: HeaderValue, unchanged: bool) {
    headers.insert(REQUEST_ID, id);
    if unchanged {
        // It has no type to tell a page by, and what it says replaces what the browser has kept:
        // under the policy of data a kept page would lose its style and its script.
        return;
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let page = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|content_type| content_type.as_bytes().starts_with(b"text/html"));
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        let policy = if page { PAGE_POLICY } else { DATA_POLICY };
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if page {
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        // Forms of our own must still say where they come from.
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        );
        headers.insert(
            HeaderName::from_static("permissions-policy"),
            HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
        );
    }
}

/// Methods as labels: few, whatever is sent.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// One route's figures on one thread, found without asking the registry again.
struct Counts {
    observer: Observer,
    route: &'static str,
    known: RefCell<Vec<(&'static str, StatusCode, IntCounter, Histogram)>>,
}

impl Counts {
    fn count(&self, verb: &Method, status: StatusCode, started: Instant) {
        let verb = method(verb);
        let mut known = self.known.borrow_mut();
        let found = known.iter().position(|(v, s, ..)| (*v, *s) == (verb, status));
        let at = found.unwrap_or_else(|| {
            let figures = &self.observer.figures;
            let requests = figures.requests.with_label_values(&[verb, self.route, status.as_str()]);
            let durations = figures.durations.with_label_values(&[verb, self.route]);
            known.push((verb, status, requests, durations));
            known.len() - 1
        });
        if let Some((_, _, requests, durations)) = known.get(at) {
            requests.inc();
            durations.observe(started.elapsed().as_secs_f64());
        }
    }
}
