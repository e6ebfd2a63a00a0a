//! Purchases that nobody disturbs, and those that are refused.

use std::time::{Duration, Instant};

use stampede::{
    flows::checkout::{CheckoutError, Moment, Placed, Purchase, Step},
    kernel::{ids::Ids, money::Money},
    shop::{
        cart::version::version,
        inventory::CartState,
        orders::{OrderStatus, Orders, OrdersError},
        payments::{Charge, Payment, sandbox::Card},
    },
};

use super::shop::{Set, Shop, in_shop};

#[tokio::test]
async fn a_cart_becomes_one_paid_order() {
    in_shop(Set::default(), async |shop| {
        let shopper = shop.shopper_with(&[("A", 2), ("B", 1)]).await;
        let Placed::Paid(order) = shop.buy(shopper, Card::Ok).await.unwrap() else {
            panic!("not paid")
        };
        assert_eq!(order.status, OrderStatus::Paid);
        assert_eq!((order.total.amount, order.total.decimal()), (2_250, "22.50".to_owned()));
        assert!(order.paid_at.is_some());
        let titles: Vec<_> = order.lines.iter().map(|line| line.title.as_str()).collect();
        assert_eq!(titles, ["Runner – Size A", "Runner – Size B"]);
        assert_eq!(shop.charge(order.id).await.as_deref(), Some("captured"));
        assert!(shop.cart(shopper).await.lines.is_empty());
        assert_eq!((shop.units("A").await.sold, shop.units("A").await.held), (2, 0));
        assert_eq!(shop.count("cart_lines WHERE quantity > 0").await, 0);
        assert!(matches!(shop.buy(shopper, Card::Ok).await, Err(CheckoutError::CartEmpty)));

        let orders = Orders::new(shop.pool.clone());
        assert_eq!(orders.of_shopper(shopper).await.unwrap(), std::slice::from_ref(&order));
        assert_eq!(orders.get(shopper, order.id).await.unwrap(), order);
        let other = orders.get(Ids::random().shopper(), order.id).await;
        assert!(matches!(other, Err(OrdersError::NotFound)));
    })
    .await;
}

#[tokio::test]
async fn a_declined_card_leaves_the_hold_for_another_one() {
    in_shop(Set::default(), async |shop| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let Placed::Declined(order) = shop.buy(shopper, Card::Declined).await.unwrap() else {
            panic!("not declined")
        };
        assert_eq!(order.reason.as_deref(), Some("card_declined"));
        let cart = shop.cart(shopper).await;
        assert_eq!((cart.lines.len(), cart.state), (1, CartState::Open));
        let again = shop.buy(shopper, Card::Ok).await.unwrap();
        assert!(matches!(again, Placed::Paid(paid) if paid.id != order.id));
    })
    .await;
}

#[tokio::test]
async fn a_card_that_times_out_is_pending_and_paid_five_seconds_later() {
    in_shop(Set::default(), async |shop| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let asked = Instant::now();
        let placed = shop.buy(shopper, Card::Timeout).await.unwrap();
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        let Placed::Pending(order) = placed else { panic!("{placed:?}") };
        // As the worker does it: by the leases alone.
        while shop.order(order.id).await.status == OrderStatus::Pending {
            assert!(asked.elapsed() < Duration::from_secs(15));
            tokio::time::sleep(Duration::from_millis(200)).await;
            shop.checkout().resume_due(16).await.unwrap();
        }
        assert!(asked.elapsed() >= Duration::from_secs(5), "{:?}", asked.elapsed());
        assert_eq!(shop.order(order.id).await.status, OrderStatus::Paid);
    })
    .await;
}

#[tokio::test]
async fn a_slow_card_is_paid_after_two_seconds() {
    in_shop(Set::default(), async |shop| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let asked = Instant::now();
        assert!(matches!(shop.buy(shopper, Card::Slow).await, Ok(Placed::Paid(_))));
        assert!(asked.elapsed() >= Duration::from_secs(2));
    })
    .await;
}

#[tokio::test]
async fn what_costs_nothing_is_bought_without_a_charge() {
    in_shop(Set::default(), async |shop| {
        let shopper = shop.shopper_with(&[("FREE", 1)]).await;
        let Placed::Paid(order) = shop.buy(shopper, Card::Declined).await.unwrap() else {
            panic!("not paid")
        };
        assert_eq!((order.total.amount, shop.charge(order.id).await), (0, None));
    })
    .await;
}

#[tokio::test]
async fn a_total_beyond_all_money_is_refused() {
    in_shop(Set::default(), async |shop| {
        let shopper = shop.shopper_with(&[("A", 2)]).await;
        shop.write("UPDATE skus SET price_minor = 900000000000").await;
        let refused = shop.buy(shopper, Card::Ok).await;
        assert!(matches!(refused, Err(CheckoutError::TotalTooLarge)), "{refused:?}");
        assert_eq!(shop.count("orders").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_cart_that_cannot_be_bought_makes_no_order() {
    let set = Set { hold: Duration::from_secs(1), ..Set::default() };
    in_shop(set, async |shop| {
        let nobody = Ids::random().shopper();
        let refused = shop.buy(nobody, Card::Ok).await;
        assert!(matches!(refused, Err(CheckoutError::CartEmpty)), "{refused:?}");
        let late = shop.shopper_with(&[("A", 1)]).await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let refused = shop.buy(late, Card::Ok).await;
        assert!(matches!(refused, Err(CheckoutError::HoldExpired)), "{refused:?}");
        assert_eq!(shop.count("orders").await, 0);
        assert_eq!(shop.count("idempotency_keys").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_cart_is_bought_as_it_was_seen_or_not_at_all() {
    in_shop(Set::default(), async |shop| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let (sku, price) = ("A".parse().unwrap(), shop.sale.currency);
        let seen = |quantity: i64| {
            let price = stampede::kernel::money::Money { amount: 1_000, currency: price };
            Some(version([(&sku, quantity.try_into().unwrap(), price)]))
        };
        let purchase = |quantity| Purchase {
            cart_version: seen(quantity),
            ..shop.purchase(shopper, "key", Card::Ok)
        };
        let refused = shop.checkout().place(purchase(2)).await;
        assert!(matches!(refused, Err(CheckoutError::CartChanged)), "{refused:?}");
        assert!(matches!(shop.checkout().place(purchase(1)).await, Ok(Placed::Paid(_))));
    })
    .await;
}

#[tokio::test]
async fn a_cart_that_changes_before_it_is_frozen_frees_the_key() {
    in_shop(Set::default(), async |shop| {
        let shopper = shop.shopper_with(&[("A", 2)]).await;
        let lowers = move |shop: Shop| async move { shop.set(shopper, "A", 1).await };
        let (checkout, _) = shop.meanwhile(Moment::Recorded(Step::Begin), lowers);
        let refused = checkout.place(shop.purchase(shopper, "key", Card::Ok)).await;
        assert!(matches!(refused, Err(CheckoutError::CartChanged)), "{refused:?}");
        let cancelled = shop.only_order().await;
        assert_eq!(cancelled.status, OrderStatus::Cancelled);
        assert_eq!(shop.charge(cancelled.id).await, None);
        let again = shop.checkout().place(shop.purchase(shopper, "key", Card::Ok)).await;
        assert!(matches!(again, Ok(Placed::Paid(_))), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn a_hold_that_ends_before_settling_voids_the_charge() {
    let (hold, grace) = (Duration::from_millis(1_500), Duration::from_millis(200));
    in_shop(Set { hold, grace, total: 1, ..Set::default() }, async |shop| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let waits = |_| tokio::time::sleep(Duration::from_millis(1_800));
        let (checkout, _) = shop.meanwhile(Moment::Happened(Step::Authorise), waits);
        let refused = checkout.place(shop.purchase(shopper, "key", Card::Ok)).await;
        assert!(matches!(refused, Err(CheckoutError::HoldExpired)), "{refused:?}");
        let order = shop.only_order().await;
        assert_eq!(order.status, OrderStatus::Cancelled);
        assert_eq!(order.reason.as_deref(), Some("hold_expired"));
        assert_eq!(shop.charge(order.id).await.as_deref(), Some("voided"));
        // There was an order, so the key keeps to its answer.
        let again = shop.checkout().place(shop.purchase(shopper, "key", Card::Ok)).await;
        assert!(matches!(again, Err(CheckoutError::HoldExpired)), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn a_refused_capture_gives_the_units_back() {
    in_shop(Set::default(), async |shop| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let lapses = |shop: Shop| async move {
            shop.write("UPDATE sandbox_payments SET status = 'voided'").await;
        };
        let (checkout, _) = shop.meanwhile(Moment::Recorded(Step::Capture), lapses);
        let placed = checkout.place(shop.purchase(shopper, "key", Card::Ok)).await.unwrap();
        let Placed::Declined(order) = placed else { panic!("{placed:?}") };
        assert_eq!(order.reason.as_deref(), Some("capture_refused"));
        // By way of the returns: paper still says that they are held.
        assert_eq!((shop.units("A").await.sold, shop.units("A").await.held), (0, 1));
        assert!(shop.cart(shopper).await.lines.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_authorisation_after_a_void_fails() {
    in_shop(Set::default(), async |shop| {
        let payment = Payment {
            order: Ids::random().order(),
            sale: shop.sale.slug.clone(),
            amount: Money { amount: 5, currency: shop.sale.currency },
            method: Card::Ok.into(),
            reference: None,
        };
        let sandbox = shop.payments.current();
        assert_eq!(sandbox.lookup(&payment).await.unwrap(), Charge::Unknown);
        assert_eq!(sandbox.void(&payment).await.unwrap(), Charge::Voided);
        assert_eq!(sandbox.authorise(&payment).await.unwrap(), Charge::Voided);
        assert_eq!(sandbox.capture(&payment).await.unwrap(), Charge::Voided);
        shop.write("DELETE FROM sandbox_payments").await;
    })
    .await;
}

#[tokio::test]
async fn while_the_stock_is_closed_nothing_is_promised() {
    in_shop(Set::default(), async |shop| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        shop.wipe().await;
        let refused = shop.buy(shopper, Card::Ok).await;
        assert!(matches!(refused, Err(CheckoutError::Unavailable(_))), "{refused:?}");
        assert_eq!(shop.count("orders").await, 0);
        shop.reopen().await;
        assert!(matches!(shop.buy(shopper, Card::Ok).await, Ok(Placed::Paid(_))));
    })
    .await;
}
