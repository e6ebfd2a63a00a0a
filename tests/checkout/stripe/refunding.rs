//! Money that goes back.

use std::{collections::BTreeMap, time::Duration};

use stampede::{
    flows::refunding::{RefundError, Refunding, What, Wish},
    kernel::{
        clock::Clock,
        ids::{Ids, OrderId},
    },
    shop::{
        orders::OrderStatus,
        refunds::{Refund, Step},
    },
};

use super::{Trouble, paid, pending, with_stripe};
use crate::checkout::shop::Shop;

impl Shop {
    fn refunding(&self) -> Refunding {
        Refunding::new(
            self.pool.clone(),
            self.inventory.clone(),
            self.payments.clone(),
            (Clock::system(), Ids::random()),
            Duration::from_secs(10),
        )
    }

    async fn give_back(
        &self,
        order: OrderId,
        units: &[(&str, i64)],
        restock: bool,
    ) -> Result<Refund, RefundError> {
        let units: BTreeMap<_, _> =
            units.iter().map(|(sku, n)| (sku.parse().unwrap(), (*n).try_into().unwrap())).collect();
        let what = if units.is_empty() { What::Rest } else { What::Units(units) };
        self.refunding().refund(&Wish { order, what, restock, reason: None }).await
    }

    async fn refunds_end(&self) {
        for _ in 0..10 {
            self.write("UPDATE refunds SET lease_until = clock_timestamp() - interval '1 s'").await;
            if self.refunding().resume_due(16).await.unwrap() == 0 {
                return;
            }
        }
        panic!("a refund does not end");
    }
}

#[tokio::test]
async fn lines_go_back_on_sale_unless_they_are_damaged() {
    with_stripe(async |shop, server| {
        let shopper = shop.shopper_with(&[("A", 2), ("B", 2)]).await;
        let order = paid(shop.pay(shopper, "pm_card_visa").await).id;
        let before = shop.units("A").await;

        let refund = shop.give_back(order, &[("A", 1)], true).await.unwrap();
        assert_eq!((refund.step, refund.amount), (Step::Done, 1_000));
        let after = shop.units("A").await;
        assert_eq!((after.sold, after.available), (before.sold - 1, before.available + 1));

        let damaged = shop.give_back(order, &[("B", 2)], false).await.unwrap();
        assert_eq!((damaged.step, damaged.amount), (Step::Done, 500));
        assert_eq!(shop.units("B").await.sold, 2);

        let partly = shop.order(order).await;
        assert_eq!((partly.status, partly.refunded.amount), (OrderStatus::Paid, 1_500));

        // an opening knows what is on sale again, and what is not
        shop.wipe().await;
        shop.reopen().await;
        assert_eq!((shop.units("A").await.sold, shop.units("B").await.sold), (1, 2));

        let rest = shop.give_back(order, &[], true).await.unwrap();
        assert_eq!((rest.step, rest.amount), (Step::Done, 1_000));
        assert_eq!(shop.order(order).await.status, OrderStatus::Refunded);
        assert_eq!(shop.units("A").await.sold, 0);
        assert_eq!(server.refunded(), 2_500);
        assert_eq!(shop.count("outbox WHERE routing_key = 'order.refunded.v1'").await, 3);
    })
    .await;
}

#[tokio::test]
async fn never_more_goes_back_than_was_paid_however_many_ask_at_once() {
    with_stripe(async |shop, server| {
        let shopper = shop.shopper_with(&[("A", 2)]).await;
        let order = paid(shop.pay(shopper, "pm_card_visa").await).id;
        let too_many = shop.give_back(order, &[("A", 3)], true).await;
        assert!(matches!(too_many, Err(RefundError::TooMany { left: 2, .. })), "{too_many:?}");
        let strange = shop.give_back(order, &[("B", 1)], true).await;
        assert!(matches!(strange, Err(RefundError::NotOrdered(_))), "{strange:?}");
        let nothing = shop.give_back(order, &[("A", 0)], true).await;
        assert!(matches!(nothing, Err(RefundError::NothingLeft)), "{nothing:?}");

        let asked = (0..6).map(|_| shop.give_back(order, &[("A", 1)], true));
        let answers = futures_util::future::join_all(asked).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 2, "{answers:?}");
        shop.refunds_end().await;
        assert_eq!(server.refunded(), 2_000);
        assert_eq!(shop.order(order).await.status, OrderStatus::Refunded);
        let again = shop.give_back(order, &[], true).await;
        assert!(matches!(again, Err(RefundError::NothingLeft)), "{again:?}");
        assert_eq!(shop.units("A").await.sold, 0);
    })
    .await;
}

#[tokio::test]
async fn what_was_not_paid_is_not_given_back() {
    with_stripe(async |shop, _| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let order = pending(shop.pay(shopper, "pm_bank").await).id;
        let refused = shop.give_back(order, &[], true).await;
        assert!(matches!(refused, Err(RefundError::NotPaid(OrderStatus::Pending))), "{refused:?}");
        shop.checkout().cancel(order).await.unwrap();
        shop.resume().await;
        let refused = shop.give_back(order, &[], true).await;
        assert!(matches!(refused, Err(RefundError::NotPaid(OrderStatus::Cancelled))));
        let unknown = shop.give_back(Ids::random().order(), &[], true).await;
        assert!(matches!(unknown, Err(RefundError::NotFound)));
    })
    .await;
}

#[tokio::test]
async fn a_refund_whose_answer_is_lost_is_given_back_once() {
    with_stripe(async |shop, server| {
        let mut given = 0;
        for trouble in [
            Trouble::Silence,
            Trouble::Lost,
            Trouble::HalfBody,
            Trouble::Html,
            Trouble::Status(500),
            Trouble::Status(429),
        ] {
            let shopper = shop.shopper_with(&[("A", 1)]).await;
            let order = paid(shop.pay(shopper, "pm_card_visa").await).id;
            // the first request looks whether the refund is known
            server.trouble("refunds", trouble);
            let first = shop.give_back(order, &[], true).await.unwrap();
            assert_eq!(first.step, Step::Refund, "{trouble:?}");
            shop.refunds_end().await;
            let shopper = shop.shopper_with(&[("A", 1)]).await;
            let order = paid(shop.pay(shopper, "pm_card_visa").await).id;
            server.trouble("payment_intents/none", trouble);
            shop.give_back(order, &[], true).await.unwrap();
            shop.refunds_end().await;
            given += 2;
            assert_eq!(server.refunded(), given * 1_000, "{trouble:?}");
        }
        assert_eq!(shop.count("orders WHERE status = 'refunded'").await, given);
        assert_eq!(shop.units("A").await.sold, 0);
    })
    .await;
}

/// The checkout is paid on record and not finished in the stock when the money goes back.
#[tokio::test]
async fn a_refund_before_the_checkout_has_finished_waits_for_it() {
    with_stripe(async |shop, _| {
        use stampede::flows::checkout::{Moment, Purchase, Step as Checkout};
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let card = stampede::shop::payments::sandbox::Card::Ok;
        let method = "pm_card_visa".parse().unwrap();
        let purchase = Purchase { method, ..shop.purchase(shopper, "key", card) };
        let dies = shop.killed_at(Moment::Recorded(Checkout::Finish));
        let order = paid(dies.place(purchase).await).id;
        let refund = shop.give_back(order, &[], true).await.unwrap();
        assert_eq!(refund.step, Step::Restock);
        assert_eq!(shop.units("A").await.sold, 1);
        shop.resume().await;
        shop.refunds_end().await;
        assert_eq!(shop.units("A").await.sold, 0);
    })
    .await;
}

/// Redis is lost between paper and shelf, and with it what it was told.
#[tokio::test]
async fn units_that_paper_says_are_back_are_on_sale_after_any_loss() {
    with_stripe(async |shop, _| {
        let shopper = shop.shopper_with(&[("A", 2)]).await;
        let order = paid(shop.pay(shopper, "pm_card_visa").await).id;
        shop.wipe().await;
        let refund = shop.give_back(order, &[("A", 1)], true).await.unwrap();
        assert_eq!(refund.step, Step::Restock, "the stock is closed");
        shop.reopen().await;
        shop.refunds_end().await;
        assert_eq!((shop.units("A").await.sold, shop.units("A").await.available), (1, 99));
        // told again, whenever
        shop.write("UPDATE refunds SET step = 'restock'").await;
        shop.refunds_end().await;
        assert_eq!(shop.units("A").await.sold, 1);
    })
    .await;
}

/// A refund that somebody made in the provider's dashboard is found.
#[tokio::test]
async fn a_refund_past_the_shop_is_a_difference() {
    with_stripe(async |shop, server| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let order = paid(shop.pay(shopper, "pm_card_visa").await).id;
        server.refund_past_the_shop(400);
        let found = shop.differences().await;
        assert_eq!(
            found.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>(),
            ["refunds_differ"]
        );
        // the whole is more than is left with the provider: refused, and nothing is booked
        let refused = shop.give_back(order, &[], true).await.unwrap();
        assert_eq!(refused.step, Step::Failed);
        assert_eq!(shop.order(order).await.status, OrderStatus::Paid);
        shop.write("UPDATE orders SET refunded_minor = 400").await;
    })
    .await;
}
