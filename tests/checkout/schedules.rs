//! The original owner and two resumers at once, on a line that loses, repeats and delays, by a clock
//! that is moved.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use futures_util::FutureExt;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use stampede::{
    flows::checkout::{Checkout, Moment},
    kernel::clock::Clock,
    shop::payments::sandbox::Card,
};

use super::{providers::Line, shop::Shop};

/// Shoppers of one schedule.
const SHOPPERS: usize = 4;
/// Rounds after which the line is good and time does what it must.
const ROUGH: usize = 25;

/// Lets owners pause, and die, where the dice say so.
fn at_random(checkout: Checkout, dice: &Arc<Mutex<StdRng>>) -> Checkout {
    let dice = dice.clone();
    checkout.with_schedule(Arc::new(move |_: Moment| {
        let (dies, millis) = {
            let mut dice = dice.lock().unwrap();
            (dice.random_range(0..12) == 0, dice.random_range(0..15))
        };
        async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            !dies
        }
        .boxed()
    }))
}

/// One schedule. Gives the orders for which money is blocked or taken and nothing is owed; what else
/// must hold at its end is checked by the shop. The control's provider does not keep to the rule
/// that a void cancels the key.
pub(super) async fn run(shop: &Shop, seed: u64, control: bool) -> i64 {
    let dice = Arc::new(Mutex::new(StdRng::seed_from_u64(seed)));
    let ahead = Arc::new(AtomicI64::new(0));
    let clock = {
        let ahead = ahead.clone();
        let system = Clock::system();
        Clock::from_fn(move || system.now() + TimeDelta::seconds(ahead.load(Ordering::SeqCst)))
    };
    let line = Line::bad(shop.sandbox(), 4, seed);
    let line = if control { line.forgetting_voids(shop.pool.clone()) } else { line };
    let rough = shop.at(clock.clone()).paying_with(line);
    let roll = |sides: u32| dice.lock().unwrap().random_range(0..sides);

    let mut buying = Vec::new();
    for n in 0..SHOPPERS {
        let shopper = shop.shopper_with(&[("A", 1), ("B", 1)]).await;
        let card = if n == 0 { Card::Declined } else { Card::Ok };
        let (owner, rough) = (at_random(rough.checkout(), &dice), rough.clone());
        buying.push(tokio::spawn(async move {
            let _ = owner.place(rough.purchase(shopper, "key", card)).await;
        }));
    }
    let resumers = [at_random(rough.checkout(), &dice), at_random(rough.checkout(), &dice)];
    for round in 0..ROUGH {
        tokio::time::sleep(Duration::from_millis(u64::from(roll(20)))).await;
        // leases end before their owners do
        shop.leases_end().await;
        if roll(10) == 0 || (control && round == 0) {
            // more than a checkout may take
            ahead.fetch_add(301, Ordering::SeqCst);
        }
        let both = resumers.iter().map(|resumer| resumer.resume_due(3));
        for taken in futures_util::future::join_all(both).await {
            taken.unwrap();
        }
    }
    for task in buying {
        task.await.unwrap();
    }
    // what was said late has arrived by now
    let late = if control { Line::LATE * 2 } else { Duration::from_millis(60) };
    tokio::time::sleep(late).await;
    let good = shop.at(clock).paying_with(Line::good(shop.sandbox()));
    good.resume().await;
    for status in ["pending", "refunded"] {
        let sql = format!("orders WHERE status = '{status}'");
        assert_eq!(shop.count(&sql).await, 0, "seed {seed}");
    }
    let blocked = "orders o JOIN sandbox_payments p ON p.key = o.id
                   WHERE p.status IN ('authorised', 'captured') AND o.status <> 'paid'";
    shop.count(blocked).await
}
