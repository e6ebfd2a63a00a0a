//! Totals and terms that change while a keeper opens, or while somebody dies, step by step.

use stampede::{
    flows::{
        opening::{Step, Tended},
        sale_terms::{InRedis, Reconciled, SaleTerms, SaleTermsError, file},
    },
    shop::{
        inventory::{Inventory, Terms, TermsOutcome},
        sales,
    },
};

use super::stage::{FILE, GRACE, PAIR, Rule, Stage, nothing};

impl Stage {
    fn terms_over(&self, inventory: &Inventory) -> SaleTerms {
        let (app, inventory) = (&self.app, inventory.clone());
        SaleTerms::new(app.pool.clone(), inventory, app.sales.clone(), app.clock.clone(), GRACE)
    }

    fn terms(&self) -> SaleTerms {
        self.terms_over(&self.inventory)
    }

    /// Imports the sale with `pairs` of the scarce SKU.
    async fn import(&self, terms: &SaleTerms, pairs: u8) -> Result<InRedis, SaleTermsError> {
        let text = FILE.replace("stock = 1\n", &format!("stock = {pairs}\n"));
        let file = file::SaleFile::parse(&text, &mut |name| panic!("no picture {name}")).unwrap();
        terms.import(&file, false).await.map(|imported| imported.in_redis)
    }

    async fn total_on_paper(&self) -> i64 {
        self.number("SELECT total FROM skus WHERE sku = 'PAIR'").await
    }
}

/// A keeper reads total 2, an import lowers in the old epoch and commits 1, the keeper swaps 2 in.
#[tokio::test]
async fn epoch_in_a_lower() {
    for rule in Rule::BOTH {
        let stage = Stage::open().await;
        let [a, b] = stage.shoppers();
        stage.import(&stage.terms(), 2).await.unwrap();
        // a keeper has died, so that the sale is open still while the next one builds
        let old = stage.open_epoch().await;
        sales::store::next_epoch(&stage.app.pool, stage.kept.sale, 0, stage.app.clock.now())
            .await
            .unwrap();
        let keeper = stage.keeper(move |stage, step| async move {
            if step == Step::Swap {
                let present = stage.epoch().await;
                if rule.is_left_out() {
                    stage.pretend_epoch(old).await;
                }
                let lowered = stage.import(&stage.terms(), 1).await;
                stage.pretend_epoch(present).await;
                assert_eq!(lowered.is_ok(), rule.is_left_out(), "{lowered:?}");
            }
            Ok(())
        });
        assert!(matches!(stage.tend(&keeper).await, Ok(Tended::Opened { .. })));
        stage.put(a, PAIR, 1).await.unwrap();
        stage.put(b, PAIR, 1).await.unwrap();
        let held = stage.units(PAIR).await.held;
        assert_eq!(
            (held, stage.total_on_paper().await),
            (2, if rule.is_left_out() { 1 } else { 2 })
        );
        stage.end(rule).await;
    }
}

/// An import dies between lower and commit: Redis keeps 1, Postgres 2, and nobody notices.
#[tokio::test]
async fn two_revisions_one_of_them_for_the_lower() {
    for rule in Rule::BOTH {
        let stage = Stage::open().await;
        stage.import(&stage.terms(), 2).await.unwrap();
        let inventory = if rule.is_left_out() {
            let own = "redis.call('HSET', STOCK, 'rev', ARGV[2])";
            stage.inventory_without("set_totals", own, "")
        } else {
            stage.inventory.clone()
        };
        let revision = sales::store::next_revision(&stage.app.pool).await.unwrap();
        let total = [(PAIR.parse().unwrap(), 1.try_into().unwrap())];
        let epoch = stage.epoch().await;
        inventory.lower_totals(&stage.bucket, epoch, revision, &total).await.unwrap();
        assert_eq!((stage.units(PAIR).await.total, stage.total_on_paper().await), (1, 2));

        // the keeper's next look
        let Ok(Tended::Open(found)) = stage.tend(&stage.keeper(nothing)).await else {
            panic!("the sale is not open");
        };
        let reconciled = stage.terms().reconcile(&stage.kept.slug, found).await.unwrap();
        if rule.is_left_out() {
            assert_eq!(reconciled, Reconciled::Same);
            assert_eq!(stage.units(PAIR).await.total, 1);
        } else {
            assert!(matches!(reconciled, Reconciled::Mended(_)), "{reconciled:?}");
            assert_eq!(stage.units(PAIR).await.total, 2);
        }
        stage.end(rule).await;
    }
}

/// A late set undoes a newer one.
#[tokio::test]
async fn two_revisions_from_a_sequence() {
    for rule in Rule::BOTH {
        let stage = Stage::open().await;
        let (epoch, [a, b]) = (stage.epoch().await, stage.shoppers());
        stage.import(&stage.terms(), 2).await.unwrap();
        // this one's set is on its way, and does not arrive before the next import lowers again
        let late = sales::store::next_revision(&stage.app.pool).await.unwrap();
        let two = stage.terms_of_now().await;
        stage.import(&stage.terms(), 1).await.unwrap();
        let inventory = if rule.is_left_out() {
            stage.inventory_without("set_terms", "tonumber(ARGV[2]) <= terms.rev", "false")
        } else {
            stage.inventory.clone()
        };
        let arrives = inventory.set_terms(&stage.bucket, epoch, late, &two).await.unwrap();
        stage.put(a, PAIR, 1).await.unwrap();
        let told = stage.put(b, PAIR, 1).await;
        if rule.is_left_out() {
            assert_eq!(arrives, TermsOutcome::Done);
            told.unwrap();
            assert_eq!((stage.units(PAIR).await.held, stage.total_on_paper().await), (2, 1));
        } else {
            assert_eq!(arrives, TermsOutcome::Stale);
            told.unwrap_err();
        }
        stage.end(rule).await;
    }
}

impl Stage {
    /// The terms as Redis has them, to be said again later.
    async fn terms_of_now(&self) -> Terms {
        use stampede::{kernel::quantity::Quantity, shop::inventory::SkuTerms};
        let snapshot = self.inventory.snapshot(&self.bucket).await.unwrap().unwrap();
        let skus = snapshot.units.iter().map(|(sku, units)| SkuTerms {
            sku: sku.clone(),
            product: "runner".parse().unwrap(),
            product_limit: Quantity::ZERO,
            total: units.total.try_into().unwrap(),
        });
        Terms {
            paused: self.sale.paused,
            starts_at: self.sale.starts_at,
            ends_at: self.sale.ends_at,
            hold: self.sale.hold,
            grace: GRACE,
            limit: self.sale.limit_per_shopper,
            skus: skus.collect(),
        }
    }
}
