//! Owners that are killed: before a step's effect, and between the effect and its record.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use stampede::{
    flows::checkout::{CheckoutError, Moment, Placed, Step},
    shop::{inventory::CartState, orders::OrderStatus, payments::sandbox::Card},
};

use super::shop::{Set, Shop, in_shop};

fn around(step: Step) -> [Moment; 2] {
    [Moment::Recorded(step), Moment::Happened(step)]
}

/// Kills the first owner around each of `steps`, with and without the loss of Redis, and lets
/// another one go on; gives the orders' statuses.
async fn kill_around(shop: &Shop, steps: &[Step], method: Card) -> Vec<OrderStatus> {
    let mut statuses = Vec::new();
    for moment in steps.iter().flat_map(|step| around(*step)) {
        for redis_is_lost in [false, true] {
            let shopper = shop.shopper_with(&[("A", 1), ("B", 2)]).await;
            let purchase = shop.purchase(shopper, "key", method);
            let placed = shop.killed_at(moment).place(purchase.clone()).await;
            if redis_is_lost {
                shop.wipe().await;
                shop.reopen().await;
            }
            shop.resume().await;
            let repeated = shop.checkout().place(purchase).await;
            match &repeated {
                Ok(Placed::Paid(order)) => {
                    // Whoever was killed after the order was paid has said so.
                    let paid_before = matches!(
                        moment,
                        Moment::Recorded(Step::Finish) | Moment::Happened(Step::Finish)
                    );
                    assert_eq!(matches!(placed, Ok(Placed::Paid(_))), paid_before, "{moment:?}");
                    assert!(shop.cart(shopper).await.lines.is_empty(), "{moment:?}");
                    statuses.push(order.status);
                }
                Ok(Placed::Declined(order)) => {
                    assert_eq!(shop.cart(shopper).await.lines.len(), 2, "{moment:?}");
                    statuses.push(order.status);
                }
                other => panic!("{moment:?}: {other:?}"),
            }
        }
    }
    statuses
}

#[tokio::test]
async fn a_purchase_is_paid_whichever_step_its_owner_dies_at() {
    in_shop(Set::default(), async |shop| {
        use Step::{Authorise, Begin, Capture, Finish, Settle};
        let steps = [Begin, Authorise, Settle, Capture, Finish];
        let statuses = kill_around(&shop, &steps, Card::Ok).await;
        assert_eq!(statuses, [OrderStatus::Paid; 20]);
        assert_eq!((shop.units("A").await.sold, shop.units("B").await.sold), (20, 40));
        assert_eq!(shop.count("cart_lines WHERE quantity > 0").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_declined_purchase_is_undone_whichever_step_its_owner_dies_at() {
    in_shop(Set::default(), async |shop| {
        let steps = [Step::Authorise, Step::Abort];
        let statuses = kill_around(&shop, &steps, Card::Declined).await;
        assert_eq!(statuses, [OrderStatus::Declined; 8]);
        assert_eq!((shop.units("A").await.sold, shop.units("A").await.held), (0, 8));
    })
    .await;
}

#[tokio::test]
async fn an_expired_purchase_is_voided_whichever_step_its_owner_dies_at() {
    let (hold, grace) = (Duration::from_millis(1_500), Duration::from_millis(100));
    in_shop(Set { hold, grace, ..Set::default() }, async |shop| {
        for (n, moment) in
            [Step::Settle, Step::Void, Step::Abort].into_iter().flat_map(around).enumerate()
        {
            let shopper = shop.shopper_with(&[("A", 1)]).await;
            let late = Arc::new(move |now: Moment| {
                async move {
                    if now == Moment::Recorded(Step::Settle) {
                        tokio::time::sleep(hold + grace).await;
                    }
                    now != moment
                }
                .boxed()
            });
            let checkout = shop.checkout().with_schedule(late);
            let purchase = || shop.purchase(shopper, "key", Card::Ok);
            assert!(matches!(checkout.place(purchase()).await, Ok(Placed::Pending(_))));
            shop.resume().await;
            let ended = shop.checkout().place(purchase()).await;
            assert!(matches!(ended, Err(CheckoutError::HoldExpired)), "{moment:?}: {ended:?}");
            let voided = i64::try_from(n).unwrap() + 1;
            assert_eq!(shop.count("sandbox_payments WHERE status = 'voided'").await, voided);
        }
        assert_eq!(shop.units("A").await.sold, 0);
    })
    .await;
}

#[tokio::test]
async fn every_step_may_be_repeated_and_done_by_somebody_else() {
    in_shop(Set::default(), async |shop| {
        for (method, status) in
            [(Card::Ok, OrderStatus::Paid), (Card::Declined, OrderStatus::Declined)]
        {
            let shopper = shop.shopper_with(&[("A", 1)]).await;
            let seen = Arc::new(AtomicUsize::new(0));
            // Each effect takes place three times, by three owners, before it is on record.
            let counted = seen.clone();
            let checkout = shop.checkout().with_schedule(Arc::new(move |now| {
                let happened = matches!(now, Moment::Happened(_));
                let third = happened && counted.fetch_add(1, Ordering::SeqCst) % 3 == 2;
                async move { !happened || third }.boxed()
            }));
            let placed = checkout.place(shop.purchase(shopper, "key", method)).await.unwrap();
            let Placed::Pending(order) = placed else { panic!("{placed:?}") };
            while shop.count("checkouts WHERE step <> 'done'").await > 0 {
                shop.leases_end().await;
                checkout.resume_due(16).await.unwrap();
            }
            assert_eq!(shop.order(order.id).await.status, status);
            assert!(seen.load(Ordering::SeqCst) >= 9);
        }
    })
    .await;
}

#[tokio::test]
async fn several_resumers_give_each_checkout_one_owner() {
    in_shop(Set::default(), async |shop| {
        for _ in 0..12 {
            let shopper = shop.shopper_with(&[("A", 1)]).await;
            let dies = shop.killed_at(Moment::Recorded(Step::Authorise));
            dies.place(shop.purchase(shopper, "key", Card::Ok)).await.unwrap();
        }
        shop.leases_end().await;
        let resumers = [shop.checkout(), shop.checkout(), shop.checkout(), shop.checkout()];
        let taken = futures_util::future::join_all(resumers.iter().map(|r| r.resume_due(4))).await;
        let taken: usize = taken.into_iter().map(Result::unwrap).sum();
        assert_eq!(taken, 12);
        assert_eq!(shop.count("orders WHERE status = 'paid'").await, 12);
    })
    .await;
}

/// `protocol.md`: a resumer voids, and then the first owner's authorisation arrives.
#[tokio::test]
async fn void_cancels_the_key() {
    let (hold, grace) = (Duration::from_secs(2), Duration::from_millis(100));
    in_shop(Set { hold, grace, ..Set::default() }, async |shop| {
        // He stands still before he charges; meanwhile another one finds the hold over, voids the
        // key and cancels the order. Then the charge arrives.
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let cancels = move |shop: Shop| async move {
            tokio::time::sleep(hold + grace).await;
            shop.resume().await;
        };
        let (checkout, _) = shop.meanwhile(Moment::Recorded(Step::Authorise), cancels);
        let ended = checkout.place(shop.purchase(shopper, "key", Card::Ok)).await;
        assert!(matches!(ended, Err(CheckoutError::HoldExpired)), "{ended:?}");
        let order = shop.only_order().await;
        assert_eq!(shop.charge(order.id).await.as_deref(), Some("voided"));
        assert_eq!(shop.units("A").await.sold, 0);
    })
    .await;
}

#[tokio::test]
async fn an_owner_whose_lease_was_taken_over_records_nothing() {
    in_shop(Set::default(), async |shop| {
        // His successor is at the very same step, so that only the attempt tells them apart.
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let taken_over = |shop: Shop| async move {
            shop.leases_end().await;
            let successor = shop.killed_at(Moment::Recorded(Step::Authorise));
            assert_eq!(successor.resume_due(16).await.unwrap(), 1);
        };
        let (checkout, _) = shop.meanwhile(Moment::Happened(Step::Authorise), taken_over);
        let placed = checkout.place(shop.purchase(shopper, "key", Card::Ok)).await;
        assert!(matches!(placed, Ok(Placed::Pending(_))), "{placed:?}");
        assert_eq!(shop.count("checkouts WHERE step = 'authorise' AND attempt = 2").await, 1);
        shop.resume().await;
        assert_eq!(shop.only_order().await.status, OrderStatus::Paid);
    })
    .await;
}

/// `protocol.md`: a late begin freezes a cart for an order long dead.
#[tokio::test]
async fn deadline_of_saga_verbs() {
    in_shop(Set::default(), async |shop| {
        // He stands still before his begin until his lease is over; meanwhile another one carries
        // the checkout to its end. Then the begin arrives.
        let lease = Duration::from_millis(2_500);
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let ends = move |shop: Shop| async move {
            shop.resume().await;
            tokio::time::sleep(lease).await;
        };
        let (checkout, times) = shop.leasing(lease).meanwhile(Moment::Recorded(Step::Begin), ends);
        let placed = checkout.place(shop.purchase(shopper, "key", Card::Declined)).await;
        assert!(matches!(placed, Ok(Placed::Declined(_))), "{placed:?}");
        assert_eq!(times.load(Ordering::SeqCst), 1);
        assert_eq!(shop.cart(shopper).await.state, CartState::Open);
    })
    .await;
}

/// `protocol.md`: an abort that shelves at once lets another take what paper still says is held.
#[tokio::test]
async fn abort_through_the_returns() {
    let hold = Duration::from_millis(1_500);
    in_shop(Set { hold, total: 1, ..Set::default() }, async |shop| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let waits = move |_| tokio::time::sleep(hold);
        let (checkout, _) = shop.meanwhile(Moment::Recorded(Step::Abort), waits);
        let placed = checkout.place(shop.purchase(shopper, "key", Card::Declined)).await;
        assert!(matches!(placed, Ok(Placed::Declined(_))), "{placed:?}");
        assert_eq!((shop.units("A").await.available, shop.units("A").await.held), (0, 1));
        assert_eq!(shop.inventory.snapshot(&shop.bucket).await.unwrap().unwrap().returns, 1);
    })
    .await;
}
