//! The program itself: what it prints and how it exits.

use std::process::{Command, Output};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use url::Url;

use super::broker::unique;

fn stampede(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stampede"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn check_config_prints_toml_and_a_note_without_a_secret() {
    let output = stampede(&["check-config"], &[("DATABASE_URL", "postgres://a:hunter2@db/shop")]);
    assert_eq!(output.status.code(), Some(0));
    let printed = text(&output.stdout);
    let table: toml::Table = toml::from_str(&printed).unwrap();
    assert_eq!(table["web"]["listen"].as_str(), Some("127.0.0.1:8080"));
    assert_eq!(table["postgres"]["url"].as_str(), Some("postgres://a:***@db/shop"));
    assert!(text(&output.stderr).contains("STAMPEDE_WEB__SECRET"));
}

#[test]
fn wrong_settings_and_arguments_exit_with_2() {
    let output = stampede(&["check-config"], &[("STAMPEDE_WEB__LISTN", "x")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("did you mean STAMPEDE_WEB__LISTEN?"));
    assert_eq!(stampede(&["chek-config"], &[]).status.code(), Some(2));
}

#[test]
fn a_server_that_is_away_exits_with_69_and_keeps_the_password() {
    let url = "postgres://a:hunter2@127.0.0.1:1/shop";
    let output = stampede(&["migrate"], &[("DATABASE_URL", url)]);
    assert_eq!(output.status.code(), Some(69), "{}", text(&output.stderr));
    let error = text(&output.stderr);
    assert!(error.contains("DATABASE_URL") && !error.contains("hunter2"), "{error}");
}

#[test]
fn help_teaches_the_exit_codes() {
    let output = stampede(&["--help"], &[]);
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    assert!(help.contains("Exit codes") && help.contains("check-config"), "{help}");
}

#[tokio::test]
async fn migrate_may_be_repeated_and_run_at_once() {
    let mut url = Url::parse(&std::env::var("DATABASE_URL").expect("DATABASE_URL")).unwrap();
    let mut server = PgConnection::connect(url.as_str()).await.unwrap();
    let name = unique("migrate").replace('-', "_");
    // The name is ours, made of letters, digits and underscores.
    let create = AssertSqlSafe(format!("create database {name}"));
    sqlx::query(create).execute(&mut server).await.unwrap();
    url.set_path(&name);

    let migrate = |url: Url| {
        tokio::task::spawn_blocking(move || {
            stampede(&["migrate"], &[("DATABASE_URL", url.as_str())])
        })
    };
    let at_once = [migrate(url.clone()), migrate(url.clone())];
    for running in at_once.into_iter().chain([migrate(url.clone())]) {
        let output = running.await.unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("up to date (migration "));
    }
    let drop = AssertSqlSafe(format!("drop database {name}"));
    sqlx::query(drop).execute(&mut server).await.unwrap();
}
