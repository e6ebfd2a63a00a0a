//! The pool never hands out a connection on which somebody left a transaction open.

use std::{future::poll_fn, task::Poll};

use sqlx::{Connection, PgConnection};
use stampede::platform::{config::Config, postgres};

#[tokio::test]
async fn a_begin_that_is_cancelled_leaves_no_transaction_behind() {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL: run `make test`");
    let config = Config::from_variables([
        ("DATABASE_URL", url.as_str()),
        ("STAMPEDE_POSTGRES__MAX_CONNECTIONS", "2"),
    ]);
    let pool = postgres::connect(&config.unwrap().postgres).unwrap();
    let table = format!("begun_{}", uuid::Uuid::new_v4().simple());
    let run = |sql: String| sqlx::AssertSqlSafe(sql);
    sqlx::query(run(format!("CREATE TABLE {table} (n int)"))).execute(&pool).await.unwrap();
    let mut outside = PgConnection::connect(&url).await.unwrap();
    for n in 0..300 {
        let mut begin = Box::pin(pool.begin());
        for _ in 0..n % 20 {
            let polled = poll_fn(|context| Poll::Ready(begin.as_mut().poll(context)));
            if polled.await.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(begin);
        sqlx::query(run(format!("INSERT INTO {table} VALUES (1)"))).execute(&pool).await.unwrap();
        let seen: i64 = sqlx::query_scalar(run(format!("SELECT COUNT(*) FROM {table}")))
            .fetch_one(&mut outside)
            .await
            .unwrap();
        assert_eq!(seen, n + 1, "what was written is committed");
    }
    sqlx::query(run(format!("DROP TABLE {table}"))).execute(&pool).await.unwrap();
}
