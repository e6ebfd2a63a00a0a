//! Stripe, scripted: what the adapter says, and what becomes of purchases whatever it answers.

mod mock;
mod notices;
mod refunding;
pub(crate) mod server;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use stampede::{
    flows::{
        checkout::{CheckoutError, Moment, Placed, Step},
        reconciliation::{Auditor, Difference},
    },
    kernel::{
        clock::{Clock, from_millis},
        ids::ShopperId,
    },
    platform::secret::{Secret, ServiceUrl},
    shop::{
        orders::{Order, OrderStatus},
        payments::{
            Method,
            stripe::{Settings, Stripe},
        },
    },
};

use self::server::{Server, Trouble};
use super::shop::{Set, Shop, in_shop};

/// How long the adapter waits for an answer.
const TIMEOUT: Duration = Duration::from_millis(700);

fn stripe(server: &Server) -> Stripe {
    let api_url: ServiceUrl = serde_json::from_value(server.url.clone().into()).unwrap();
    let settings = Settings {
        api_url,
        secret_key: Secret::new("sk_test_scripted"),
        timeout: TIMEOUT,
        public_url: "https://shop.example".to_owned(),
    };
    Stripe::new(settings).unwrap()
}

/// Runs a test in a shop that is paid by a scripted Stripe. At its end Stripe's book agrees.
async fn with_stripe<F: Future<Output = ()>>(test: impl FnOnce(Shop, Server) -> F) {
    in_shop(Set::default(), async |shop| {
        let server = Server::start();
        let shop = shop.paying_with(stripe(&server));
        test(shop.clone(), server.clone()).await;
        assert_eq!(shop.differences().await, []);
        assert!(!server.statuses().iter().any(|status| status == "requires_capture"));
    })
    .await;
}

impl Shop {
    async fn pay(&self, shopper: ShopperId, method: &str) -> Result<Placed, CheckoutError> {
        let method: Method = method.parse().unwrap();
        let card = stampede::shop::payments::sandbox::Card::Ok;
        let purchase = self.purchase(shopper, "key", card);
        self.checkout().place(stampede::flows::checkout::Purchase { method, ..purchase }).await
    }

    async fn differences(&self) -> Vec<Difference> {
        let payments = self.payments.clone();
        let auditor = Auditor::new(self.pool.clone(), self.inventory.clone(), payments);
        auditor.payments(from_millis(0)).await.unwrap()
    }
}

fn paid(placed: Result<Placed, CheckoutError>) -> Order {
    let Ok(Placed::Paid(order)) = placed else { panic!("{placed:?}") };
    order
}

fn pending(placed: Result<Placed, CheckoutError>) -> Order {
    let Ok(Placed::Pending(order)) = placed else { panic!("{placed:?}") };
    order
}

#[tokio::test]
async fn an_intent_is_made_stored_confirmed_and_captured() {
    with_stripe(async |shop, server| {
        let shopper = shop.shopper_with(&[("A", 1), ("B", 2)]).await;
        let order = paid(shop.pay(shopper, "pm_card_visa").await);
        assert_eq!(order.payment_reference.as_deref(), Some("pi_1"));
        assert_eq!(order.provider, "stripe");
        let seen = server.seen();
        let paths: Vec<_> = seen.iter().map(|seen| seen.path.as_str()).collect();
        assert_eq!(
            paths,
            ["payment_intents", "payment_intents/pi_1/confirm", "payment_intents/pi_1/capture"]
        );
        let create = &seen[0];
        assert_eq!(create.form["amount"], "1500");
        assert_eq!(create.form["currency"], "eur");
        assert_eq!(create.form["metadata[order]"], order.id.to_string());
        assert_eq!(create.form["metadata[sale]"], "shoes");
        let version = seen.iter().map(|seen| seen.version.as_deref());
        assert!(version.into_iter().all(|version| version == Some("2025-09-30.clover")));
        let keys: Vec<_> = seen.iter().filter_map(|seen| seen.key.clone()).collect();
        let id = order.id;
        assert_eq!(keys, [format!("{id}"), format!("{id}-confirm"), format!("{id}-capture")]);
    })
    .await;
}

#[tokio::test]
async fn refusals_are_told_in_words_and_leave_nothing_behind() {
    with_stripe(async |shop, server| {
        for (method, reason) in
            [("pm_declined", "insufficient_funds"), ("pm_missing", "payment_method_invalid")]
        {
            let shopper = shop.shopper_with(&[("A", 1)]).await;
            let placed = shop.pay(shopper, method).await;
            let Ok(Placed::Declined(order)) = placed else { panic!("{placed:?}") };
            assert_eq!(order.reason.as_deref(), Some(reason));
            assert_eq!(shop.cart(shopper).await.lines.len(), 1, "the hold stays");
        }
        assert_eq!(server.statuses(), ["canceled", "canceled"]);
    })
    .await;
}

#[tokio::test]
async fn what_stripe_cannot_take_is_refused_before_there_is_an_order() {
    with_stripe(async |shop, _| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        for odd in ["card_ok", "pm_", "pm_ä", "src_123"] {
            let Ok(method) = odd.parse::<Method>() else { continue };
            let known = shop.payments.current().accepts(&method).is_ok();
            assert_eq!(known, odd == "pm_", "{odd}");
        }
        let refused = shop.pay(shopper, "card_ok").await;
        assert!(matches!(refused, Err(CheckoutError::Method(_))), "{refused:?}");
        // 0.49 is less than Stripe charges
        shop.write("UPDATE skus SET price_minor = 49 WHERE sku = 'B'").await;
        let small = shop.shopper_with(&[("B", 1)]).await;
        let refused = shop.pay(small, "pm_card_visa").await;
        assert!(matches!(refused, Err(CheckoutError::Total(_))), "{refused:?}");
        assert_eq!(shop.count("orders").await, 0);
    })
    .await;
}

/// Whatever goes wrong with whichever request, and once or three times: paid once.
#[tokio::test]
async fn whatever_stripe_answers_the_purchase_is_paid_once() {
    let troubles = [
        Trouble::Silence,
        Trouble::Lost,
        Trouble::HalfBody,
        Trouble::Html,
        Trouble::Status(429),
        Trouble::Status(500),
        Trouble::Status(409),
    ];
    with_stripe(async |shop, server| {
        let mut orders = 0;
        for trouble in troubles {
            for path in ["payment_intents", "confirm", "capture"] {
                for times in [1, 3] {
                    for _ in 0..times {
                        server.trouble(path, trouble);
                    }
                    let shopper = shop.shopper_with(&[("A", 1)]).await;
                    let _ = shop.pay(shopper, "pm_card_visa").await;
                    shop.resume().await;
                    orders += 1;
                    let paid = shop.count("orders WHERE status = 'paid'").await;
                    assert_eq!(paid, orders, "{trouble:?} at {path}, {times} times");
                }
            }
        }
        assert_eq!(server.statuses(), vec!["succeeded"; usize::try_from(orders).unwrap()]);
    })
    .await;
}

#[tokio::test]
async fn an_intent_for_another_amount_or_currency_is_never_paid() {
    with_stripe(async |shop, server| {
        for trouble in [Trouble::OtherAmount, Trouble::OtherCurrency] {
            for path in ["payment_intents", "confirm"] {
                let before = shop.count("orders WHERE status = 'paid'").await;
                server.trouble(path, trouble);
                let shopper = shop.shopper_with(&[("A", 1)]).await;
                let order = pending(shop.pay(shopper, "pm_card_visa").await);
                assert_eq!(shop.count("orders WHERE status = 'paid'").await, before);
                // it says the truth when it is asked again
                shop.resume().await;
                assert_eq!(shop.order(order.id).await.status, OrderStatus::Paid, "{path}");
            }
        }
    })
    .await;
}

/// What should not be is tried a few times, and then an operator is called, with all that is known.
#[tokio::test]
async fn what_stays_wrong_goes_to_an_operator_and_is_done_when_he_says_so() {
    with_stripe(async |shop, server| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        for _ in 0..6 {
            server.trouble("capture", Trouble::OtherAmount);
        }
        let order = pending(shop.pay(shopper, "pm_card_visa").await);
        for _ in 0..8 {
            shop.write(
                "UPDATE checkouts SET lease_until = clock_timestamp() WHERE parked_at IS NULL",
            )
            .await;
            shop.checkout().resume_due(16).await.unwrap();
        }
        assert_eq!(shop.count("checkouts WHERE parked_at IS NOT NULL").await, 1);
        let told = format!(
            "dead_letters WHERE source = 'checkouts' AND position = '{}'
             AND convert_from(payload, 'UTF8')::jsonb ->> 'payment_reference' = 'pi_1'",
            order.id
        );
        assert_eq!(shop.count(&told).await, 1);
        assert_eq!(shop.units("A").await.sold, 1, "the units stay with the order");
        let found = shop.differences().await;
        assert_eq!(found.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>(), ["parked"]);
        // nobody tries, until somebody says so
        shop.checkout().resume_due(16).await.unwrap();
        assert_eq!(shop.order(order.id).await.status, OrderStatus::Pending);
        shop.checkout().wake(order.id).await.unwrap();
        shop.checkout().resume_due(16).await.unwrap();
        assert_eq!(shop.order(order.id).await.status, OrderStatus::Paid);
        shop.checkout().wake(order.id).await.unwrap();
        assert_eq!(shop.checkout().resume_due(16).await.unwrap(), 0, "done is done");
    })
    .await;
}

#[tokio::test]
async fn a_bank_that_wants_to_see_the_shopper_is_waited_for() {
    with_stripe(async |shop, server| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let order = pending(shop.pay(shopper, "pm_bank").await);
        assert_eq!(order.payment_action.as_deref(), Some("https://bank.example/3ds"));
        assert_eq!(server.count("POST", "/confirm"), 1);
        server.bank(true);
        shop.checkout().wake(order.id).await.unwrap();
        shop.checkout().resume_due(16).await.unwrap();
        let order = shop.order(order.id).await;
        assert_eq!((order.status, order.payment_action), (OrderStatus::Paid, None));
        assert_eq!(server.count("POST", "/confirm"), 1, "never confirmed again");

        // who fails there is declined, and his cart is his still
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let order = pending(shop.pay(shopper, "pm_bank").await);
        server.bank(false);
        shop.resume().await;
        let order = shop.order(order.id).await;
        assert_eq!(order.status, OrderStatus::Declined);
        assert_eq!(order.reason.as_deref(), Some("authentication_failed"));
    })
    .await;
}

#[tokio::test]
async fn a_shopper_who_never_comes_back_from_his_bank_is_charged_nothing() {
    with_stripe(async |shop, server| {
        let ahead = Arc::new(AtomicI64::new(0));
        let moved = ahead.clone();
        let system = Clock::system();
        let clock =
            Clock::from_fn(move || system.now() + TimeDelta::seconds(moved.load(Ordering::SeqCst)));
        let shop = shop.at(clock);
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let order = pending(shop.pay(shopper, "pm_bank").await);
        shop.leases_end().await;
        shop.checkout().resume_due(16).await.unwrap();
        assert_eq!(shop.order(order.id).await.status, OrderStatus::Pending);
        ahead.store(301, Ordering::SeqCst);
        shop.resume().await;
        let order = shop.order(order.id).await;
        assert_eq!(order.status, OrderStatus::Declined);
        assert_eq!(order.reason.as_deref(), Some("payment_timeout"));
        // back too late: the intent is cancelled
        server.bank(true);
        assert_eq!(server.statuses(), ["canceled"]);
    })
    .await;
}

#[tokio::test]
async fn a_merchant_who_cancels_is_heard_until_money_is_taken() {
    with_stripe(async |shop, server| {
        // while the bank waits for the shopper
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let order = pending(shop.pay(shopper, "pm_bank").await);
        assert!(shop.checkout().cancel(order.id).await.unwrap());
        shop.checkout().resume_due(16).await.unwrap();
        let order = shop.order(order.id).await;
        assert_eq!(order.status, OrderStatus::Cancelled);
        assert_eq!(order.reason.as_deref(), Some("cancelled_by_merchant"));
        assert_eq!(server.statuses(), ["canceled"]);
        assert!(!shop.checkout().cancel(order.id).await.unwrap(), "it is final");

        // at the same instant as the capture: before its record he is heard, after it he is not
        for (moment, expected) in [
            (Moment::Recorded(Step::Settle), OrderStatus::Cancelled),
            (Moment::Happened(Step::Settle), OrderStatus::Cancelled),
            (Moment::Recorded(Step::Capture), OrderStatus::Paid),
            (Moment::Happened(Step::Capture), OrderStatus::Paid),
        ] {
            let shopper = shop.shopper_with(&[("A", 1)]).await;
            let cancels = |shop: Shop| async move {
                let id: uuid::Uuid =
                    sqlx::query_scalar("SELECT order_id FROM checkouts WHERE step <> 'done'")
                        .fetch_one(&shop.pool)
                        .await
                        .unwrap();
                let order = stampede::kernel::ids::OrderId(id);
                shop.checkout().cancel(order).await.unwrap();
            };
            let (checkout, _) = shop.meanwhile(moment, cancels);
            let card = stampede::shop::payments::sandbox::Card::Ok;
            let purchase = stampede::flows::checkout::Purchase {
                method: "pm_card_visa".parse().unwrap(),
                ..shop.purchase(shopper, "key", card)
            };
            let _ = checkout.place(purchase).await;
            let sql = "SELECT id FROM orders WHERE shopper_id = $1";
            let id = sqlx::query_scalar(sql).bind(shopper.0).fetch_one(&shop.pool).await.unwrap();
            let order = shop.order(stampede::kernel::ids::OrderId(id)).await;
            assert_eq!(order.status, expected, "{moment:?}");
        }
    })
    .await;
}

/// Differences have names, and what may be mended by a program is.
#[tokio::test]
async fn an_audit_names_what_stripe_holds_that_no_order_accounts_for() {
    with_stripe(async |shop, server| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let placed = shop.pay(shopper, "pm_declined").await;
        assert!(matches!(placed, Ok(Placed::Declined(_))), "{placed:?}");
        server.authorise_past_the_shop();
        let found = shop.differences().await;
        assert_eq!(
            found.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>(),
            ["authorised_not_paid"]
        );
        let auditor =
            Auditor::new(shop.pool.clone(), shop.inventory.clone(), shop.payments.clone());
        assert_eq!(auditor.mend(&found[0]).await.unwrap(), Some("voided"));
    })
    .await;
}
