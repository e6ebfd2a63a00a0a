//! Openings that meet late messages, other keepers and their own death, step by step.

use std::time::Duration;

use stampede::{
    flows::{
        cart_lines::CartLineError,
        opening::{Step, Tended},
    },
    kernel::{ids::ShopperId, version::Epoch},
    platform::rabbit::PublishError,
    shop::sales,
};

use super::stage::{CAP, PAIR, Rule, Stage, nothing};

/// A late publish of the old epoch is confirmed after the rebuild: told yes, no claim.
#[tokio::test]
async fn fence() {
    for rule in Rule::BOTH {
        let stage = Stage::open().await;
        let (old, [a]) = (stage.epoch().await, stage.shoppers());
        let stalled = stage.claim(old, a, PAIR, 1).await.unwrap().lines;
        stage.lose_redis().await;
        let keeper = stage.keeper(move |stage, step| async move {
            if rule.is_left_out() && step == Step::Barrier {
                stage.bind(old).await;
            }
            Ok(())
        });
        assert!(matches!(stage.tend(&keeper).await, Ok(Tended::Opened { .. })));
        told_yes_only_without(rule, stage.publish(old, stalled).await);
        assert_eq!(stage.in_cart(a, PAIR).await, 0);
        stage.end(rule).await;
    }
}

fn told_yes_only_without(rule: Rule, published: Result<(), PublishError>) {
    if rule.is_left_out() {
        published.unwrap();
    } else {
        assert!(matches!(published, Err(PublishError::Unroutable)), "{published:?}");
    }
}

/// Lines still in the stream are missing from the rebuild.
#[tokio::test]
async fn barrier() {
    for rule in Rule::BOTH {
        let stage = Stage::open().await;
        let [a] = stage.shoppers();
        stage.set(a, PAIR, 1).await;
        stage.lose_redis().await;
        // the writer is away
        let keeper = stage.keeper(move |stage, step| async move {
            if rule.is_left_out() && step == Step::Barrier {
                let (sale, bucket) = (stage.kept.sale, stage.kept.bucket);
                let epoch = stage.epoch().await;
                sales::store::set_barrier(&stage.app.pool, sale, bucket, epoch).await?;
            }
            Ok(())
        });
        if rule.is_left_out() {
            let tended = keeper.tend(&stage.kept).await;
            assert!(matches!(tended, Ok(Tended::Opened { claims: 0, .. })), "{tended:?}");
            assert_eq!(stage.in_cart(a, PAIR).await, 0, "he was told yes");
        } else {
            let waits = tokio::time::timeout(Duration::from_secs(1), keeper.tend(&stage.kept));
            waits.await.unwrap_err();
            assert!(!stage.is_open().await);
            stage.open_again().await;
            assert_eq!(stage.in_cart(a, PAIR).await, 1);
        }
        stage.end(rule).await;
    }
}

/// A keeper commits epoch 2 and dies; the next removes only 2; epoch 1's late publish is confirmed.
#[tokio::test]
async fn all_older_bindings_removed() {
    for rule in Rule::BOTH {
        let stage = Stage::open().await;
        let (first, [a]) = (stage.epoch().await, stage.shoppers());
        let stalled = stage.claim(first, a, PAIR, 1).await.unwrap().lines;
        stage.lose_redis().await;
        let dies = stage.keeper(dies_at(Step::Mark));
        stage.tend(&dies).await.unwrap_err();
        let second = stage.epoch().await;
        assert!(first < second);
        let keeper = stage.keeper(move |stage, step| async move {
            if rule.is_left_out() && step == Step::Fence {
                let forget = "UPDATE openings SET bound_epochs = array_remove(bound_epochs, $1)";
                sqlx::query(forget).bind(first.0).execute(&stage.app.pool).await?;
            }
            Ok(())
        });
        assert!(matches!(stage.tend(&keeper).await, Ok(Tended::Opened { .. })));
        told_yes_only_without(rule, stage.publish(first, stalled).await);
        assert_eq!(stage.in_cart(a, PAIR).await, 0);
        stage.end(rule).await;
    }
}

fn dies_at(
    step: Step,
) -> impl Fn(Stage, Step) -> std::future::Ready<anyhow::Result<()>> + Send + Sync + 'static {
    move |_, now| {
        std::future::ready(if now == step { Err(anyhow::anyhow!("killed")) } else { Ok(()) })
    }
}

/// An overtaken keeper opens its old epoch into a Redis that was wiped again. He stands still
/// after his look, so that only his mark, which the wiping took, can stop him.
#[tokio::test]
async fn mark() {
    for rule in Rule::BOTH {
        let stage = Stage::open().await;
        let [a] = stage.shoppers();
        stage.lose_redis().await;
        let inventory = if rule.is_left_out() {
            let check = "if h[3] ~= mark then return { OVERTAKEN, now } end";
            stage.inventory_without("swap_in", check, "")
        } else {
            stage.inventory.clone()
        };
        let keeper = stage.keeper_over(inventory, move |stage, step| async move {
            if step == Step::Fence {
                another_opens_and_redis_is_wiped(&stage, a).await;
            }
            Ok(())
        });
        let tended = stage.tend(&keeper).await.unwrap();
        opened_an_old_epoch_only_without(rule, &stage, a, tended, Step::Swap).await;
        stage.end(rule).await;
    }
}

/// The same for one who stands still before his mark: Redis knows of nobody who came later.
#[tokio::test]
async fn second_look() {
    for rule in Rule::BOTH {
        let stage = Stage::open().await;
        let [a] = stage.shoppers();
        stage.lose_redis().await;
        let own = std::sync::Arc::new(std::sync::Mutex::new([Epoch::default(); 2]));
        let keeper = stage.keeper(move |stage, step| {
            let own = own.clone();
            async move {
                if step == Step::Mark {
                    let mine = stage.epoch().await;
                    another_opens_and_redis_is_wiped(&stage, a).await;
                    *own.lock().unwrap() = [mine, stage.epoch().await];
                }
                let [mine, present] = *own.lock().unwrap();
                match step {
                    Step::Look if rule.is_left_out() => stage.pretend_epoch(mine).await,
                    Step::Fence if rule.is_left_out() => stage.pretend_epoch(present).await,
                    _ => {}
                }
                Ok(())
            }
        });
        let tended = stage.tend(&keeper).await.unwrap();
        opened_an_old_epoch_only_without(rule, &stage, a, tended, Step::Look).await;
        stage.end(rule).await;
    }
}

/// Another keeper is sure that the first one is dead; A is told yes; Redis comes back empty again.
async fn another_opens_and_redis_is_wiped(stage: &Stage, a: ShopperId) {
    stage.locks_are_lost().await;
    stage.open_again().await;
    stage.set(a, PAIR, 1).await;
    stage.take_over().await;
    stage.lose_redis().await;
}

async fn opened_an_old_epoch_only_without(
    rule: Rule,
    stage: &Stage,
    a: ShopperId,
    tended: Tended,
    stopped_at: Step,
) {
    if rule.is_left_out() {
        let Tended::Opened { epoch, .. } = tended else { panic!("{tended:?}") };
        assert!(epoch < stage.epoch().await, "{epoch:?}");
        // in an old epoch, nothing that is said is newer than what was said before
        stage.set(a, PAIR, 0).await;
        stage.open_again().await;
        assert_eq!(stage.in_cart(a, PAIR).await, 1, "he was told that it is gone");
    } else {
        assert_eq!(tended, Tended::Overtaken(stopped_at));
        assert!(!stage.is_open().await);
        stage.open_again().await;
        assert_eq!(stage.in_cart(a, PAIR).await, 1);
        stage.set(a, PAIR, 0).await;
    }
}

/// Only what is older is fenced off: an overtaken keeper who goes on does not cut off the sale
/// that the other one has opened.
#[tokio::test]
async fn an_overtaken_keeper_leaves_newer_bindings_alone() {
    let stage = Stage::open().await;
    let [a] = stage.shoppers();
    stage.lose_redis().await;
    let keeper = stage.keeper(|stage, step| async move {
        if step == Step::Fence {
            stage.locks_are_lost().await;
            stage.open_again().await;
        }
        Ok(())
    });
    let tended = stage.tend(&keeper).await.unwrap();
    assert_eq!(tended, Tended::Overtaken(Step::Swap));
    assert!(matches!(stage.tend(&stage.keeper(nothing)).await, Ok(Tended::Open(_))));
    stage.put(a, PAIR, 1).await.unwrap();
    stage.end(Rule::Kept).await;
}

/// Fenced and dead: every PUT 503 for ever.
#[tokio::test]
async fn epoch_watched() {
    let stage = Stage::open().await;
    let [a] = stage.shoppers();
    // Redis is away for a moment; a keeper finds another one in its place, begins, and dies
    stage.rename("stock", "elsewhere").await;
    stage.tend(&stage.keeper(dies_at(Step::Barrier))).await.unwrap_err();
    stage.rename("elsewhere", "stock").await;

    // whoever asks Redis alone finds the sale open, however long he looks
    for _ in 0..3 {
        assert!(stage.open_epoch().await < stage.epoch().await);
        let told = stage.put(a, PAIR, 1).await;
        assert!(matches!(told, Err(CartLineError::Unavailable { .. })), "{told:?}");
    }
    // whoever compares the epochs does not
    stage.open_again().await;
    assert_eq!(stage.open_epoch().await, stage.epoch().await);
    stage.put(a, PAIR, 1).await.unwrap();
    stage.end(Rule::Kept).await;
}

impl Stage {
    async fn rename(&self, from: &str, to: &str) {
        let mut rename = redis::cmd("RENAME");
        self.app.redis.ask(rename.arg(self.key(from)).arg(self.key(to))).await.unwrap();
    }
}

/// A keeper that dies at any step leaves nothing that the next one cannot mend.
#[tokio::test]
async fn an_opening_that_is_cut_short_at_any_step_begins_again_and_loses_nothing() {
    let stage = Stage::open().await;
    let mut told = Vec::new();
    for (step, redis_is_lost_again) in
        Step::ALL.into_iter().flat_map(|step| [(step, false), (step, true)])
    {
        let [on_paper, in_the_stream, gone] = stage.shoppers();
        stage.set(on_paper, CAP, 1).await;
        stage.set(gone, CAP, 3).await;
        stage.take_over().await;
        stage.set(in_the_stream, CAP, 2).await;
        stage.set(gone, CAP, 0).await;
        told.extend([(on_paper, 1), (in_the_stream, 2), (gone, 0)]);

        stage.lose_redis().await;
        stage.tend(&stage.keeper(dies_at(step))).await.unwrap_err();
        assert!(!stage.is_open().await, "{step}");
        if redis_is_lost_again {
            stage.lose_redis().await;
        }
        stage.open_again().await;
        for (shopper, quantity) in &told {
            assert_eq!(stage.in_cart(*shopper, CAP).await, *quantity, "{step}");
        }
        stage.put(gone, CAP, 0).await.unwrap();
    }
    stage.end(Rule::Kept).await;
}
