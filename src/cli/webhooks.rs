//! `stampede webhooks`

use std::sync::Arc;

use clap::{Subcommand, builder::PossibleValuesParser};
use sqlx::PgPool;

use super::{failure::Failure, table::table};
use crate::{
    flows::webhook_delivery::{self, WebhookDelivery},
    kernel::{
        clock::{Clock, Timestamp},
        ids::{EndpointId, Ids},
    },
    platform::{config::Config, metrics::Metrics, postgres},
    shop::{
        events::Fact,
        webhooks::{
            self, Disabled, Endpoint, EndpointUrl, Logged, MAX_ENDPOINTS, NewEndpoint, SigningKey,
        },
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum Webhooks {
    /// Add an endpoint, and show the secret that it verifies deliveries by
    ///
    /// The secret is shown this once. Deliveries have the form of Standard Webhooks
    /// (standardwebhooks.com), whose libraries verify them.
    Add {
        /// Where events are posted to, by https
        url: String,
        /// Only events of this type; may be given several times
        #[arg(long = "event", value_name = "TYPE", value_parser = PossibleValuesParser::new(Fact::KINDS))]
        events: Vec<String>,
    },
    /// List the endpoints
    List,
    /// Send a test event at once, and print the answer; exits with 1 unless it is a success
    Test {
        /// As listed
        id: EndpointId,
    },
    /// Send an endpoint nothing more; what waits for it is kept
    Disable {
        /// As listed
        id: EndpointId,
    },
    /// Let a disabled endpoint go on, with what was waiting for it
    Enable {
        /// As listed
        id: EndpointId,
    },
    /// Give an endpoint a new secret, and show it
    ///
    /// The one before signs beside it for a day (see `webhooks.rotation` of check-config), so that
    /// the receiver may change over at any moment of it.
    Rotate {
        /// As listed
        id: EndpointId,
    },
    /// Show what was sent to an endpoint, newest first, and what it answered
    Log {
        /// As listed
        id: EndpointId,
        /// How many deliveries
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
}

pub(super) async fn run(config: &Config, command: &Webhooks) -> Result<(), Failure> {
    let pool = &postgres::connect(&config.postgres)?;
    match command {
        Webhooks::Add { url, events } => add(config, pool, url, events).await,
        Webhooks::List => list(pool).await,
        Webhooks::Test { id } => test(config, pool, *id).await,
        Webhooks::Disable { id } => disable(pool, *id).await,
        Webhooks::Enable { id } => enable(pool, *id).await,
        Webhooks::Rotate { id } => rotate(config, pool, *id).await,
        Webhooks::Log { id, limit } => log(pool, *id, *limit).await,
    }
}

async fn add(config: &Config, pool: &PgPool, url: &str, events: &[String]) -> Result<(), Failure> {
    let reach = webhook_delivery::reach(config);
    let url = EndpointUrl::parse(url, reach).map_err(Failure::failed)?;
    url.is_allowed_now(reach).await.map_err(Failure::failed)?;
    let mut events = events.to_vec();
    events.sort();
    events.dedup();
    let id = EndpointId(Ids::random().unique());
    let endpoint = NewEndpoint { id, url, events, key: SigningKey::new(rand::random()) };
    if !webhooks::store::insert(pool, &endpoint, MAX_ENDPOINTS).await? {
        return Err(full());
    }
    println!("id      {}", endpoint.id);
    println!("url     {}", endpoint.url.as_str());
    println!("events  {}", asked_for(&endpoint.events));
    println!("secret  {}", endpoint.key.expose());
    eprintln!("the secret is not shown again; `stampede webhooks test {id}` tries it out");
    Ok(())
}

async fn list(pool: &PgPool) -> Result<(), Failure> {
    let endpoints = webhooks::store::all(pool).await?;
    let rows = endpoints.iter().map(|endpoint| {
        [
            endpoint.id.to_string(),
            state(endpoint),
            endpoint.waiting.to_string(),
            asked_for(&endpoint.events),
            endpoint.url.clone(),
        ]
    });
    println!("{}", table(["id", "state", "waiting", "events", "url"], rows));
    Ok(())
}

async fn test(config: &Config, pool: &PgPool, id: EndpointId) -> Result<(), Failure> {
    let endpoint = find(pool, id).await?;
    let metrics = Metrics::new().map_err(Failure::failed)?;
    let flow = WebhookDelivery::new(
        pool.clone(),
        (Clock::system(), Ids::random()),
        Arc::new(config.clone()),
        &metrics,
    )
    .map_err(Failure::failed)?;
    let attempt = flow.test(&endpoint).await.map_err(Failure::failed)?;
    let answer = attempt.answer.map_or_else(|| "none".to_owned(), |status| status.to_string());
    println!("answer  {answer}, after {} ms", attempt.took.as_millis());
    match attempt.failure {
        None => Ok(()),
        Some(failure) => Err(Failure::Failed(anyhow::anyhow!(
            "the endpoint did not take it: {}",
            if failure.said.is_empty() { failure.kind } else { &failure.said }
        ))),
    }
}

async fn disable(pool: &PgPool, id: EndpointId) -> Result<(), Failure> {
    let endpoint = find(pool, id).await?;
    webhooks::store::disable(pool, id, Disabled::Asked).await?;
    println!("{id} is disabled; {} deliveries wait for it", endpoint.waiting);
    Ok(())
}

async fn enable(pool: &PgPool, id: EndpointId) -> Result<(), Failure> {
    let endpoint = find(pool, id).await?;
    let enabled = webhooks::store::enable(pool, id, MAX_ENDPOINTS).await?;
    if !enabled && find(pool, id).await?.disabled.is_some() {
        return Err(full());
    }
    println!("{id} is enabled; {} deliveries go on", endpoint.waiting);
    Ok(())
}

async fn rotate(config: &Config, pool: &PgPool, id: EndpointId) -> Result<(), Failure> {
    let (key, overlap) = (SigningKey::new(rand::random()), config.webhooks.rotation);
    if !webhooks::store::rotate(pool, id, &key, overlap).await? {
        return Err(unknown(id));
    }
    println!("secret  {}", key.expose());
    eprintln!(
        "the secret is not shown again; the one before signs beside it for {}",
        humantime::format_duration(overlap)
    );
    Ok(())
}

async fn log(pool: &PgPool, id: EndpointId, limit: i64) -> Result<(), Failure> {
    find(pool, id).await?;
    let rows = webhooks::log::newest(pool, id, limit).await?;
    let rows = rows.into_iter().map(|logged| {
        let outcome = outcome(&logged);
        [
            logged.created_at.format("%F %T").to_string(),
            logged.kind,
            logged.event_id.to_string(),
            logged.attempt.to_string(),
            logged.took_ms.map(|ms| format!("{ms} ms")).unwrap_or_default(),
            outcome,
        ]
    });
    println!(
        "{}",
        table(["asked for (UTC)", "event", "event id", "tries", "took", "outcome"], rows)
    );
    Ok(())
}

fn outcome(logged: &Logged) -> String {
    let answer = logged.answer.map(|status| format!("{status} ")).unwrap_or_default();
    let said = logged.last_error.as_deref().unwrap_or_default();
    let why = format!("{answer}{said}");
    match logged.status.as_str() {
        "waiting" if logged.attempt == 0 => "waiting".to_owned(),
        "waiting" => format!("{why}, again at {}", logged.next_try_at.format("%F %T")),
        "dead" => format!("given up: {why}"),
        status => format!("{answer}{status}"),
    }
}

fn state(endpoint: &Endpoint) -> String {
    let since = |at: Timestamp| at.format("%F %H:%M").to_string();
    match (endpoint.disabled, endpoint.failing_since) {
        (Some((at, why)), _) => format!("disabled ({}) since {}", why.as_str(), since(at)),
        (None, Some(at)) => format!("failing since {}", since(at)),
        (None, None) => "enabled".to_owned(),
    }
}

fn asked_for(events: &[String]) -> String {
    if events.is_empty() { "all".to_owned() } else { events.join(", ") }
}

async fn find(pool: &PgPool, id: EndpointId) -> Result<Endpoint, Failure> {
    webhooks::store::get(pool, id).await?.ok_or_else(|| unknown(id))
}

fn unknown(id: EndpointId) -> Failure {
    Failure::Failed(anyhow::anyhow!("there is no endpoint {id}"))
}

fn full() -> Failure {
    Failure::Failed(anyhow::anyhow!(
        "there are {MAX_ENDPOINTS} endpoints already: disable one that is not needed any more"
    ))
}
