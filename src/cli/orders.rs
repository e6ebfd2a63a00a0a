//! `stampede orders`

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use clap::{Args, Subcommand};

use super::{failure::Failure, progress, rooms::Rooms, table::table};
use crate::{
    flows::refunding::{RefundError, What, Wish},
    kernel::{
        ids::{OrderId, Sku},
        money::Money,
        quantity::Quantity,
    },
    platform::config::Config,
    shop::{
        orders::{self, Order, OrderStatus},
        refunds::{Refund, Step},
    },
};

/// A checkout that is cancelled ends with its next step; one that a process just carries may take
/// as long as the provider.
const CANCEL_PATIENCE: Duration = Duration::from_secs(30);
/// How often its end is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);

#[derive(Debug, Subcommand)]
pub(super) enum Orders {
    /// Show an order: its lines, its payment, its checkout and its refunds
    Show {
        /// The order's id
        #[arg(value_name = "ID")]
        order: OrderId,
    },
    /// Have an order come to nothing
    ///
    /// While no money was taken, the checkout is undone and nothing is charged. An order that is
    /// paid is refunded, and its units go on sale again. Safe to repeat.
    Cancel {
        /// The order's id
        #[arg(value_name = "ID")]
        order: OrderId,
        /// Why, for the shopper and the books
        #[arg(long, value_parser = reason)]
        reason: Option<String>,
    },
    /// Give money back: all that is left of an order, or single lines
    ///
    /// Never more than was paid, however many ask at once. What the provider does not answer at once
    /// is finished by the workers.
    Refund(RefundArguments),
}

#[derive(Debug, Args)]
pub(super) struct RefundArguments {
    /// The order's id
    #[arg(value_name = "ID")]
    order: OrderId,
    /// Only these units; may be given several times
    #[arg(long = "line", value_name = "SKU=UNITS")]
    lines: Vec<Units>,
    /// The units came back in good order and go on sale again
    #[arg(long)]
    restock: bool,
    /// Why, for the shopper and the books
    #[arg(long, value_parser = reason)]
    reason: Option<String>,
}

/// Units of a SKU, as an argument.
#[derive(Debug, Clone)]
struct Units(Sku, Quantity);

impl FromStr for Units {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected SKU=UNITS, such as RUN1-42=1".to_owned();
        let (sku, units) = text.split_once('=').ok_or_else(expected)?;
        let units: i64 = units.parse().map_err(|_| expected())?;
        let quantity = Quantity::try_from(units).map_err(|_| expected())?;
        if quantity.is_zero() {
            return Err("expected at least one unit".to_owned());
        }
        Ok(Self(sku.parse().map_err(|_| expected())?, quantity))
    }
}

/// One line of text that fits into a mail.
fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if (1..=200).contains(&text.chars().count()) && !text.contains(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 200 characters on one line".to_owned())
    }
}

pub(super) async fn run(config: &Config, command: &Orders) -> Result<(), Failure> {
    let rooms = &Rooms::new(config)?;
    match command {
        Orders::Show { order } => show(rooms, *order).await,
        Orders::Cancel { order, reason } => cancel(rooms, *order, reason.clone()).await,
        Orders::Refund(arguments) => refund(rooms, arguments).await,
    }
}

async fn show(rooms: &Rooms, id: OrderId) -> Result<(), Failure> {
    let order = find(rooms, id).await?;
    println!("order     {}", order.id);
    println!("sale      {}", order.sale_slug);
    println!("status    {}{}", order.status.as_str(), told(order.reason.as_deref()));
    println!("total     {}", order.total);
    println!("refunded  {}", order.refunded);
    println!("made      {}", order.created_at.to_rfc3339());
    if let Some(at) = order.paid_at {
        println!("paid      {}", at.to_rfc3339());
    }
    println!("payment   {}{}", order.provider, told(order.payment_reference.as_deref()));
    if let Some(action) = &order.payment_action {
        println!("waits for the shopper at {action}");
    }
    if let Some(checkout) = rooms.checkout.state(id).await.map_err(Failure::failed)? {
        let parked = checkout.parked_at.map(|at| format!("parked since {}", at.to_rfc3339()));
        let tries = (checkout.tries > 0).then(|| format!("{} tries", checkout.tries));
        let more = [tries, parked].into_iter().flatten().collect::<Vec<_>>().join(", ");
        println!(
            "checkout  {}{}",
            checkout.step,
            told(Some(more.as_str()).filter(|m| !m.is_empty()))
        );
    }
    let rows = order.lines.iter().map(|line| {
        [
            line.sku.to_string(),
            line.title.clone(),
            line.quantity.get().to_string(),
            line.unit_price.to_string(),
            line.refunded.get().to_string(),
            line.restocked.get().to_string(),
        ]
    });
    println!("\n{}", table(["sku", "title", "units", "price", "refunded", "restocked"], rows));
    let refunds = rooms.refunding.of_order(id).await.map_err(failed)?;
    if !refunds.is_empty() {
        let rows = refunds.iter().map(|refund| {
            [
                refund.id.as_simple().to_string(),
                Money { amount: refund.amount, ..order.total }.to_string(),
                refund.step.as_str().to_owned(),
                refund.created_at.to_rfc3339(),
                refund.failure.clone().or_else(|| refund.reason.clone()).unwrap_or_default(),
            ]
        });
        println!("\n{}", table(["refund", "amount", "state", "asked for", "why"], rows));
    }
    Ok(())
}

async fn cancel(rooms: &Rooms, id: OrderId, reason: Option<String>) -> Result<(), Failure> {
    let order = find(rooms, id).await?;
    if order.status == OrderStatus::Pending {
        rooms.checkout.cancel(id).await.map_err(Failure::failed)?;
        rooms.checkout.resume(id).await.map_err(Failure::failed)?;
    }
    let order = progress::shown("cancelling", until_final(rooms, id)).await?;
    match order.status {
        OrderStatus::Pending => Err(Failure::Failed(anyhow::anyhow!(
            "{id}: asked for, and not done yet: `stampede orders show {id}` tells how it stands"
        ))),
        OrderStatus::Paid => {
            let wish = Wish { order: id, what: What::Rest, restock: true, reason };
            tell(&order, &rooms.refunding.refund(&wish).await.map_err(failed)?)
        }
        status => {
            println!("{id}: {}{}", status.as_str(), told(order.reason.as_deref()));
            Ok(())
        }
    }
}

async fn until_final(rooms: &Rooms, id: OrderId) -> Result<Order, Failure> {
    let patience = tokio::time::Instant::now() + CANCEL_PATIENCE;
    loop {
        let order = find(rooms, id).await?;
        if order.status != OrderStatus::Pending || tokio::time::Instant::now() >= patience {
            return Ok(order);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn refund(rooms: &Rooms, arguments: &RefundArguments) -> Result<(), Failure> {
    let order = find(rooms, arguments.order).await?;
    let mut units: BTreeMap<Sku, Quantity> = BTreeMap::new();
    for Units(sku, quantity) in &arguments.lines {
        let sum = units.get(sku).map_or(0, |units| i64::from(*units)) + i64::from(*quantity);
        let sum = Quantity::try_from(sum).map_err(Failure::failed)?;
        units.insert(sku.clone(), sum);
    }
    let wish = Wish {
        order: arguments.order,
        what: if units.is_empty() { What::Rest } else { What::Units(units) },
        restock: arguments.restock,
        reason: arguments.reason.clone(),
    };
    tell(&order, &rooms.refunding.refund(&wish).await.map_err(failed)?)
}

fn tell(order: &Order, refund: &Refund) -> Result<(), Failure> {
    let amount = Money { amount: refund.amount, ..order.total };
    let id = refund.id.as_simple();
    match refund.step {
        Step::Done => println!("{}: {amount} given back (refund {id})", order.id),
        Step::Restock => println!(
            "{}: {amount} given back (refund {id}); the units go on sale again in a moment",
            order.id
        ),
        Step::Refund => println!(
            "{}: {amount} is on its way (refund {id}): the provider has not answered yet, and the \
             workers ask again",
            order.id
        ),
        Step::Failed => {
            let why = refund.failure.as_deref().unwrap_or("for no reason that it told");
            return Err(Failure::Failed(anyhow::anyhow!(
                "{}: the provider refused the refund {id} of {amount}: {why}",
                order.id
            )));
        }
    }
    Ok(())
}

async fn find(rooms: &Rooms, id: OrderId) -> Result<Order, Failure> {
    let mut conn = rooms.pool.acquire().await?;
    let order = orders::store::by_id(&mut conn, id).await?;
    order.ok_or_else(|| Failure::Failed(anyhow::anyhow!("there is no order {id}")))
}

fn told(what: Option<&str>) -> String {
    what.map(|what| format!(" ({what})")).unwrap_or_default()
}

fn failed(error: RefundError) -> Failure {
    match error {
        RefundError::Unexpected(error) => Failure::from_anyhow(error),
        error => Failure::Failed(error.into()),
    }
}
