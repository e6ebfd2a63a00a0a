//! What types cannot say: ranges, and settings that must go together.

use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::{Config, Provider, notify};

/// Lua unpacks at most some thousands of values, and a line is several.
const BATCH_LIMIT: usize = 512;
/// `RabbitMQ`'s default for a connection, one kept for declarations.
const CHANNELS: usize = 2046;
/// By how much every call of Redis in a checkout ends before the lease does.
const LEASE_MARGIN: Duration = Duration::from_secs(2);

/// Whether the setting `key` is within its range; the error says what is expected.
pub(super) fn range(config: &Config, key: &str) -> Result<(), String> {
    match key {
        "log.level" => directives(&config.log.level),
        "web.public_url" => match &config.web.public_url {
            Some(url) => scheme(url.scheme(), &["https", "http"]),
            None => Ok(()),
        },
        "postgres.url" => scheme(config.postgres.url.scheme(), &["postgres", "postgresql"]),
        "redis.url" => scheme(config.redis.url.scheme(), &["redis"]),
        "rabbit.url" => scheme(config.rabbit.url.scheme(), &["amqp"]),
        "stripe.script_url" => scheme(config.stripe.script_url.scheme(), &["https", "http"]),
        "stripe.api_url" => scheme(config.stripe.api_url.scheme(), &["https", "http"]),
        "redis.prefix" => name(&config.redis.prefix),
        "rabbit.prefix" => name(&config.rabbit.prefix),
        "web.noop" => Ok(()),
        "web.body_limit" => within(config.web.body_limit, 1024, 16 << 20),
        "web.workers" => within(config.web.workers, 0, 1024),
        "web.max_connections" => within(config.web.max_connections, 1, 1 << 20),
        "web.backlog" => within(config.web.backlog, 1, 1 << 16),
        "postgres.max_connections" => within(config.postgres.max_connections, 2, 1000),
        "redis.pool_size" => within(config.redis.pool_size, 1, 1000),
        "rabbit.channels" => within(config.rabbit.channels, 1, CHANNELS),
        "stock.batch_limit" => within(config.stock.batch_limit, 1, BATCH_LIMIT),
        "stock.queue_limit" => within(config.stock.queue_limit, 1, 1 << 20),
        "cart.stream_max_bytes" => within(config.cart.stream_max_bytes, 1 << 20, 1 << 50),
        "cart.stream_segment_bytes" => within(config.cart.stream_segment_bytes, 1 << 16, 3 << 30),
        "events.bite" => within(config.events.bite, 1, 5000),
        "events.batch" => within(config.events.batch, 1, 1000),
        "cart.prefetch" => within(config.cart.prefetch, 1, 10_000),
        _ if key.starts_with("mail.") || key.starts_with("webhooks.") => notify::range(config, key),
        _ => durations(config, key),
    }
}

/// Durations from a millisecond to a year; the heartbeat travels as whole seconds.
fn durations(config: &Config, key: &str) -> Result<(), String> {
    let found = match key {
        "web.keep_alive" => config.web.keep_alive,
        "web.head_timeout" => config.web.head_timeout,
        "postgres.acquire_timeout" => config.postgres.acquire_timeout,
        "postgres.statement_timeout" => config.postgres.statement_timeout,
        "postgres.lock_timeout" => config.postgres.lock_timeout,
        "postgres.idle_timeout" => config.postgres.idle_timeout,
        "redis.connect_timeout" => config.redis.connect_timeout,
        "redis.call_timeout" => config.redis.call_timeout,
        "rabbit.connect_timeout" => config.rabbit.connect_timeout,
        "rabbit.call_timeout" => config.rabbit.call_timeout,
        "rabbit.publish_timeout" => config.rabbit.publish_timeout,
        "rabbit.confirm_timeout" => config.rabbit.confirm_timeout,
        "rabbit.heartbeat" => return heartbeat(config.rabbit.heartbeat),
        "stock.flush_interval" => config.stock.flush_interval,
        "stock.claim_deadline" => config.stock.claim_deadline,
        "stock.barrier_delay" => config.stock.barrier_delay,
        "stock.keeper_interval" => config.stock.keeper_interval,
        "stock.expirer_interval" => config.stock.expirer_interval,
        "cart.stream_max_age" => return at_least_a_minute(config.cart.stream_max_age),
        "cart.stream_settle" => config.cart.stream_settle,
        "events.poll_interval" => config.events.poll_interval,
        "events.queue_settle" => config.events.queue_settle,
        "checkout.grace" => config.checkout.grace,
        "checkout.lease" => config.checkout.lease,
        "checkout.provider_timeout" => config.checkout.provider_timeout,
        "checkout.resume_interval" => config.checkout.resume_interval,
        "audit.interval" => config.audit.interval,
        "shutdown.timeout" => config.shutdown.timeout,
        _ => return Ok(()),
    };
    duration(found)
}

pub(super) fn duration(found: Duration) -> Result<(), String> {
    let year = Duration::from_hours(24 * 365);
    if (Duration::from_millis(1)..=year).contains(&found) {
        Ok(())
    } else {
        Err("expected a duration between 1ms and a year, such as \"2s\"".to_owned())
    }
}

/// Whether settings that depend on each other agree.
pub(super) fn together(config: &Config) -> Result<(), String> {
    let (stock, cart, checkout) = (&config.stock, &config.cart, &config.checkout);
    if stock.queue_limit < stock.batch_limit {
        return Err("stock.queue_limit must not be below stock.batch_limit".to_owned());
    }
    if cart.stream_segment_bytes > cart.stream_max_bytes {
        return Err("cart.stream_segment_bytes must not be above cart.stream_max_bytes".to_owned());
    }
    if checkout.lease < checkout.provider_timeout + LEASE_MARGIN {
        return Err(format!(
            "checkout.lease must be at least {}s longer than checkout.provider_timeout",
            LEASE_MARGIN.as_secs()
        ));
    }
    if config.payments.provider == Provider::Stripe {
        if let Some(missing) = config.stripe.missing() {
            return Err(format!("payments.provider is \"stripe\", and {missing} is not set"));
        }
        if config.web.public_url.is_none() {
            return Err("payments.provider is \"stripe\", and web.public_url is not set: a bank \
                        sends shoppers back there"
                .to_owned());
        }
    }
    notify::together(config)
}

pub(super) fn within<T: PartialOrd + Copy + std::fmt::Display>(
    found: T,
    low: T,
    high: T,
) -> Result<(), String> {
    if found >= low && found <= high {
        Ok(())
    } else {
        Err(format!("expected a number between {low} and {high}, found {found}"))
    }
}

pub(super) fn scheme(found: &str, allowed: &[&str]) -> Result<(), String> {
    if allowed.contains(&found) {
        Ok(())
    } else {
        Err(format!(
            "expected a URL that begins with {}://, found {found}:",
            allowed.join(":// or ")
        ))
    }
}

/// Prefixes become part of keys and of AMQP names.
fn name(text: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    if text.len() <= 64 && text.bytes().all(plain) {
        Ok(())
    } else {
        Err("expected at most 64 letters, digits, '-', '_', '.' and ':'".to_owned())
    }
}

fn directives(text: &str) -> Result<(), String> {
    let expected = "expected error, warn, info, debug, trace, or directives such as \
                    \"info,stampede=debug\"";
    EnvFilter::try_new(text).map(drop).map_err(|error| format!("{expected} ({error})"))
}

fn heartbeat(found: Duration) -> Result<(), String> {
    if found.subsec_nanos() == 0 && (1..=3600).contains(&found.as_secs()) {
        Ok(())
    } else {
        Err("expected whole seconds between 1s and 1h".to_owned())
    }
}

fn at_least_a_minute(found: Duration) -> Result<(), String> {
    if found >= Duration::from_mins(1) {
        Ok(())
    } else {
        Err("expected a minute or more, such as \"7days\"".to_owned())
    }
}
