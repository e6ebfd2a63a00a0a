//! How letters look: on a phone and at a desk, by day and by night.

use base64::{Engine, engine::general_purpose::STANDARD};
use stampede::shop::{
    events::Fact,
    webhooks::{self, Disabled},
};

use super::{
    desk::{Bought, at_desk, event, order_fact, refunded},
    maildev::MailDev,
};
use crate::pages::browser::{Browser, Kind};

#[tokio::test]
async fn letters_are_readable_everywhere() {
    let server = MailDev::start().await;
    at_desk(&[("STAMPEDE_MAIL__URL", &server.setting())], |desk| async move {
        let order = desk.order(Bought::default()).await;
        desk.write(
            "INSERT INTO order_lines (order_id, sku, title, quantity, unit_price_minor)
             SELECT id, 'LONG', 'Kurzstreckenspezialausführungslaufschuh «Rennsteig» – EU 43 1/2', 1,
                    123456 FROM orders",
        )
        .await;
        desk.write("UPDATE orders SET total_minor = 149256").await;
        desk.ask_for_mail(&event(Fact::OrderPaid(order_fact(order, "paid", None)))).await;
        let back = refunded(&desk, order, 12_900).await;
        desk.ask_for_mail(&back).await;
        let bought = Bought {
            status: "declined",
            reason: Some("card_declined"),
            name: "Ada",
            ..Bought::default()
        };
        let declined = desk.order(bought).await;
        let declined = order_fact(declined, "declined", Some("card_declined"));
        desk.ask_for_mail(&event(Fact::OrderDeclined(declined))).await;
        let hook = desk.endpoint("https://erp.night.example/hooks/stampede?shop=1").await;
        desk.ask_for_deliveries(&desk.paid().await).await;
        webhooks::store::failed(&desk.pool, hook, std::time::Duration::ZERO).await.unwrap();
        webhooks::store::disable(&desk.pool, hook, Disabled::Failing).await.unwrap();
        let topic = stampede::shop::mail::Topic::EndpointDisabled(hook);
        let id = uuid::Uuid::new_v4();
        stampede::shop::mail::store::insert(&desk.pool, id, id, topic).await.unwrap();
        assert_eq!(desk.mailing().send_due(4).await.unwrap().sent, 4);

        // as it came: the server's own view leaves out what it does not trust
        let browser = Browser::open("data:text/html;charset=utf-8;base64,", Kind::Phone).await;
        for mail in server.mails().await {
            browser.goto(&STANDARD.encode(mail["html"].as_str().unwrap())).await;
            let subject = mail["subject"].as_str().unwrap().split(':').next().unwrap();
            browser.looks(&format!("mail-{}", subject.to_lowercase().replace(' ', "-"))).await;
        }
        browser.close().await;
    })
    .await;
}
