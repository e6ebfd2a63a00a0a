//! `stampede export` as it is typed.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, Stdio},
};

use serde_json::Value;

use super::{Folder, Order, at, insert_many, paper, sale_id, stampede, unhurried};
use crate::harness::Shop;

fn export(what: &str, more: &[&str]) -> Vec<String> {
    let mut arguments = vec!["export", what, "--sale", "run"];
    arguments.extend(more);
    arguments.into_iter().map(str::to_owned).collect()
}

fn run(shop: &Shop, what: &str, more: &[&str]) -> (i32, String, String) {
    let arguments = export(what, more);
    stampede(shop, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

fn spawn(shop: &Shop, what: &str, more: &[&str]) -> Child {
    let arguments = export(what, more);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    shop.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The most memory that a process ever had, in KiB.
fn peak_kib(process: &Child) -> i64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Reads an export to its end; `meanwhile` runs after the first rows. Returns rows and peak memory.
async fn read_slowly(mut process: Child, meanwhile: impl AsyncFnOnce()) -> (Vec<String>, i64) {
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut rows: Vec<String> = lines.by_ref().take(100).map(Result::unwrap).collect();
    meanwhile().await;
    let mut peak = 0;
    for line in lines {
        rows.push(line.unwrap());
        // it has not ended while there is more to read than a pipe holds
        if rows.len().is_multiple_of(500) {
            peak = peak.max(peak_kib(&process));
        }
    }
    assert!(process.wait().unwrap().success());
    (rows, peak)
}

#[tokio::test]
async fn a_hundred_thousand_orders_are_of_one_instant_and_take_little_memory() {
    const ORDERS: i64 = 100_000;
    let shop = paper().await;
    let sale = sale_id(&shop).await;
    insert_many(&shop, sale, 2000).await;
    let (few, small) = read_slowly(spawn(&shop, "orders", &[]), async || {}).await;
    assert_eq!(few.len(), 2001);

    insert_many(&shop, sale, ORDERS - 2000).await;
    let process = spawn(&shop, "orders", &["--format", "jsonl"]);
    let (rows, large) = read_slowly(process, async || {
        insert_many(&shop, sale, 500).await;
        let mut tx = unhurried(&shop).await;
        sqlx::query("UPDATE orders SET status = 'refunded', refunded_minor = total_minor")
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    })
    .await;
    assert_eq!(i64::try_from(rows.len()).unwrap(), ORDERS);
    for row in &rows {
        let row: Value = serde_json::from_str(row).unwrap();
        assert_eq!((&row["status"], &row["refunded_total"]), (&"paid".into(), &"0.00".into()));
        assert_eq!((&row["units"], &row["total"]), (&1.into(), &"19.50".into()));
    }
    assert!(small > 0 && large > 0, "memory was measured");
    assert!(large < small + 8 * 1024, "{small} KiB for 2,000 orders, {large} KiB for {ORDERS}");
    shop.discard().await;
}

#[tokio::test]
async fn what_a_shopper_typed_survives_and_is_no_formula() {
    let shop = paper().await;
    let sale = sale_id(&shop).await;
    let mut conn = shop.app.pool.acquire().await.unwrap();
    let order = Order::new("paid", at(1), 2);
    order.insert(&mut conn, sale).await;
    let name = "=HYPERLINK(\"http://evil\",\"x\")";
    let city = "Ber\"lin,\nthe <b>one</b> – ünïcode";
    sqlx::query(
        "UPDATE orders SET email = '+ada@example.org', reason = '@x', shipping = jsonb_build_object(
             'name', $1::text, 'line1', '-1', 'city', $2::text, 'postal_code', '01234')",
    )
    .bind(name)
    .bind(city)
    .execute(&mut *conn)
    .await
    .unwrap();
    sqlx::query("UPDATE order_lines SET title = E'\\tCap', refunded = 1, restocked = 1")
        .execute(&mut *conn)
        .await
        .unwrap();

    let (code, out, err) = run(&shop, "orders", &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    let mut reader = csv::Reader::from_reader(out.as_bytes());
    let header = reader.headers().unwrap().clone();
    let row = reader.records().next().unwrap().unwrap();
    let cell = |column: &str| &row[header.iter().position(|name| name == column).unwrap()];
    assert_eq!(cell("order"), order.id.to_string());
    assert_eq!(cell("shipping_name"), format!("'{name}"));
    assert_eq!(cell("email"), "'+ada@example.org");
    assert_eq!((cell("shipping_line1"), cell("reason")), ("'-1", "'@x"));
    assert_eq!((cell("shipping_city"), cell("shipping_postal_code")), (city, "01234"));
    assert_eq!((cell("shipping_country"), cell("ended_at")), ("", ""));
    assert_eq!((cell("currency"), cell("total"), cell("units")), ("EUR", "39.00", "2"));
    assert_eq!(cell("paid_at"), "2026-11-22T10:00:01.000Z");

    let (_, out, _) = run(&shop, "orders", &["--format", "jsonl"]);
    assert_eq!(out.lines().count(), 1);
    let row: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (row["shipping_name"].as_str(), row["shipping_city"].as_str()),
        (Some(name), Some(city))
    );
    assert!(row["shipping_country"].is_null() && row["ended_at"].is_null());

    let (_, out, _) = run(&shop, "lines", &[]);
    let mut reader = csv::Reader::from_reader(out.as_bytes());
    let row = reader.records().next().unwrap().unwrap();
    let cells: Vec<&str> = row.iter().skip(5).collect();
    assert_eq!(cells, ["CAP", "'\tCap", "2", "1", "1", "EUR", "19.50", "39.00"]);
    drop(conn);
    shop.discard().await;
}

#[tokio::test]
async fn a_sale_without_orders_exports_a_header_and_an_unknown_one_an_error() {
    let shop = paper().await;
    let (code, out, err) = run(&shop, "lines", &[]);
    assert_eq!((code, out.lines().count(), err.as_str()), (0, 1, ""));
    let (code, out, err) = run(&shop, "lines", &["--format", "jsonl"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", ""));
    let (code, out, err) = stampede(&shop, &["export", "orders", "--sale", "rum"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(err, "error: there is no sale `rum`\n");
    let (code, ..) = stampede(&shop, &["export", "orders", "--sale", "No Slug"]);
    assert_eq!(code, 2);
    shop.discard().await;
}

#[tokio::test]
async fn a_reader_that_leaves_is_nothing_to_complain_about() {
    let shop = paper().await;
    insert_many(&shop, sale_id(&shop).await, 5000).await;
    let mut process = spawn(&shop, "orders", &[]);
    let mut some = [0; 1000];
    process.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = process.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    shop.discard().await;
}

#[tokio::test]
async fn a_file_is_there_whole_or_stays_as_it_was() {
    let shop = paper().await;
    insert_many(&shop, sale_id(&shop).await, 10).await;
    let folder = Folder::new();
    let path = folder.path("orders.csv");
    let (code, out, err) = run(&shop, "orders", &["--output", &path]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, format!("run: 10 rows to {path}\n"));
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 11);

    let (code, _, err) = run(&shop, "orders", &["--output", &folder.path("none/orders.csv")]);
    assert_eq!(code, 1);
    assert!(err.contains("orders.csv cannot be written"), "{err}");
    // a currency that this version does not know ends the export in its middle
    sqlx::query(
        "UPDATE orders SET currency = 'XQQ' WHERE id = (SELECT max(id::text)::uuid FROM orders)",
    )
    .execute(&shop.app.pool)
    .await
    .unwrap();
    let before = fs::read_to_string(&path).unwrap();
    let (code, _, err) = run(&shop, "orders", &["--output", &path]);
    assert_eq!(code, 1);
    assert!(err.contains("unknown currency"), "{err}");
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    assert_eq!(folder.names(), ["orders.csv"], "nothing is left behind");
    shop.discard().await;
}

#[tokio::test]
async fn without_postgres_an_export_says_so_and_writes_nothing() {
    let mut shop = paper().await;
    for (name, value) in &mut shop.variables {
        if name == "DATABASE_URL" {
            "postgres://a:hunter2@127.0.0.1:1/shop".clone_into(value);
        }
    }
    let (code, out, err) = run(&shop, "orders", &[]);
    assert_eq!((code, out.as_str()), (69, ""));
    assert!(err.contains("DATABASE_URL") && !err.contains("hunter2"), "{err}");
    shop.discard().await;
}
