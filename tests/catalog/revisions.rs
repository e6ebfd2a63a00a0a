//! The order of steps of a change, one at a time: who dies or comes between, and what is left.

use std::time::Duration;

use sqlx::{Postgres, Transaction};
use stampede::{
    flows::sale_terms::{InRedis, Outcome, Reconciled, SaleTermsError},
    kernel::version::{Epoch, Revision},
    shop::{inventory::TermsOutcome, sales},
};

use super::support::{FILE, OPEN, Shop, bucket, parse, sku, slug};

const LOWER: (&str, &str) = ("stock = 10", "stock = 4");

async fn running() -> (Shop, Epoch) {
    let shop = Shop::new().await;
    shop.import(FILE).await.unwrap();
    shop.set_now(OPEN).await;
    let epoch = shop.open().await;
    (shop, epoch)
}

impl Shop {
    /// What an import does first, and then dies.
    async fn lower_and_die(&self, epoch: Epoch) {
        let revision = self.revision().await;
        let total = [(sku("RUN1-42"), 4.try_into().unwrap())];
        let done = self.inventory.lower_totals(&bucket(), epoch, revision, &total).await.unwrap();
        assert_eq!(done, TermsOutcome::Done);
    }

    /// Holds the row of the epoch, so that a commit has to wait.
    async fn hold_epoch(&self) -> Transaction<'static, Postgres> {
        let mut tx = self.pool.begin().await.unwrap();
        sqlx::query("SELECT epoch FROM openings FOR UPDATE").execute(&mut *tx).await.unwrap();
        tx
    }

    /// Starts an import that lowers, and waits until it has done so in Redis.
    async fn lower_in_redis(
        &self,
    ) -> tokio::task::JoinHandle<Result<stampede::flows::sale_terms::Imported, SaleTermsError>>
    {
        let terms = self.terms.clone();
        let file = parse(&FILE.replace(LOWER.0, LOWER.1)).unwrap();
        let import = tokio::spawn(async move { terms.import(&file, false).await });
        for _ in 0..1_000 {
            if self.snapshot().await.units[&sku("RUN1-42")].total == 4 {
                return import;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("nothing was lowered in Redis");
    }
}

#[tokio::test]
async fn two_revisions_from_a_sequence_a_lower_that_died_before_its_commit_is_mended() {
    let (shop, epoch) = running().await;
    shop.lower_and_die(epoch).await;
    let in_redis = shop.snapshot().await.revision;
    let reconciled = shop.terms.reconcile(&slug(), in_redis).await.unwrap();
    assert!(matches!(reconciled, Reconciled::Mended(revision) if revision > in_redis));
    assert_eq!(shop.snapshot().await.units[&sku("RUN1-42")].total, 10);
    shop.assert_agreed().await;
    let in_redis = shop.snapshot().await.revision;
    assert_eq!(shop.terms.reconcile(&slug(), in_redis).await.unwrap(), Reconciled::Same);
    shop.close().await;
}

#[tokio::test]
async fn an_import_after_one_that_died_lowers_again() {
    let (shop, epoch) = running().await;
    shop.lower_and_die(epoch).await;
    let text = FILE.replace("stock = 10", "stock = 3");
    assert_eq!(shop.import(&text).await.unwrap().in_redis, InRedis::Set);
    shop.assert_agreed().await;
    shop.close().await;
}

#[tokio::test]
async fn a_commit_that_died_before_redis_was_set_is_mended() {
    let (shop, _) = running().await;
    let raise = parse(&FILE.replace("stock = 10", "stock = 12")).unwrap();
    let imported = shop.without_redis().import(&raise, false).await.unwrap();
    let in_redis = shop.snapshot().await.revision;
    assert!(in_redis < imported.revision);
    shop.terms.reconcile(&slug(), in_redis).await.unwrap();
    shop.assert_agreed().await;
    shop.close().await;
}

#[tokio::test]
async fn a_late_set_does_not_undo_a_newer_one() {
    let (shop, epoch) = running().await;
    let late = shop.revision().await;
    shop.import(&FILE.replace("stock = 10", "stock = 12")).await.unwrap();
    let total = [(sku("RUN1-42"), 1.try_into().unwrap())];
    let outcome = shop.inventory.lower_totals(&bucket(), epoch, late, &total).await.unwrap();
    assert_eq!(outcome, TermsOutcome::Stale);
    shop.assert_agreed().await;
    shop.close().await;
}

#[tokio::test]
async fn epoch_in_a_lower_an_opening_in_between_refuses_the_commit() {
    let (shop, epoch) = running().await;
    let mut tx = shop.hold_epoch().await;
    let import = shop.lower_in_redis().await;
    // a keeper takes the next epoch, and reads total 10 for its build
    let sale = shop.sale().await;
    let next = sales::store::next_epoch(&mut *tx, sale.id, 0, shop.now()).await.unwrap();
    assert!(next > epoch);
    tx.commit().await.unwrap();
    let error = import.await.unwrap().unwrap_err();
    assert!(matches!(error, SaleTermsError::StockAway(_)), "{error}");
    assert_eq!(shop.total("RUN1-42").await, Some(10));
    shop.build(next).await;
    shop.assert_agreed().await;
    shop.close().await;
}

#[tokio::test]
async fn an_import_goes_on_under_the_new_epoch_once_that_is_open() {
    let (shop, _) = running().await;
    let mut tx = shop.hold_epoch().await;
    let import = shop.lower_in_redis().await;
    let sale = shop.sale().await;
    let next = sales::store::next_epoch(&mut *tx, sale.id, 0, shop.now()).await.unwrap();
    // opened before the import can look again
    shop.build(next).await;
    tx.commit().await.unwrap();
    assert_eq!(import.await.unwrap().unwrap().outcome, Outcome::Changed);
    assert_eq!(shop.total("RUN1-42").await, Some(4));
    shop.assert_agreed().await;
    shop.close().await;
}

#[tokio::test]
async fn a_change_that_came_between_is_not_lost() {
    let (shop, _) = running().await;
    let mut tx = shop.pool.begin().await.unwrap();
    let sale = shop.sale().await;
    sales::store::revision_for_update(&mut *tx, sale.id).await.unwrap();
    let import = shop.lower_in_redis().await;
    let revision = sales::store::next_revision(&mut *tx).await.unwrap();
    sales::store::set_switch(&mut *tx, sale.id, true, revision).await.unwrap();
    tx.commit().await.unwrap();
    let imported = import.await.unwrap().unwrap();
    assert!(imported.revision > revision);
    assert!(shop.sale().await.paused);
    shop.assert_agreed().await;
    shop.close().await;
}

#[tokio::test]
async fn a_sale_that_opens_for_the_first_time_meanwhile_is_lowered_in_redis_too() {
    let shop = Shop::new().await;
    shop.import(FILE).await.unwrap();
    let mut tx = shop.hold_epoch().await;
    let terms = shop.terms.clone();
    let file = parse(&FILE.replace(LOWER.0, LOWER.1)).unwrap();
    let import = tokio::spawn(async move { terms.import(&file, false).await });
    shop.wait_for_a_lock().await;
    let sale = shop.sale().await;
    let next = sales::store::next_epoch(&mut *tx, sale.id, 0, shop.now()).await.unwrap();
    shop.build(next).await;
    tx.commit().await.unwrap();
    assert_eq!(import.await.unwrap().unwrap().in_redis, InRedis::Set);
    assert_eq!(shop.total("RUN1-42").await, Some(4));
    shop.assert_agreed().await;
    shop.close().await;
}

#[tokio::test]
async fn many_imports_at_once_leave_one_of_them_in_both_places() {
    let (shop, _) = running().await;
    let files: Vec<_> = [3, 14, 7, 11]
        .map(|stock| parse(&FILE.replace("stock = 10", &format!("stock = {stock}"))).unwrap())
        .into();
    let all = files.iter().map(|file| shop.terms.import(file, false));
    let outcomes = futures_util::future::join_all(all).await;
    assert!(outcomes.iter().any(Result::is_ok));
    let in_redis = shop.snapshot().await.revision;
    shop.terms.reconcile(&slug(), in_redis).await.unwrap();
    shop.assert_agreed().await;
    assert!([3, 14, 7, 11].contains(&shop.total("RUN1-42").await.unwrap()));
    shop.close().await;
}

#[tokio::test]
async fn nothing_is_mended_that_was_never_opened_or_is_being_opened() {
    let shop = Shop::new().await;
    shop.import(FILE).await.unwrap();
    let never = shop.terms.reconcile(&slug(), Revision(0)).await.unwrap();
    assert_eq!(never, Reconciled::Same);
    let sale = shop.sale().await;
    sales::store::next_epoch(&shop.pool, sale.id, 0, shop.now()).await.unwrap();
    let closed = shop.terms.reconcile(&slug(), Revision(0)).await.unwrap();
    assert!(matches!(closed, Reconciled::Later(_)), "{closed:?}");
    shop.close().await;
}

impl Shop {
    /// Waits until somebody waits for a lock in this database.
    async fn wait_for_a_lock(&self) {
        let waiting = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
             OR l.database IS NULL WHERE NOT l.granted AND d.datname = current_database()";
        for _ in 0..1_000 {
            let count: i64 = sqlx::query_scalar(waiting).fetch_one(&self.pool).await.unwrap();
            if count > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("nobody waits");
    }
}
