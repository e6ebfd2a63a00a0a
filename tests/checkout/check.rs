//! The check at the end of every test.

use std::collections::BTreeMap;

use stampede::{kernel::ids::Sku, shop::orders};

use super::shop::Shop;

impl Shop {
    /// What must be true whatever happened: every checkout is final, every order is charged just
    /// when it is paid, and the stock is what claims and orders add up to.
    pub(super) async fn check(&self) {
        assert_eq!(self.count("checkouts WHERE step <> 'done'").await, 0, "open checkouts");
        let at_odds = "orders o LEFT JOIN sandbox_payments p ON p.key = o.id WHERE o.provider = 'sandbox' AND CASE o.status
            WHEN 'paid' THEN o.total_minor > 0 AND
                (p.status, p.amount) IS DISTINCT FROM ('captured', o.total_minor)
            WHEN 'refunded' THEN o.total_minor > 0 AND p.status <> 'captured'
            WHEN 'pending' THEN true
            ELSE p.status NOT IN ('declined', 'voided') END";
        assert_eq!(self.count(at_odds).await, 0, "orders and charges");
        let orphans = "sandbox_payments WHERE key NOT IN (SELECT id FROM orders)";
        assert_eq!(self.count(orphans).await, 0, "charges without an order");
        let Some(snapshot) = self.inventory.snapshot(&self.bucket).await.unwrap() else { return };
        let mut claimed: BTreeMap<Sku, (i64, i64)> = BTreeMap::new();
        let mut cursor = 0;
        loop {
            let epoch = self.epoch().await;
            let (next, claims) =
                self.inventory.scan_claims(&self.bucket, epoch, cursor).await.unwrap();
            for (shopper, claim) in claims {
                assert_eq!(claim.frozen, None, "{shopper}'s cart is still frozen");
                for (sku, held, sold) in claim.units() {
                    let sums = claimed.entry(sku.clone()).or_default();
                    *sums = (sums.0 + held, sums.1 + sold);
                }
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        let paid = orders::rebuild::paid_units(&self.pool, self.sale.id).await.unwrap();
        for (sku, units) in &snapshot.units {
            let (held, sold) = claimed.get(sku).copied().unwrap_or_default();
            assert_eq!(units.total, units.available + units.held + units.sold, "{sku}");
            assert_eq!(units.sold, sold, "{sku} sold and claimed");
            assert_eq!(paid.get(sku.as_str()).copied().unwrap_or_default(), sold, "{sku} paid");
            if snapshot.returns == 0 {
                assert_eq!(units.held, held, "{sku} held");
            }
        }
    }
}
