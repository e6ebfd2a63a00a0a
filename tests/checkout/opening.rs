//! Sales that are opened again in the middle of checkouts.

use std::sync::atomic::Ordering;

use stampede::{
    flows::checkout::{CheckoutError, Moment, Placed, Step},
    shop::{orders::OrderStatus, payments::sandbox::Card},
};

use super::shop::{Set, Shop, in_shop};

/// Redis is lost with all its data, and the sale opened again from paper.
async fn loses_redis(shop: Shop) {
    shop.wipe().await;
    shop.reopen().await;
}

#[tokio::test]
async fn an_opening_between_verb_and_record_makes_the_verb_run_again() {
    in_shop(Set::default(), async |shop| {
        let mut sold = 0;
        for step in [Step::Begin, Step::Settle, Step::Finish, Step::Abort] {
            let shopper = shop.shopper_with(&[("A", 1)]).await;
            let (checkout, times) = shop.meanwhile(Moment::Happened(step), loses_redis);
            let method = if step == Step::Abort { Card::Declined } else { Card::Ok };
            let placed = checkout.place(shop.purchase(shopper, "key", method)).await.unwrap();
            match placed {
                Placed::Paid(_) => sold += 1,
                Placed::Declined(_) => assert_eq!(step, Step::Abort),
                Placed::Pending(_) => panic!("{step:?}"),
            }
            assert_eq!(times.load(Ordering::SeqCst), 2, "{step:?}");
            assert_eq!(shop.units("A").await.sold, sold, "{step:?}");
        }
        assert_eq!(sold, 3);
    })
    .await;
}

#[tokio::test]
async fn an_opening_at_any_moment_changes_nothing_for_the_shopper() {
    in_shop(Set::default(), async |shop| {
        use Step::{Authorise, Begin, Capture, Finish, Settle};
        for step in [Begin, Authorise, Settle, Capture, Finish] {
            for moment in [Moment::Recorded(step), Moment::Happened(step)] {
                let shopper = shop.shopper_with(&[("A", 1), ("B", 1)]).await;
                let (checkout, _) = shop.meanwhile(moment, loses_redis);
                let placed = checkout.place(shop.purchase(shopper, "key", Card::Ok)).await;
                assert!(matches!(placed, Ok(Placed::Paid(_))), "{moment:?}: {placed:?}");
            }
        }
        assert_eq!(shop.units("A").await.sold, 10);
    })
    .await;
}

/// `protocol.md`: begin in one epoch, Redis restarts, the rebuild does not know of it, another buys
/// the unit; the first checkout must not go on and buy it too.
#[tokio::test]
async fn epoch_checked_when_an_outcome_is_recorded() {
    for step in [Step::Begin, Step::Settle] {
        in_shop(Set { total: 1, ..Set::default() }, async |shop| {
            let first = shop.shopper_with(&[("A", 1)]).await;
            let another_buys = move |shop: Shop| async move {
                // The first one's line ran out on paper before the sale was opened again.
                shop.write("UPDATE cart_lines SET quantity = 0").await;
                loses_redis(shop.clone()).await;
                let second = shop.shopper_with(&[("A", 1)]).await;
                assert!(matches!(shop.buy(second, Card::Ok).await, Ok(Placed::Paid(_))));
            };
            let (checkout, times) = shop.meanwhile(Moment::Happened(step), another_buys);
            let ended = checkout.place(shop.purchase(first, "key", Card::Ok)).await;
            assert!(
                matches!(ended, Err(CheckoutError::HoldExpired | CheckoutError::CartEmpty)),
                "{ended:?}"
            );
            assert_eq!(times.load(Ordering::SeqCst), 2);
            assert_eq!(shop.count("orders WHERE status = 'paid'").await, 1);
            assert_eq!(shop.count("sandbox_payments WHERE status = 'captured'").await, 1);
            assert_eq!(shop.units("A").await.sold, 1);
        })
        .await;
    }
}

/// `protocol.md`: the hold and its grace are over while the charge is captured, and Redis is lost.
#[tokio::test]
async fn capture_rebuilt_as_sold() {
    in_shop(Set { total: 1, ..Set::default() }, async |shop| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let dies = shop.killed_at(Moment::Happened(Step::Capture));
        let placed = dies.place(shop.purchase(shopper, "key", Card::Ok)).await;
        assert!(matches!(placed, Ok(Placed::Pending(_))), "{placed:?}");
        // Whatever paper says of the line by now, what is being charged is sold.
        shop.write("UPDATE cart_lines SET quantity = 0").await;
        loses_redis(shop.clone()).await;
        assert_eq!((shop.units("A").await.sold, shop.units("A").await.available), (1, 0));
        shop.resume().await;
        assert_eq!(shop.only_order().await.status, OrderStatus::Paid);
        assert_eq!(shop.units("A").await.sold, 1);
    })
    .await;
}

#[tokio::test]
async fn a_paid_order_is_newer_on_paper_than_any_line_it_bought() {
    in_shop(Set::default(), async |shop| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let dies = shop.killed_at(Moment::Recorded(Step::Capture));
        dies.place(shop.purchase(shopper, "key", Card::Ok)).await.unwrap();
        // The successor knows no version; the claim's line is published again under a new epoch.
        loses_redis(shop.clone()).await;
        shop.resume().await;
        assert_eq!(shop.count("cart_lines WHERE quantity > 0").await, 0);
        let epoch = shop.epoch().await;
        let newest: i64 = sqlx::query_scalar("SELECT MAX(epoch) FROM cart_lines")
            .fetch_one(&shop.pool)
            .await
            .unwrap();
        assert_eq!(newest, epoch.0);
        assert_eq!(shop.only_order().await.status, OrderStatus::Paid);
    })
    .await;
}
