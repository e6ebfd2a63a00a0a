//! `RabbitMQ` comes back empty.

use stampede::flows::opening::{Opening, Step};

use crate::harness::until;

use super::stage::{CAP, PAIR, Rule, Stage, nothing};

impl Stage {
    /// What a keeper does at every look.
    async fn look(&self, keeper: &Opening) {
        // the sale's lock may be held elsewhere; the next look tries again
        let _ = keeper.ensure_stream(std::slice::from_ref(&self.kept)).await;
        let _ = self.tend(keeper).await;
    }
}

/// After an empty broker, paper keeps ghosts of released lines.
#[tokio::test]
async fn zero_lines_published_again() {
    for rule in Rule::BOTH {
        let stage = Stage::open().await;
        let [a, b] = stage.shoppers();
        stage.set(a, PAIR, 1).await;
        stage.take_over().await;
        // both are told yes, and the broker is lost before the writer comes
        stage.set(a, PAIR, 0).await;
        stage.set(b, CAP, 2).await;
        stage.lose_broker().await;

        let inventory = if rule.is_left_out() {
            let all = "if not (claim.settled and held > 0) then";
            stage.inventory_without("restate", all, "if not claim.settled and held > 0 then")
        } else {
            stage.inventory.clone()
        };
        stage.look(&stage.keeper_over(inventory, nothing)).await;
        assert_eq!(stage.app.stream.generation(), 2);
        stage.take_over().await;
        stage.lose_redis().await;
        stage.open_again().await;
        let ghost = i64::from(rule.is_left_out());
        assert_eq!(stage.in_cart(a, PAIR).await, ghost);
        assert_eq!(stage.in_cart(b, CAP).await, 2);
        stage.end(rule).await;
    }
}

/// Keepers in the middle of an opening send their barrier again.
#[tokio::test]
async fn a_broker_that_comes_back_empty_in_the_middle_of_an_opening_loses_nothing() {
    let stage = Stage::open().await;
    let mut told = Vec::new();
    for (generation, (step, made_anew_at_once)) in
        (2..).zip(Step::ALL.into_iter().flat_map(|step| [(step, false), (step, true)]))
    {
        let [held, gone] = stage.shoppers();
        stage.set(held, CAP, 1).await;
        stage.set(gone, CAP, 1).await;
        stage.set(gone, CAP, 0).await;
        told.extend([(held, 1), (gone, 0)]);
        stage.lose_redis().await;
        // What the broker alone knows would be lost with it, so the writer has been here.
        let keeper = stage.keeper(move |stage, now| async move {
            if now == step {
                stage.take_over().await;
                stage.lose_broker().await;
            }
            if now == step && made_anew_at_once {
                let other = stage.keeper(nothing);
                let _ = other.ensure_stream(std::slice::from_ref(&stage.kept)).await;
            }
            Ok(())
        });
        let _ = stage.tend(&keeper).await;
        until("it is mended", async || {
            stage.look(&stage.keeper(nothing)).await;
            let stream = stage.app.intake.state().await.unwrap();
            stream.generation == generation
                && !stream.republish
                && stage.is_open().await
                && stage.open_epoch().await == stage.epoch().await
        })
        .await;
        for (shopper, quantity) in &told {
            assert_eq!(stage.in_cart(*shopper, CAP).await, *quantity, "{step}");
        }
        stage.put(held, CAP, 1).await.unwrap();
    }
    stage.end(Rule::Kept).await;
}
