//! Configuration: what is set, what is refused, and what an error says.

use std::time::Duration;

use stampede::platform::{
    config::{Config, Provider},
    secret::Secret,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn with(variables: &[(&str, &str)]) -> Result<Config, String> {
    Config::from_variables(variables.iter().copied()).map_err(|error| error.to_string())
}

fn error_of(variable: &str, value: &str) -> String {
    with(&[(variable, value)]).expect_err(variable)
}

#[test]
fn the_defaults_are_whole() {
    let config = with(&[]).unwrap();
    assert_eq!(config.web.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.ops.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(config.stock.flush_interval, Duration::from_secs(2));
    assert_eq!(config.payments.provider, Provider::Sandbox);
    assert!(config.web.secrets().is_err());
    assert!(!config.web.is_secure());
}

#[test]
fn every_default_is_within_its_own_range() {
    // Said aloud, each default must be accepted like any other value.
    let config = with(&[]).unwrap().to_masked_toml().unwrap();
    let table: toml::Table = toml::from_str(&config).unwrap();
    for (section, settings) in &table {
        for (name, value) in settings.as_table().unwrap() {
            let variable = format!("STAMPEDE_{section}__{name}").to_uppercase();
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            with(&[(&variable, &text)]).unwrap();
        }
    }
}

#[test]
fn the_environment_wins() {
    let config = with(&[
        ("STAMPEDE_WEB__LISTEN", "0.0.0.0:80"),
        ("STAMPEDE_WEB__PUBLIC_URL", "https://shop.example"),
        ("STAMPEDE_STOCK__FLUSH_INTERVAL", "250ms"),
        ("STAMPEDE_CART__STREAM_MAX_BYTES", "1_000_000_000"),
        ("STAMPEDE_WEB__SECRET", &format!("{SECRET}new, {SECRET}")),
        ("DATABASE_URL", "postgres://a@db/shop"),
        ("REDIS_URL", ""),
        ("STAMPEDE_RABBIT__URL", "amqp://mine/%2f"),
        ("AMQP_URL", "amqp://theirs/%2f"),
        ("HOME", "/root"),
    ])
    .unwrap();
    assert_eq!(config.web.listen.to_string(), "0.0.0.0:80");
    assert!(config.web.is_secure());
    assert_eq!(config.stock.flush_interval, Duration::from_millis(250));
    assert_eq!(config.cart.stream_max_bytes, 1_000_000_000);
    let keys: Vec<_> = config.web.secrets().unwrap().iter().map(Secret::expose).collect();
    assert_eq!(keys, [&format!("{SECRET}new"), SECRET]);
    assert_eq!(config.postgres.url.expose(), "postgres://a@db/shop");
    assert_eq!(config.redis.url.expose(), "redis://127.0.0.1:6379/");
    assert_eq!(config.rabbit.url.expose(), "amqp://mine/%2f");
}

#[test]
fn errors_name_the_variable_the_setting_and_what_was_expected() {
    for (variable, value, expected) in [
        ("STAMPEDE_WEB__WORKERS", "many", "expected a whole number, found `many`"),
        ("STAMPEDE_WEB__WORKERS", "-1", "integer `-1`"),
        ("STAMPEDE_WEB__WORKERS", "1.5", "whole number"),
        ("STAMPEDE_WEB__LISTEN", "8080", "socket address"),
        ("STAMPEDE_WEB__BODY_LIMIT", "12", "between 1024 and"),
        ("STAMPEDE_WEB__PUBLIC_URL", "ftp://shop", "https://"),
        ("STAMPEDE_STOCK__FLUSH_INTERVAL", "2", "duration"),
        ("STAMPEDE_STOCK__FLUSH_INTERVAL", "soon", "duration"),
        ("STAMPEDE_STOCK__FLUSH_INTERVAL", "0s", "between 1ms and a year"),
        ("STAMPEDE_STOCK__BATCH_LIMIT", "513", "between 1 and 512"),
        ("STAMPEDE_RABBIT__HEARTBEAT", "1500ms", "whole seconds"),
        ("STAMPEDE_CART__PREFETCH", "70000", "u16"),
        ("STAMPEDE_LOG__FORMAT", "xml", "`auto`, `human`, `json`"),
        ("STAMPEDE_LOG__LEVEL", "loud=very=much", "expected error, warn, info"),
        ("STAMPEDE_PAYMENTS__PROVIDER", "barter", "sandbox"),
        ("STAMPEDE_REDIS__PREFIX", "a b", "letters, digits"),
        ("STAMPEDE_POSTGRES__URL", "postgres", "expected a URL"),
    ] {
        let error = error_of(variable, value);
        let (section, name) = variable["STAMPEDE_".len()..].split_once("__").unwrap();
        let key = format!("{section}.{name}").to_lowercase();
        for part in [variable, &key, expected] {
            assert!(error.contains(part), "{variable}={value}: {error}: no {part}");
        }
    }
    let error = error_of("DATABASE_URL", "mysql://shop:hunter2@db/shop");
    assert!(error.contains("DATABASE_URL") && error.contains("postgres://"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_slip_of_the_finger_is_not_passed_over() {
    for (variable, meant) in [
        ("STAMPEDE_WEB__LISTN", "STAMPEDE_WEB__LISTEN"),
        ("STAMPEDE_WEB_LISTEN", "STAMPEDE_WEB__LISTEN"),
        ("STAMPEDE_STOCK__FLUSH_INTERVALL", "STAMPEDE_STOCK__FLUSH_INTERVAL"),
        ("STAMPEDE_web__listen", "STAMPEDE_WEB__LISTEN"),
    ] {
        let error = error_of(variable, "x");
        let hint = format!("{variable} is not a setting of stampede; did you mean {meant}?");
        if meant.eq_ignore_ascii_case(variable) {
            assert!(error.contains("is not a setting"), "{error}");
        } else {
            assert!(error.contains(&hint), "{error}");
        }
    }
    let error = error_of("STAMPEDE_COLOUR", "red");
    assert!(error.contains("is not a setting") && !error.contains("mean"), "{error}");
}

#[test]
fn a_short_secret_is_refused_and_never_repeated() {
    for value in ["hunter2", &format!("{SECRET},hunter2")] {
        let error = error_of("STAMPEDE_WEB__SECRET", value);
        assert!(error.contains("at least 32 bytes") && !error.contains("hunter2"), "{error}");
    }
    let error = with(&[]).unwrap().web.secrets().unwrap_err().to_string();
    assert!(error.contains("STAMPEDE_WEB__SECRET") && error.contains("not set"), "{error}");
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let error = error_of("STAMPEDE_CHECKOUT__PROVIDER_TIMEOUT", "9s");
    assert!(error.contains("checkout.lease"), "{error}");
    let error = error_of("STAMPEDE_STOCK__QUEUE_LIMIT", "100");
    assert!(error.contains("stock.batch_limit"), "{error}");
    with(&[("STAMPEDE_STOCK__QUEUE_LIMIT", "100"), ("STAMPEDE_STOCK__BATCH_LIMIT", "50")]).unwrap();
}

#[test]
fn what_is_shown_hides_secrets_and_passwords() {
    let config = with(&[
        ("STAMPEDE_WEB__SECRET", SECRET),
        ("DATABASE_URL", "postgres://shop:hunter2@db/shop"),
        ("REDIS_URL", "redis://:hunter2@cache:6379/"),
        ("AMQP_URL", "amqp://shop:hunter2@mq/%2f"),
    ])
    .unwrap();
    for shown in [config.to_masked_toml().unwrap(), format!("{config:?}")] {
        assert!(!shown.contains("hunter2") && !shown.contains(SECRET), "{shown}");
        assert!(shown.contains("shop:***@db/shop"), "{shown}");
    }
}

#[test]
fn mail_needs_somebody_who_writes_and_a_server_s_password_is_not_shown() {
    let url = ("STAMPEDE_MAIL__URL", "smtps://shop:hunter2@mail.example");
    assert!(with(&[url]).unwrap_err().contains("STAMPEDE_MAIL__FROM"));
    let from = ("STAMPEDE_MAIL__FROM", "Night Runners <shop@night.example>");
    let config = with(&[url, from]).unwrap();
    let shown = config.to_masked_toml().unwrap();
    assert!(shown.contains("smtps://shop:***@mail.example"), "{shown}");
    assert!(!shown.contains("hunter2") && !format!("{config:?}").contains("hunter2"));
    for bad in ["mail.example:25", "http://mail.example", "smtp://mail.example?tls=maybe"] {
        assert!(error_of("STAMPEDE_MAIL__URL", bad).contains("expected"), "{bad}");
    }
    for bad in ["Night Runners", "shop@", "a@b@c.example", "Shop <a@b.example"] {
        assert!(error_of("STAMPEDE_MAIL__FROM", bad).contains("expected an address"), "{bad}");
    }
    assert!(error_of("STAMPEDE_MAIL__RATE", "0").contains("between 1 and 1000"));
    assert!(error_of("STAMPEDE_WEBHOOKS__IN_FLIGHT", "0").contains("between 1 and 100"));
}
