//! Taking and giving back, step by step.

use std::time::Duration;

use stampede::{
    flows::cart_lines::CartLineError,
    kernel::ids::OrderId,
    shop::inventory::{Freeze, InventoryError, SettleOutcome, UnfreezeOutcome},
};
use uuid::Uuid;

use super::stage::{CAP, PAIR, Rule, Stage, want};

/// A releases, B takes and is confirmed, Redis is lost before A's message: two hold one unit.
#[tokio::test]
async fn give_back_only_after_the_confirm() {
    for rule in Rule::BOTH {
        let stage = Stage::open().await;
        let (epoch, [a, b]) = (stage.epoch().await, stage.shoppers());
        stage.set(a, PAIR, 1).await;

        // the broker does not take the message of A's release
        if rule.is_left_out() {
            let released = stage.claim(epoch, a, PAIR, 0).await.unwrap();
            stage.inventory.give_back(&stage.bucket, epoch, &released.returned).await.unwrap();
        } else {
            stage.unbind(epoch).await;
            let released = stage.put(a, PAIR, 0).await;
            assert!(matches!(released, Err(CartLineError::Unavailable { .. })), "{released:?}");
            stage.bind(epoch).await;
        }
        let told = stage.put(b, PAIR, 1).await;
        stage.take_over().await;
        if rule.is_left_out() {
            told.unwrap();
            assert_eq!(stage.held_on_paper(PAIR).await, 2);
        } else {
            assert!(matches!(told, Err(CartLineError::SoldOut { available: 0 })), "{told:?}");
            assert_eq!(stage.held_on_paper(PAIR).await, 1);
        }
        stage.lose_redis().await;
        stage.open_again().await;
        // without the rule there is nothing left for B, who was told yes
        assert_eq!((stage.in_cart(a, PAIR).await, stage.in_cart(b, PAIR).await), (1, 0));
        stage.end(rule).await;
    }
}

/// An old line overwrites a newer one.
#[tokio::test]
async fn version() {
    for (rule, in_one_batch) in [(Rule::Kept, true), (Rule::Kept, false), (Rule::LeftOut, true)] {
        let stage = Stage::open().await;
        let (epoch, [a]) = (stage.epoch().await, stage.shoppers());
        let older = stage.claim(epoch, a, CAP, 1).await.unwrap();
        let newer = stage.claim(epoch, a, CAP, 2).await.unwrap();
        stage.publish(epoch, newer.lines.clone()).await.unwrap();
        if !in_one_batch {
            stage.take_over().await;
        }
        let mut late = older.lines;
        if rule.is_left_out() {
            // what comes last is taken for the newest
            late[0].version.seq.0 = newer.lines[0].version.seq.0 + 1;
        }
        stage.publish(epoch, late).await.unwrap();
        stage.take_over().await;
        stage.lose_redis().await;
        stage.open_again().await;
        let expected = if rule.is_left_out() { 1 } else { 2 };
        assert_eq!(stage.in_cart(a, CAP).await, expected);
        stage.end(rule).await;
    }
}

/// A stalled PUT revives a released line.
#[tokio::test]
async fn deadline() {
    for rule in Rule::BOTH {
        let stage = Stage::open().await;
        let (epoch, [a]) = (stage.epoch().await, stage.shoppers());
        // it is on its way, and does not arrive; its shopper asks again, and changes his mind
        let (deadline, stalled) = (stage.soon(), [want(a, PAIR, 1)]);
        stage.set(a, PAIR, 1).await;
        stage.set(a, PAIR, 0).await;
        stage.pass(Duration::from_secs(3)).await;

        let inventory = if rule.is_left_out() {
            stage.inventory_without("prelude", "now > tonumber(deadline)", "false")
        } else {
            stage.inventory.clone()
        };
        let arrives = inventory.claim(&stage.bucket, epoch, deadline, &[], &stalled).await;
        if rule.is_left_out() {
            stage.publish(epoch, arrives.unwrap().lines).await.unwrap();
            assert_eq!(stage.in_cart(a, PAIR).await, 1, "he was told that it is gone");
        } else {
            assert!(matches!(arrives, Err(InventoryError::Late)), "{arrives:?}");
            assert_eq!(stage.in_cart(a, PAIR).await, 0);
        }
        stage.end(rule).await;
    }
}

/// Abort shelves, paper still says held, B takes, Redis is lost: held twice.
#[tokio::test]
async fn abort_through_the_returns() {
    for rule in Rule::BOTH {
        let stage = Stage::open().await;
        let (epoch, [a, b]) = (stage.epoch().await, stage.shoppers());
        let (bucket, deadline) = (&stage.bucket, stage.soon());
        stage.set(a, PAIR, 1).await;
        let inventory = if rule.is_left_out() {
            let (returns, shelf) =
                ("give(shopper, sku, n, 0, 0)", "draw() move(sku, n, HELD, AVAILABLE)");
            stage.inventory_without("abort", returns, shelf)
        } else {
            stage.inventory.clone()
        };
        let saga = Freeze { shopper: a, order: OrderId(Uuid::from_u128(1)), attempt: 1 };
        let lines = [(PAIR.parse().unwrap(), 1.try_into().unwrap())];
        inventory.begin(bucket, epoch, deadline, &saga, &lines).await.unwrap();
        let settled = inventory.settle(bucket, epoch, deadline, &saga, &lines).await.unwrap();
        assert!(matches!(settled, SettleOutcome::Settled(_)), "{settled:?}");
        let aborted = inventory.abort(bucket, epoch, deadline, &saga).await.unwrap();
        assert_eq!(aborted, UnfreezeOutcome::Done);

        let told = stage.put(b, PAIR, 1).await;
        stage.take_over().await;
        if rule.is_left_out() {
            told.unwrap();
            assert_eq!(stage.held_on_paper(PAIR).await, 2);
        } else {
            assert!(matches!(told, Err(CartLineError::SoldOut { available: 0 })), "{told:?}");
            assert_eq!(stage.held_on_paper(PAIR).await, 1);
        }
        stage.lose_redis().await;
        stage.open_again().await;
        assert_eq!((stage.in_cart(a, PAIR).await, stage.in_cart(b, PAIR).await), (1, 0));
        stage.end(rule).await;
    }
}
