//! Idempotency keys, and purchases at once.

use std::time::Duration;

use stampede::{
    flows::checkout::{Checkout, CheckoutError, Moment, Placed, Purchase, Step},
    kernel::ids::{OrderId, ShopperId},
    shop::{
        orders::{Email, OrderStatus},
        payments::sandbox::Card,
    },
};

use super::shop::{Set, Shop, in_shop};

fn order_of(placed: &Placed) -> OrderId {
    let (Placed::Paid(order) | Placed::Pending(order) | Placed::Declined(order)) = placed;
    order.id
}

#[tokio::test]
async fn the_same_key_repeats_what_became_of_its_order() {
    in_shop(Set::default(), async |shop| {
        for method in [Card::Ok, Card::Declined] {
            let shopper = shop.shopper_with(&[("A", 1)]).await;
            let once = || shop.purchase(shopper, "key", method);
            let first = shop.checkout().place(once()).await.unwrap();
            let again = shop.checkout().place(once()).await.unwrap();
            assert_eq!(first, again);
            // Another shopper's key of the same name is another key.
            let other = shop.shopper_with(&[("A", 1)]).await;
            let others = shop.checkout().place(shop.purchase(other, "key", method)).await.unwrap();
            assert_ne!(order_of(&others), order_of(&first));
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_with_another_request_is_refused() {
    in_shop(Set::default(), async |shop| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let once = || shop.purchase(shopper, "key", Card::Ok);
        shop.checkout().place(once()).await.unwrap();
        let others = [
            Purchase { method: Card::Slow.into(), ..once() },
            Purchase { email: Email::parse("eve@example.org").unwrap(), ..once() },
            Purchase { cart_version: Some("0".repeat(32)), ..once() },
        ];
        for other in others {
            let refused = shop.checkout().place(other).await;
            assert!(matches!(refused, Err(CheckoutError::KeyReused)), "{refused:?}");
        }
        assert_eq!(shop.count("orders").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_key_in_flight_is_in_progress_and_then_pending() {
    in_shop(Set::default(), async |shop| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let waits = |_| tokio::time::sleep(Duration::from_millis(5_500));
        let (checkout, _) = shop.meanwhile(Moment::Recorded(Step::Authorise), waits);
        let once = || shop.purchase(shopper, "key", Card::Ok);
        let (first, during) = tokio::join!(checkout.place(once()), async {
            tokio::time::sleep(Duration::from_millis(700)).await;
            shop.checkout().place(once()).await
        });
        assert!(matches!(during, Err(CheckoutError::CheckoutInProgress)), "{during:?}");
        // The shopper's patience is over before the owner is done.
        assert!(matches!(first, Ok(Placed::Pending(_))), "{first:?}");
        let later = shop.checkout().place(once()).await;
        assert!(matches!(later, Ok(Placed::Pending(_))), "{later:?}");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(matches!(shop.checkout().place(once()).await, Ok(Placed::Paid(_))));
    })
    .await;
}

#[tokio::test]
async fn one_key_at_once_makes_one_order() {
    in_shop(Set::default(), async |shop| {
        for _ in 0..10 {
            let shopper = shop.shopper_with(&[("A", 1)]).await;
            at_once(&shop, shopper, |_| "key".to_owned()).await;
            let paid = shop.checkout().place(shop.purchase(shopper, "key", Card::Ok)).await;
            assert!(matches!(paid, Ok(Placed::Paid(_))), "{paid:?}");
        }
        assert_eq!(shop.count("orders").await, 10);
    })
    .await;
}

#[tokio::test]
async fn one_cart_at_once_is_bought_once() {
    in_shop(Set::default(), async |shop| {
        for _ in 0..10 {
            let shopper = shop.shopper_with(&[("A", 1)]).await;
            at_once(&shop, shopper, |n| format!("key-{n}")).await;
        }
        assert_eq!(shop.count("orders WHERE status = 'paid'").await, 10);
        assert_eq!(shop.count("sandbox_payments").await, 10);
        assert_eq!(shop.units("A").await.sold, 10);
    })
    .await;
}

/// Four purchases of one cart at once: each is paid or refused for the others' sake.
async fn at_once(shop: &Shop, shopper: ShopperId, key: impl Fn(usize) -> String) {
    let keys: Vec<String> = (0..4).map(key).collect();
    let checkout: Checkout = shop.checkout();
    let placed = futures_util::future::join_all(
        keys.iter().map(|key| checkout.place(shop.purchase(shopper, key, Card::Ok))),
    )
    .await;
    for outcome in placed {
        match outcome {
            Ok(Placed::Paid(_))
            | Err(CheckoutError::CheckoutInProgress | CheckoutError::CartEmpty) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn keys_are_forgotten_a_month_after_the_sale() {
    in_shop(Set::default(), async |shop| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        shop.checkout().place(shop.purchase(shopper, "key", Card::Ok)).await.unwrap();
        let kept =
            "idempotency_keys k, sales s WHERE k.keep_until = s.ends_at + interval '30 days'";
        assert_eq!(shop.count(kept).await, 1);
        assert_eq!(shop.checkout().forget_keys().await.unwrap(), 0);
        shop.write("UPDATE idempotency_keys SET keep_until = now() - interval '1 day'").await;
        assert_eq!(shop.checkout().forget_keys().await.unwrap(), 1);
        assert_eq!(shop.only_order().await.status, OrderStatus::Paid);
    })
    .await;
}
