//! What Stripe tells by itself, handled: late, twice, out of order, of strangers.

use serde_json::{Value, json};
use stampede::{
    flows::checkout::Handled,
    kernel::{
        clock::Clock,
        ids::{Ids, OrderId},
    },
    shop::{
        orders::OrderStatus,
        payments::{notices::store, stripe::notice},
    },
};

use super::{pending, with_stripe};
use crate::checkout::shop::Shop;

fn event(id: &str, kind: &str, order: &str) -> Value {
    json!({ "id": id, "type": kind, "data": { "object": {
        "id": "pi_1", "object": "payment_intent", "metadata": { "order": order } } } })
}

impl Shop {
    async fn hear(&self, event: &Value) -> bool {
        let notice = notice::read(event.to_string().as_bytes()).unwrap();
        store::insert(&self.pool, &notice, Clock::system().now()).await.unwrap()
    }

    async fn handle(&self) -> Handled {
        self.checkout().handle_notices(100).await.unwrap()
    }
}

const AUTHORISED: &str = "payment_intent.amount_capturable_updated";

#[tokio::test]
async fn a_notice_has_the_provider_asked_at_once() {
    with_stripe(async |shop, server| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let order = pending(shop.pay(shopper, "pm_bank").await);
        // whatever it claims: what counts is how the payment stands
        let lies = event("evt_1", "payment_intent.succeeded", &order.id.to_string());
        assert!(shop.hear(&lies).await);
        assert_eq!(shop.handle().await, Handled { heeded: 1, ..Handled::default() });
        shop.checkout().resume_due(16).await.unwrap();
        assert_eq!(shop.order(order.id).await.status, OrderStatus::Pending);

        server.bank(true);
        let told = event("evt_2", AUTHORISED, &order.id.to_string());
        assert!(shop.hear(&told).await);
        assert!(!shop.hear(&told).await, "a copy is kept once");
        assert_eq!(shop.handle().await.heeded, 1);
        assert_eq!(shop.handle().await, Handled::default());
        shop.checkout().resume_due(16).await.unwrap();
        assert_eq!(shop.order(order.id).await.status, OrderStatus::Paid);

        // out of order, and long after
        let late = event("evt_3", "payment_intent.requires_action", &order.id.to_string());
        assert!(shop.hear(&late).await);
        assert_eq!(shop.handle().await.heeded, 1);
        assert_eq!(shop.checkout().resume_due(16).await.unwrap(), 0);
        assert_eq!(shop.order(order.id).await.status, OrderStatus::Paid);
    })
    .await;
}

#[tokio::test]
async fn strangers_and_unknown_kinds_are_kept_and_not_acted_on() {
    with_stripe(async |shop, _| {
        let order = Ids::random().order().to_string();
        let mut connected = event("evt_1", AUTHORISED, &order);
        connected["account"] = json!("acct_of_somebody_else");
        let odd = [
            connected,
            event("evt_2", "customer.created", &order),
            event("evt_3", AUTHORISED, "not an order"),
            json!({ "id": "evt_4", "type": "balance.available", "data": { "object": {} } }),
        ];
        for event in &odd {
            assert!(shop.hear(event).await);
        }
        assert_eq!(shop.handle().await, Handled { ignored: 4, ..Handled::default() });
        assert_eq!(shop.count("payment_notices WHERE handled_at IS NULL").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_notice_before_its_order_waits_and_one_without_is_parked() {
    with_stripe(async |shop, server| {
        let shopper = shop.shopper_with(&[("A", 1)]).await;
        let order = pending(shop.pay(shopper, "pm_bank").await);
        let stranger: OrderId = Ids::random().order();
        assert!(shop.hear(&event("evt_1", AUTHORISED, &stranger.to_string())).await);
        assert_eq!(shop.handle().await, Handled { put_off: 1, ..Handled::default() });
        assert_eq!(shop.handle().await, Handled::default(), "it waits");
        // the order comes after all
        let sql = "UPDATE payment_notices SET order_id = $1, next_try_at = now() - interval '1 s'";
        sqlx::query(sql).bind(order.id.0).execute(&shop.pool).await.unwrap();
        assert_eq!(shop.handle().await.heeded, 1);

        assert!(shop.hear(&event("evt_2", AUTHORISED, &stranger.to_string())).await);
        let mut handled = Handled::default();
        for _ in 0..30 {
            shop.write("UPDATE payment_notices SET next_try_at = now() - interval '1 s'").await;
            handled = shop.handle().await;
            if handled.parked > 0 {
                break;
            }
        }
        assert_eq!(handled.parked, 1);
        let letter = "dead_letters WHERE source = 'payment-notices' AND position = 'stripe evt_2'";
        assert_eq!(shop.count(letter).await, 1);
        server.bank(true);
        shop.resume().await;
        assert_eq!(shop.order(order.id).await.status, OrderStatus::Paid);
    })
    .await;
}
