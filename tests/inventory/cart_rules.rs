//! One test for each rule of a cart and its checkout that the scripts alone keep, with the rule taken
//! out where that is cheap to show.

use stampede::{
    kernel::{
        clock::from_millis,
        version::{Epoch, Revision, Seq},
    },
    shop::inventory::{BeginOutcome, CartState, ClaimOutcome, Refusal, SettleOutcome},
};

use super::support::*;

#[tokio::test]
async fn an_undone_checkout_gives_back_through_the_returns() {
    // After a settle, or after the end of the hold: what paper still says is held stays held.
    for (settle, past) in [(true, 0), (false, HOLD)] {
        let shop = Shop::open(&[("A", 1)]).await;
        let (inventory, bucket, wanted) = (&shop.inventory, &shop.bucket, lines(&[("A", 1)]));
        shop.take(shopper(1), "A", 1).await;
        let saga = freeze(1, 1, 1);
        inventory.begin(bucket, Epoch(1), never(), &saga, &wanted).await.unwrap();
        if settle {
            inventory.settle(bucket, Epoch(1), never(), &saga, &wanted).await.unwrap();
            assert_eq!(shop.units("A").await, (0, 0, 1));
        }
        shop.set_now(START + past).await;
        for _ in 0..2 {
            inventory.abort(bucket, Epoch(1), never(), &saga).await.unwrap();
            assert_eq!(shop.units("A").await, (0, 1, 0));
        }
        let refused = shop.claim(&[want(shopper(2), "A", 1)]).await.unwrap();
        assert!(matches!(refused.outcomes[..], [ClaimOutcome::Refused(Refusal::SoldOut { .. })]));
        let back = inventory.returns(bucket, Epoch(1), Seq(i64::MAX), 10).await.unwrap();
        let ended = back.iter().map(|l| (l.quantity.get(), l.expires_at)).collect::<Vec<_>>();
        assert_eq!(ended, [(0, (!settle).then(|| from_millis(START + HOLD)))]);
        let versions: Vec<_> = back.iter().map(|line| line.version).collect();
        inventory.give_back(bucket, Epoch(1), &versions).await.unwrap();
        assert_eq!(shop.units("A").await, (1, 0, 0));
    }
}

#[tokio::test]
async fn an_undone_checkout_in_time_keeps_the_hold() {
    let shop = Shop::open(&[("A", 1)]).await;
    let (inventory, bucket, wanted) = (&shop.inventory, &shop.bucket, lines(&[("A", 1)]));
    shop.take(shopper(1), "A", 1).await;
    let saga = freeze(1, 1, 1);
    inventory.begin(bucket, Epoch(1), never(), &saga, &wanted).await.unwrap();
    inventory.abort(bucket, Epoch(1), never(), &saga).await.unwrap();
    let cart = inventory.cart(bucket, Epoch(1), shopper(1)).await.unwrap();
    assert_eq!((cart.lines, cart.state), (wanted, CartState::Open));
    assert_eq!(cart.expires_at, Some(from_millis(START + HOLD)));
}

#[tokio::test]
async fn a_frozen_cart_runs_out_after_the_grace_and_a_settled_one_never() {
    let shop = Shop::open(&[("A", 2)]).await;
    let (inventory, bucket, wanted) = (&shop.inventory, &shop.bucket, lines(&[("A", 1)]));
    let both = [shopper(1), shopper(2)];
    for who in [1, 2] {
        shop.take(shopper(who), "A", 1).await;
        let saga = freeze(who, who, 1);
        inventory.begin(bucket, Epoch(1), never(), &saga, &wanted).await.unwrap();
    }
    inventory.settle(bucket, Epoch(1), never(), &freeze(2, 2, 1), &wanted).await.unwrap();

    shop.set_now(START + HOLD + GRACE - 1).await;
    let expired = inventory.expire(bucket, Epoch(1), &both).await.unwrap();
    assert!(expired.lines.is_empty());
    assert_eq!(expired.later, [(from_millis(START + HOLD + GRACE), shopper(1))]);

    shop.set_now(START + HOLD + GRACE).await;
    // Late for its payment, even before the expirer came by.
    let gone = inventory.settle(bucket, Epoch(1), never(), &freeze(1, 1, 1), &wanted).await;
    assert_eq!(gone.unwrap(), SettleOutcome::Gone);
    let expired = inventory.expire(bucket, Epoch(1), &both).await.unwrap();
    let who: Vec<_> = expired.lines.iter().map(|line| line.shopper).collect();
    assert_eq!((who, expired.later), (vec![shopper(1)], vec![]));
    assert_eq!(shop.units("A").await, (0, 1, 1));
    let gone = inventory.settle(bucket, Epoch(1), never(), &freeze(1, 1, 1), &wanted).await;
    assert_eq!(gone.unwrap(), SettleOutcome::Gone);
}

#[tokio::test]
async fn a_paid_order_is_bought_even_if_its_settle_was_lost() {
    let shop = Shop::open(&[("A", 2)]).await;
    let (inventory, bucket, wanted) = (&shop.inventory, &shop.bucket, lines(&[("A", 2)]));
    shop.take(shopper(1), "A", 2).await;
    let saga = freeze(1, 1, 1);
    inventory.begin(bucket, Epoch(1), never(), &saga, &wanted).await.unwrap();
    for _ in 0..2 {
        inventory.finish(bucket, Epoch(1), never(), &saga).await.unwrap();
        assert_eq!(shop.units("A").await, (0, 0, 2));
        assert_eq!(shop.packed_claim(shopper(1)).await, "0;;;0;0;A=0+2");
    }
}

#[tokio::test]
async fn settled_lines_are_not_said_again() {
    // Their payment may have written their end on paper already.
    let shop = Shop::open(&[("A", 2), ("B", 1)]).await;
    let (inventory, bucket, wanted) = (&shop.inventory, &shop.bucket, lines(&[("A", 1)]));
    shop.take(shopper(1), "B", 1).await;
    shop.take(shopper(1), "A", 1).await;
    shop.take(shopper(1), "B", 0).await;
    inventory.begin(bucket, Epoch(1), never(), &freeze(1, 1, 1), &wanted).await.unwrap();
    inventory.settle(bucket, Epoch(1), never(), &freeze(1, 1, 1), &wanted).await.unwrap();
    let said = inventory.restate(bucket, Epoch(1), &[shopper(1)]).await.unwrap();
    let said: Vec<_> = said.iter().map(|l| (l.sku.as_str(), l.quantity.get())).collect();
    assert_eq!(said, [("B", 0)]);
    let same = shop.claim(&[want(shopper(1), "A", 1)]).await.unwrap();
    assert_eq!(same.outcomes, [ClaimOutcome::Refused(Refusal::CheckoutInProgress)]);
    assert!(same.lines.is_empty());
}

#[tokio::test]
async fn limits_come_before_sold_out_and_phases_before_both() {
    let shop = Shop::open(&[("A", 1)]).await;
    let (inventory, bucket) = (&shop.inventory, &shop.bucket);
    let mut sale = terms(&[("A1", 2), ("A2", 2), ("B", 0)]);
    sale.limit = quantity(3);
    for item in &mut sale.skus[..2] {
        item.product_limit = quantity(2);
    }
    let ask =
        async |name, n| shop.claim(&[want(shopper(1), name, n)]).await.unwrap().outcomes.remove(0);
    let refused = ClaimOutcome::Refused;
    inventory.set_terms(bucket, Epoch(1), Revision(2), &sale).await.unwrap();
    assert_eq!(ask("B", 4).await, refused(Refusal::LimitReached));
    assert_eq!(ask("B", 3).await, refused(Refusal::SoldOut { available: 0 }));
    assert!(matches!(ask("A1", 1).await, ClaimOutcome::Created { .. }));
    assert_eq!(ask("A2", 2).await, refused(Refusal::LimitReached));
    assert!(matches!(ask("A2", 1).await, ClaimOutcome::Created { .. }));
    assert_eq!(ask("B", 2).await, refused(Refusal::LimitReached));

    sale.paused = true;
    inventory.set_terms(bucket, Epoch(1), Revision(3), &sale).await.unwrap();
    assert_eq!(ask("B", 9).await, refused(Refusal::Paused));
    sale.ends_at = from_millis(START);
    inventory.set_terms(bucket, Epoch(1), Revision(4), &sale).await.unwrap();
    assert_eq!(ask("B", 9).await, refused(Refusal::Ended));
    sale.starts_at = from_millis(START + 1);
    inventory.set_terms(bucket, Epoch(1), Revision(5), &sale).await.unwrap();
    assert_eq!(ask("B", 9).await, refused(Refusal::NotStarted));
    assert!(matches!(ask("A1", 1).await, ClaimOutcome::Stood { .. }));
    assert!(matches!(ask("A1", 0).await, ClaimOutcome::Changed { .. }));
    assert_eq!(ask("C", 1).await, refused(Refusal::UnknownSku));
}

#[tokio::test]
async fn a_cart_has_one_end_that_nothing_moves() {
    let shop = Shop::open(&[("A", 9), ("B", 9)]).await;
    let end = Some(from_millis(START + HOLD));
    shop.take(shopper(1), "A", 1).await;
    shop.set_now(START + 5).await;
    for (name, n) in [("A", 1), ("A", 2), ("B", 1), ("A", 0)] {
        let claimed = shop.take(shopper(1), name, n).await;
        let line = &claimed.lines[0];
        assert_eq!(line.expires_at, if n == 0 { None } else { end });
        let cart = shop.inventory.cart(&shop.bucket, Epoch(1), shopper(1)).await.unwrap();
        assert_eq!(cart.expires_at, end);
    }
    // An emptied cart begins anew.
    shop.take(shopper(1), "B", 0).await;
    let anew = shop.take(shopper(1), "A", 1).await;
    assert_eq!(anew.lines[0].expires_at, Some(from_millis(START + 5 + HOLD)));

    // It runs out on the millisecond, whether or not the expirer came by, until the next PUT.
    shop.set_now(START + 5 + HOLD).await;
    let cart = async || shop.inventory.cart(&shop.bucket, Epoch(1), shopper(1)).await.unwrap();
    assert_eq!(cart().await.state, CartState::RanOut);
    let begun = shop
        .inventory
        .begin(&shop.bucket, Epoch(1), never(), &freeze(1, 1, 1), &lines(&[("A", 1)]))
        .await;
    assert_eq!(begun.unwrap(), BeginOutcome::HoldExpired);
    let next = shop.take(shopper(1), "B", 2).await;
    let said: Vec<_> = next.lines.iter().map(|l| (l.sku.as_str(), l.quantity.get())).collect();
    assert_eq!(said, [("A", 0), ("B", 2)]);
    assert_eq!(next.returned, [next.lines[0].version]);
    assert_eq!(cart().await.state, CartState::Open);
}
