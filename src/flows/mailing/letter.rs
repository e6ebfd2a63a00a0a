//! What mails say: plain words, from one text and one HTML file each.
//!
//! Titles and names were typed by people. In HTML they are escaped; everywhere they become one line
//! of bounded length, so that none can pass for another part of the letter. What a buyer typed stands
//! in letters of orders that were paid only: else anybody could have us write to anybody, for nothing.

use askama::Template;
use sqlx::PgPool;

use crate::{
    kernel::{
        ids::{EndpointId, OrderId},
        money::Money,
    },
    platform::{config::Config, mailer::Letter},
    shop::{
        mail::{Mail, Topic},
        orders::{self, Order, OrderLine, receipt::Receipt},
        webhooks::{self, Disabled, Endpoint},
    },
};

/// Characters of a title or a name.
const LONGEST: usize = 120;

/// Why there is no letter.
pub(super) enum Unwritten {
    /// What it tells of is not there, or there is nobody to be told.
    Never(String),
    /// It cannot be read now.
    Later(anyhow::Error),
}

impl From<sqlx::Error> for Unwritten {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => {
                Self::Never(error.to_string())
            }
            _ => Self::Later(error.into()),
        }
    }
}

impl From<askama::Error> for Unwritten {
    fn from(error: askama::Error) -> Self {
        Self::Never(error.to_string())
    }
}

/// What a letter to a buyer may say.
struct Purchase {
    shop: String,
    subject: String,
    sale: String,
    number: String,
    name: String,
    lines: Vec<Line>,
    total: String,
    /// What was given back by this refund, and in all when that is more.
    refund: String,
    refunded: Option<String>,
    /// All of it was given back.
    whole: bool,
    why: &'static str,
    link: Option<String>,
}

struct Line {
    title: String,
    quantity: String,
    price: String,
}

/// What a letter to the merchant says.
struct Notice {
    shop: String,
    subject: String,
    id: EndpointId,
    url: String,
    why: String,
    waiting: i64,
}

macro_rules! letters {
    ($($name:ident of $data:ty: $text:literal, $html:literal;)*) => {$(
        mod $name {
            use super::*;

            #[derive(Template)]
            #[template(path = $text, config = "src/flows/mailing/askama.toml")]
            struct Text<'a> { it: &'a $data }

            #[derive(Template)]
            #[template(path = $html, config = "src/flows/mailing/askama.toml")]
            struct Html<'a> { it: &'a $data }

            pub(super) fn render(it: &$data) -> askama::Result<(String, String)> {
                Ok((Text { it }.render()?, Html { it }.render()?))
            }
        }
    )*};
}

letters! {
    order_paid of Purchase: "order-paid.txt", "order-paid.html";
    payment_failed of Purchase: "payment-failed.txt", "payment-failed.html";
    order_refunded of Purchase: "order-refunded.txt", "order-refunded.html";
    endpoint_disabled of Notice: "endpoint-disabled.txt", "endpoint-disabled.html";
}

/// Writes a mail, from what is true now.
pub(super) async fn write(
    pool: &PgPool,
    config: &Config,
    shop: &str,
    mail: &Mail,
) -> Result<Letter, Unwritten> {
    let about = |order, subject, refund| purchase(pool, config, shop, order, (subject, refund));
    let (to, subject, (text, html)) = match mail.topic {
        Topic::OrderPaid(order) => {
            let (to, it) = about(order, "Your order is paid", 0).await?;
            let rendered = order_paid::render(&it)?;
            (to, it.subject, rendered)
        }
        Topic::PaymentFailed(order) => {
            let (to, it) = about(order, "Your order was not paid", 0).await?;
            let rendered = payment_failed::render(&it)?;
            (to, it.subject, rendered)
        }
        Topic::OrderRefunded(order, amount) => {
            let (to, it) = about(order, "Your refund", amount).await?;
            let rendered = order_refunded::render(&it)?;
            (to, it.subject, rendered)
        }
        Topic::EndpointDisabled(endpoint) => {
            let (to, it) = notice(pool, config, shop, endpoint).await?;
            let rendered = endpoint_disabled::render(&it)?;
            (to, it.subject, rendered)
        }
    };
    Ok(Letter { id: mail.id, kind: mail.topic.kind(), to, subject, text, html })
}

async fn purchase(
    pool: &PgPool,
    config: &Config,
    shop: &str,
    id: OrderId,
    kind: (&str, i64),
) -> Result<(String, Purchase), Unwritten> {
    let mut conn = pool.acquire().await?;
    let order = orders::store::by_id(&mut conn, id).await?;
    let receipt = orders::receipt::of(&mut *conn, id).await?;
    let (Some(order), Some(receipt)) = (order, receipt) else {
        return Err(Unwritten::Never(format!("there is no order {id}")));
    };
    let link = config.web.absolute(&format!("/orders/{id}"));
    let it = Purchase::new(shop, kind, &order, &receipt, link);
    Ok((receipt.email, it))
}

impl Purchase {
    fn new(
        shop: &str,
        (subject, refund): (&str, i64),
        order: &Order,
        receipt: &Receipt,
        link: Option<String>,
    ) -> Self {
        let sale = one_line(&receipt.sale_title);
        let money = |amount| Money { amount, ..order.total };
        Self {
            shop: one_line(shop),
            subject: format!("{subject}: {sale}"),
            sale,
            number: order.id.to_string(),
            name: one_line(&receipt.name),
            lines: order.lines.iter().map(Line::new).collect(),
            total: order.total.to_string(),
            refund: money(refund).to_string(),
            refunded: (receipt.refunded_minor > refund)
                .then(|| money(receipt.refunded_minor).to_string()),
            whole: receipt.refunded_minor >= order.total.amount,
            why: why(order.reason.as_deref()),
            link,
        }
    }
}

impl Line {
    fn new(line: &OrderLine) -> Self {
        let price = line.unit_price.times(line.quantity).unwrap_or(line.unit_price);
        Self {
            title: one_line(&line.title),
            quantity: i64::from(line.quantity).to_string(),
            price: price.to_string(),
        }
    }
}

async fn notice(
    pool: &PgPool,
    config: &Config,
    shop: &str,
    id: EndpointId,
) -> Result<(String, Notice), Unwritten> {
    let merchant = config.mail.merchant.as_ref();
    let nobody =
        || Unwritten::Never("no merchant to write to (STAMPEDE_MAIL__MERCHANT)".to_owned());
    let to = merchant.ok_or_else(nobody)?.address();
    let endpoint = webhooks::store::get(pool, id).await?;
    let gone = || Unwritten::Never(format!("there is no endpoint {id}"));
    Ok((to, Notice::new(shop, &endpoint.ok_or_else(gone)?)))
}

impl Notice {
    fn new(shop: &str, endpoint: &Endpoint) -> Self {
        let shown = |at: Option<crate::kernel::clock::Timestamp>| {
            at.map_or_else(String::new, |at| at.format("%-d %B %Y, %H:%M UTC").to_string())
        };
        let why = match endpoint.disabled {
            Some((at, Disabled::Gone)) => {
                format!("On {} it answered that it is gone (410).", shown(Some(at)))
            }
            Some((_, Disabled::Failing)) => {
                format!("Since {} every delivery to it has failed.", shown(endpoint.failing_since))
            }
            Some((at, Disabled::Asked)) => format!("Disabled by hand on {}.", shown(Some(at))),
            None => "It was enabled again since.".to_owned(),
        };
        Self {
            shop: one_line(shop),
            subject: "A webhook was disabled".to_owned(),
            id: endpoint.id,
            // long on purpose: it is to be recognised
            url: endpoint.url.clone(),
            why,
            waiting: endpoint.waiting,
        }
    }
}

/// Why nothing was charged, in the buyer's words.
fn why(reason: Option<&str>) -> &'static str {
    match reason {
        Some("hold_expired") => {
            "The payment was not completed while the items were set aside for you."
        }
        Some("cancelled_by_merchant") => "The shop cancelled it.",
        Some("card_declined") => "The card was refused by its bank.",
        Some("authentication_failed") => "Your bank did not confirm the payment.",
        Some("payment_timeout") => "The payment was not confirmed in time.",
        _ => "The payment did not go through.",
    }
}

/// `text` on one line: without breaks, without characters that are not seen or that turn the
/// direction of what follows, and not longer than a title is.
fn one_line(text: &str) -> String {
    let unseen = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                         | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let spaced: String = text.chars().map(|c| if unseen(c) { ' ' } else { c }).collect();
    let words = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= LONGEST {
        return words;
    }
    let mut cut: String = words.chars().take(LONGEST - 1).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_title_stays_one_line_of_bounded_length(text: String) {
            let line = one_line(&text);
            prop_assert!(line.chars().count() <= LONGEST);
            prop_assert!(!line.contains(|c: char| c.is_control()));
            prop_assert!(line.lines().count() <= 1);
        }
    }

    fn purchase(title: &str, name: &str) -> Purchase {
        Purchase {
            shop: "Shop".into(),
            subject: one_line(title),
            sale: one_line(title),
            number: "ord_1".into(),
            name: one_line(name),
            lines: vec![Line {
                title: one_line(title),
                quantity: "1".into(),
                price: "€1.00".into(),
            }],
            total: "€1.00".into(),
            refund: "€1.00".into(),
            refunded: None,
            whole: true,
            why: why(None),
            link: Some("https://shop.example/orders/ord_1".into()),
        }
    }

    #[test]
    fn what_people_typed_is_no_part_of_the_letter_s_html() {
        let nasty = "<script>alert(1)</script><img src=x onerror='x'>\"&";
        let it = purchase(nasty, nasty);
        for (_, html) in [
            order_paid::render(&it).unwrap(),
            payment_failed::render(&it).unwrap(),
            order_refunded::render(&it).unwrap(),
        ] {
            assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
            assert!(html.contains("&#60;script&#62;"), "{html}");
        }
    }

    #[test]
    fn what_people_typed_adds_no_line_to_the_letter_s_text() {
        let lines = |it: &Purchase| order_paid::render(it).unwrap().0.lines().count();
        let nasty = "Shoe\r\n\r\nTotal: €0.00\u{2028}\u{85}Bcc: all@example.org";
        assert_eq!(lines(&purchase(nasty, nasty)), lines(&purchase("Shoe", "Ada")));
    }

    #[test]
    fn nobody_is_written_to_in_words_of_somebody_who_paid_nothing() {
        let (text, html) =
            payment_failed::render(&purchase("Shoe", "win at https://evil.example")).unwrap();
        assert!(!text.contains("evil") && !html.contains("evil"));
    }
}
