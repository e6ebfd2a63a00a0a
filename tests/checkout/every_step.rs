//! Every step of the saga, cut in every way. The steps are the saga's own list: a new one that no
//! purchase here comes by fails [`every_step_is_come_by`].

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use futures_util::FutureExt;
use stampede::{
    flows::checkout::{Checkout, Moment, Placed, Step},
    kernel::ids::{OrderId, ShopperId},
    shop::{orders::OrderStatus, payments::sandbox::Card},
};

use super::{
    providers::Line,
    shop::{Set, Shop, connect, in_shop},
};

/// For the process that is to be killed: database, shopper, card, moment.
const VICTIM: &str = "STAMPEDE_TEST_VICTIM";

/// What a purchase may come to, and how.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Paid,
    Declined,
    /// The merchant cancels it as soon as it stands at the moment of the cut.
    Cancelled,
}

impl Ending {
    fn card(self) -> Card {
        if matches!(self, Self::Declined) { Card::Declined } else { Card::Ok }
    }
}

/// Both moments of every step, the last one aside, at which there is nothing left to do.
fn moments() -> Vec<Moment> {
    let steps = Step::ALL.into_iter().filter(|step| *step != Step::Done);
    steps.flat_map(|step| [Moment::Recorded(step), Moment::Happened(step)]).collect()
}

fn step_of(moment: Moment) -> Step {
    match moment {
        Moment::Recorded(step) | Moment::Happened(step) => step,
    }
}

/// Whether money may be taken already when an owner is cut there.
fn too_late(moment: Moment) -> bool {
    matches!(step_of(moment), Step::Capture | Step::Finish)
}

impl Shop {
    /// The moments that a purchase which nobody disturbs comes by.
    async fn moments_of(&self, card: Card) -> Vec<Moment> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = seen.clone();
        let watched = self.checkout().with_schedule(Arc::new(move |moment| {
            noted.lock().unwrap().push(moment);
            std::future::ready(true).boxed()
        }));
        let shopper = self.shopper_with(&[("A", 1)]).await;
        watched.place(self.purchase(shopper, "key", card)).await.unwrap();
        let seen = seen.lock().unwrap();
        seen.clone()
    }

    /// An owner for whom every effect takes place, and is on record only the third time.
    fn stammering(&self) -> Checkout {
        let times = Arc::new(Mutex::new(std::collections::HashMap::new()));
        self.checkout().with_schedule(Arc::new(move |moment| {
            let Moment::Happened(step) = moment else { return std::future::ready(true).boxed() };
            let mut times = times.lock().unwrap();
            let count = times.entry(step.as_str()).or_insert(0);
            *count += 1;
            std::future::ready(*count % 3 == 0).boxed()
        }))
    }

    async fn cut_order(&self, shopper: ShopperId) -> OrderId {
        let id = sqlx::query_scalar("SELECT id FROM orders WHERE shopper_id = $1")
            .bind(shopper.0)
            .fetch_one(&self.pool)
            .await
            .unwrap();
        OrderId(id)
    }

    /// The purchase that was cut is carried to its end, by owners who stammer or do not.
    async fn carried_to_its_end(&self, shopper: ShopperId, ending: Ending, moment: Moment) {
        let order = self.cut_order(shopper).await;
        if matches!(ending, Ending::Cancelled) {
            self.checkout().cancel(order).await.unwrap();
        }
        let stammering = self.stammering();
        while self.count("checkouts WHERE step <> 'done'").await > 0 {
            self.leases_end().await;
            stammering.resume_due(16).await.unwrap();
        }
        let status = self.order(order).await.status;
        let expected = match ending {
            Ending::Paid => OrderStatus::Paid,
            Ending::Declined => OrderStatus::Declined,
            Ending::Cancelled if too_late(moment) => OrderStatus::Paid,
            // who was refused before he was cancelled stays refused
            Ending::Cancelled => OrderStatus::Cancelled,
        };
        assert_eq!(status, expected, "{ending:?} {moment:?}");
        let charge = self.charge(order).await;
        let captured = charge.as_deref() == Some("captured");
        assert_eq!(captured, status == OrderStatus::Paid, "{ending:?} {moment:?}: {charge:?}");
        let told = format!("outbox WHERE convert_from(body, 'UTF8') LIKE '%{order}%'");
        assert_eq!(self.count(&told).await, 1, "{ending:?} {moment:?}: told once");
    }
}

#[tokio::test]
async fn every_step_is_come_by() {
    in_shop(Set::default(), async |shop| {
        let shop = shop.paying_with(Line::good(shop.sandbox()));
        let mut seen = BTreeSet::new();
        for card in [Card::Ok, Card::Declined] {
            seen.extend(shop.moments_of(card).await.iter().map(|m| format!("{m:?}")));
        }
        let all: BTreeSet<String> = moments().iter().map(|m| format!("{m:?}")).collect();
        assert_eq!(seen, all);
    })
    .await;
}

/// Fails before each step, and after it with the reply lost; what follows is done three times by
/// three owners, undos included; for purchases that are paid, declined and cancelled.
#[tokio::test]
async fn a_purchase_cut_anywhere_ends_as_one_that_was_not() {
    in_shop(Set { total: 1_000, ..Set::default() }, async |shop| {
        let shop = shop.paying_with(Line::good(shop.sandbox()));
        let mut cuts = 0;
        for ending in [Ending::Paid, Ending::Declined, Ending::Cancelled] {
            for moment in shop.moments_of(ending.card()).await {
                let shopper = shop.shopper_with(&[("A", 1), ("B", 2)]).await;
                let cut = shop.killed_at(moment);
                let _ = cut.place(shop.purchase(shopper, "key", ending.card())).await;
                shop.carried_to_its_end(shopper, ending, moment).await;
                cuts += 1;
            }
        }
        assert_eq!(cuts, 12 + 10 + 12);
    })
    .await;
}

/// The same with a process that is killed, and nothing of it left but what is on record.
#[tokio::test]
async fn a_process_killed_anywhere_loses_nothing() {
    in_shop(Set { total: 1_000, ..Set::default() }, async |shop| {
        let shop = shop.paying_with(Line::good(shop.sandbox()));
        for ending in [Ending::Paid, Ending::Declined] {
            for moment in shop.moments_of(ending.card()).await {
                let shopper = shop.shopper_with(&[("A", 1), ("B", 2)]).await;
                kill_at(&shop, shopper, ending.card(), moment).await;
                shop.carried_to_its_end(shopper, ending, moment).await;
            }
        }
    })
    .await;
}

/// Starts a process that buys, and kills it at the moment.
async fn kill_at(shop: &Shop, shopper: ShopperId, card: Card, moment: Moment) {
    let told = format!("{}|{shopper}|{}|{moment:?}", shop.name(), card.as_str());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["checkout::every_step::the_process_that_is_killed", "--exact", "--ignored"])
        .arg("--nocapture")
        .env(VICTIM, told)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    tokio::task::spawn_blocking(move || {
        let stands = lines.any(|line| line.is_ok_and(|line| line.ends_with("it stands there")));
        assert!(stands, "the process never came to {moment:?}");
        child.kill().unwrap();
        child.wait().unwrap();
    })
    .await
    .unwrap();
}

/// Buys until the moment it was told, and stands there until it is killed.
#[tokio::test]
#[ignore = "started by a_process_killed_anywhere_loses_nothing"]
async fn the_process_that_is_killed() {
    let Ok(told) = std::env::var(VICTIM) else { return };
    let [name, shopper, card, moment] = told.split('|').collect::<Vec<_>>()[..] else { panic!() };
    let (shopper, card): (ShopperId, Card) = (shopper.parse().unwrap(), card.parse().unwrap());
    let shop = Shop::join(connect(name).await, name, Set::default()).await;
    let shop = shop.paying_with(Line::good(shop.sandbox()));
    let moment = moment.to_owned();
    let stands = shop.checkout().with_schedule(Arc::new(move |now| {
        let here = format!("{now:?}") == moment;
        async move {
            if here {
                println!("it stands there");
                std::future::pending::<()>().await;
            }
            true
        }
        .boxed()
    }));
    let _ = stands.place(shop.purchase(shopper, "key", card)).await;
    // the checkout outlives the shopper's patience, and this process is to be killed
    std::future::pending::<()>().await;
}

/// The original and two resumers at once, under random schedules.
#[tokio::test]
async fn owners_who_meet_on_a_bad_line_charge_once() {
    for seed in 0..12 {
        in_shop(Set::default(), async |shop| {
            assert_eq!(super::schedules::run(&shop, seed, false).await, 0, "seed {seed}");
        })
        .await;
    }
}

/// Such schedules find a provider that does not cancel the key with a void.
#[tokio::test]
async fn a_void_that_does_not_cancel_the_key_is_found_out() {
    for seed in 0..20 {
        let mut blocked = 0;
        in_shop(Set::default(), async |shop| {
            blocked = super::schedules::run(&shop, seed, true).await;
            shop.write("DELETE FROM sandbox_payments WHERE status = 'authorised'").await;
        })
        .await;
        if blocked > 0 {
            return;
        }
    }
    panic!("no schedule left money blocked");
}

#[tokio::test]
async fn a_cut_purchase_answers_its_key() {
    in_shop(Set::default(), async |shop| {
        let shop = shop.paying_with(Line::good(shop.sandbox()));
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let purchase = || shop.purchase(shopper, "key", Card::Ok);
        let cut = shop.killed_at(Moment::Recorded(Step::Capture)).place(purchase()).await;
        let Ok(Placed::Pending(order)) = cut else { panic!("{cut:?}") };
        shop.resume().await;
        let again = shop.checkout().place(purchase()).await;
        assert!(matches!(again, Ok(Placed::Paid(paid)) if paid.id == order.id));
    })
    .await;
}
