//! The page that `stampede report` writes.

use super::browser::{Browser, Kind};
use crate::numbers::{Folder, at, insert_many, paper, sale_id, stampede};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_is_read_on_a_phone_and_at_a_desk_and_by_ear() {
    let shop = paper().await;
    let sale = sale_id(&shop).await;
    insert_many(&shop, sale, 2000).await;
    sqlx::query(
        "INSERT INTO stock_sums
         SELECT $1, 0, sku, 1, $2::timestamptz + m * interval '1 minute', m, m * 9, m * 10, m * 3,
             m, m * 40
         FROM skus, generate_series(0, 400, 7) m WHERE sale_id = $1",
    )
    .bind(sale.0)
    .bind(at(0))
    .execute(&shop.app.pool)
    .await
    .unwrap();
    let folder = Folder::new();
    let path = folder.path("report.html");
    let (code, _, err) = stampede(&shop, &["report", "run", "--html", &path]);
    assert_eq!((code, err.as_str()), (0, ""));

    let browser = Browser::open("file://", Kind::Desk).await;
    browser.goto(&path).await;
    assert_eq!(browser.text("h1").await, "Night Run");
    browser.looks("report").await;
    let open = "document.querySelectorAll('details').forEach(each => each.open = true)";
    browser.driver.execute(open, Vec::new()).await.unwrap();
    browser.looks("report-tables").await;
    let told = "return [...document.querySelectorAll('svg[role=img] > title')]
        .map(title => title.textContent)";
    let told = browser.driver.execute(told, Vec::new()).await.unwrap();
    let told: Vec<&str> = told.as_array().unwrap().iter().filter_map(|t| t.as_str()).collect();
    assert!(told.iter().any(|chart| chart.starts_with("Orders paid by ")), "{told:?}");
    assert!(told.iter().any(|chart| chart.contains("2,000 in all")), "{told:?}");
    browser.close().await;
    shop.discard().await;
}
