//! `stampede report` as it is typed.

use std::fs;

use super::{Folder, Order, at, insert_many, paper, sale_id, stampede};
use crate::harness::{Plan, SALE, Shop, until};

/// The numbers of a line that begins with `name`.
fn line<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find(|line| line.trim_start().starts_with(name));
    line.unwrap_or_else(|| panic!("no line {name:?} in\n{text}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_is_told_from_the_first_tap_to_the_last_order() {
    let shop = Shop::open().await;
    for (nth, method) in ["card_ok", "card_ok", "card_declined"].into_iter().enumerate() {
        let shopper = shop.shopper().await;
        assert!(shopper.put("CAP", 2).await.status.is_success());
        assert!(shopper.put("CAP", 3).await.status.is_success());
        shopper.checkout(&format!("key-{nth}"), method).await;
        if nth == 2 {
            assert!(shopper.delete("CAP").await.status.is_success());
        }
    }
    let last = shop.shopper().await;
    assert!(last.put("RUN1-43", 1).await.status.is_success());
    let report = async || {
        let slug = "run".parse().unwrap();
        let now = shop.app.clock.now();
        shop.app.statistics.report(&slug, now).await.unwrap().unwrap()
    };
    until("everything is flushed", async || {
        let stock = report().await.stock;
        (stock.lines, stock.taken, stock.given) == (7, 10, 3)
    })
    .await;

    let folder = Folder::new();
    let path = folder.path("report.html");
    let (code, out, err) = stampede(&shop, &["report", "run", "--html", &path]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("The sale is not over"), "{out}");
    for (name, numbers) in [
        ("taken into carts", "10 units"),
        ("taken into carts", "7 lines"),
        ("paid", "6 units"),
        ("paid", "60.0 % of taken"),
        ("given back otherwise", "3 units"),
        ("orders paid", "2"),
        ("orders declined", "1"),
        ("revenue", "€117.00"),
        ("kept", "€117.00"),
    ] {
        assert!(line(&out, name).contains(numbers), "{name}: {out}");
    }
    assert!(line(&out, "RUN1-43").contains("after "), "{out}");
    assert!(line(&out, "CAP").ends_with('–'), "{out}");

    let page = fs::read_to_string(&path).unwrap();
    assert!(page.contains("<svg") && page.contains("€117.00") && page.contains("Night Run"));
    for foreign in ["<script", "http://", "https://", "url(", "@import", "src="] {
        assert!(!page.contains(foreign), "the page needs nothing but itself: {foreign}");
    }
    shop.close().await;
}

#[tokio::test]
async fn refunds_and_reasons_are_told() {
    let shop = paper().await;
    let sale = sale_id(&shop).await;
    let mut conn = shop.app.pool.acquire().await.unwrap();
    let back = Order::new("refunded", at(1), 2);
    for order in [&back, &Order::new("paid", at(70), 1), &Order::new("declined", at(80), 1)] {
        order.insert(&mut conn, sale).await;
    }
    sqlx::query(
        "INSERT INTO refunds (id, order_id, amount_minor, lines, step, created_at, refunded_at,
             attempt, lease_until)
         SELECT gen_random_uuid(), $1, amount, '{}', step, $2, refunded, 1, $2
         FROM (VALUES (3900, 'done', $2::timestamptz), (1, 'refund', NULL), (1, 'failed', NULL))
             AS r (amount, step, refunded)",
    )
    .bind(back.id.0)
    .bind(at(130))
    .execute(&mut *conn)
    .await
    .unwrap();
    sqlx::query("UPDATE orders SET refunded_minor = 3900 WHERE id = $1")
        .bind(back.id.0)
        .execute(&mut *conn)
        .await
        .unwrap();
    let (code, out, _) = stampede(&shop, &["report", "run"]);
    assert_eq!(code, 0);
    assert!(line(&out, "revenue").contains("€58.50"), "{out}");
    let refunded = line(&out, "refunded");
    assert!(refunded.contains("€39.00") && refunded.contains("1 refund, 1 under way, 1 refused"));
    assert!(line(&out, "kept").contains("€19.50"), "{out}");
    assert!(out.contains("payment_declined 1"), "{out}");
    for minute in ["10:00", "10:01"] {
        line(&out, minute);
    }
    drop(conn);
    shop.discard().await;
}

#[tokio::test]
async fn a_sale_that_never_opened_has_a_report_and_an_unknown_one_an_error() {
    let shop = Plan { web: false, ..Plan::default().roles(&[]) }.start().await;
    shop.import(&SALE.replace("starts_at = \"+0s\"", "starts_at = \"+1d\"")).await;
    let folder = Folder::new();
    let path = folder.path("report.html");
    let (code, out, err) = stampede(&shop, &["report", "run", "--html", &path]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("The sale has not begun."), "{out}");
    assert!(out.contains("Nothing was taken and nothing was ordered."), "{out}");
    assert!(fs::read_to_string(&path).unwrap().contains("Nothing was taken"));
    let (code, out, err) = stampede(&shop, &["report", "rum"]);
    assert_eq!((code, out.as_str(), err.as_str()), (1, "", "error: there is no sale `rum`\n"));
    shop.discard().await;
}

#[tokio::test]
async fn a_page_that_cannot_be_written_is_an_error_and_an_old_one_stays() {
    let shop = paper().await;
    let folder = Folder::new();
    let (code, out, err) =
        stampede(&shop, &["report", "run", "--html", &folder.path("none/x.html")]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("x.html cannot be written"), "{err}");
    let path = folder.path("old.html");
    fs::write(&path, "old").unwrap();
    let (code, ..) = stampede(&shop, &["report", "rum", "--html", &path]);
    assert_eq!((code, fs::read_to_string(&path).unwrap().as_str()), (1, "old"));
    assert_eq!(folder.names(), ["old.html"]);
    shop.discard().await;
}

#[tokio::test]
async fn names_cannot_break_out_of_the_page_or_the_terminal() {
    let shop = Plan { web: false, ..Plan::default().roles(&[]) }.start().await;
    let sale = SALE
        .replace("\"Night Run\"", "'</title><script>alert(1)</script>\"=1+1'")
        .replace("\"One size\"", "\"<img src=x onerror=alert(1)>\"");
    shop.import(&sale).await;
    insert_many(&shop, sale_id(&shop).await, 3).await;
    sqlx::query("UPDATE products SET title = E'Cap\\x1b[31m\\n\"<b>' WHERE slug = 'cap'")
        .execute(&shop.app.pool)
        .await
        .unwrap();
    let folder = Folder::new();
    let path = folder.path("report.html");
    let (code, out, _) = stampede(&shop, &["report", "run", "--html", &path]);
    assert_eq!(code, 0);
    assert!(!out.contains('\u{1b}'), "{out:?}");
    assert!(line(&out, "CAP").contains("€58.50"), "{out}");
    let page = fs::read_to_string(&path).unwrap();
    for raw in ["<script", "<img", "<b>"] {
        assert!(!page.contains(raw), "{raw}");
    }
    assert!(page.contains("alert(1)") && page.contains("=1+1"));
    shop.discard().await;
}
