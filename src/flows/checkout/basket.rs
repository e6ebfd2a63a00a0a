//! The cart as it would be ordered: lines with titles and prices, and what they come to.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Checkout, CheckoutError, Purchase};
use crate::{
    kernel::{ids::Bucket, money::Money, quantity::Quantity},
    shop::{
        cart,
        catalog::SaleCatalog,
        inventory::{CartState, CartView, InventoryError},
        orders::OrderLine,
        sales,
    },
};

/// How long a shopper waits for a sale that is just being opened.
const CLOSED_WAIT: Duration = Duration::from_secs(1);
const CLOSED_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Basket {
    pub(super) lines: Vec<OrderLine>,
    pub(super) total: Money,
}

impl Checkout {
    /// The whole cart, if it may be bought as it is. What is read here may change before the cart
    /// is frozen: `begin` freezes just these lines or none.
    pub(super) async fn basket(
        &self,
        purchase: &Purchase<'_>,
        bucket: &Bucket,
    ) -> Result<Basket, CheckoutError> {
        let cart = self.cart(purchase, bucket).await?;
        match cart.state {
            CartState::Frozen(_) => return Err(CheckoutError::CheckoutInProgress),
            CartState::RanOut => return Err(CheckoutError::HoldExpired),
            CartState::Open if cart.lines.is_empty() => return Err(CheckoutError::CartEmpty),
            CartState::Open => {}
        }
        let catalog = self
            .catalog
            .of_sale(purchase.sale.id, purchase.sale.currency, purchase.sale.revision)
            .await
            .map_err(|error| CheckoutError::Unavailable(error.into()))?;
        let lines = priced(&cart, &catalog)?;
        if let Some(seen) = &purchase.cart_version {
            let lines = lines.iter().map(|line| (&line.sku, line.quantity, line.unit_price));
            if *seen != cart::version::version(lines) {
                return Err(CheckoutError::CartChanged);
            }
        }
        let nothing = Money::zero(purchase.sale.currency);
        let total = lines
            .iter()
            .try_fold(nothing, |sum, line| sum.plus(line.unit_price.times(line.quantity)?))
            .ok_or(CheckoutError::TotalTooLarge)?;
        Ok(Basket { lines, total })
    }

    async fn cart(
        &self,
        purchase: &Purchase<'_>,
        bucket: &Bucket,
    ) -> Result<CartView, CheckoutError> {
        let patience = Instant::now() + CLOSED_WAIT;
        loop {
            let epoch = sales::store::epoch(&self.pool, purchase.sale.id, bucket.number).await?;
            match self.inventory.cart(bucket, epoch, purchase.shopper).await {
                Ok(cart) => return Ok(cart),
                Err(InventoryError::Closed) if Instant::now() < patience => {
                    sleep(CLOSED_PAUSE).await;
                }
                Err(InventoryError::Unexpected(what)) => return Err(anyhow::anyhow!(what).into()),
                Err(error) => return Err(CheckoutError::Unavailable(error.into())),
            }
        }
    }
}

fn priced(cart: &CartView, catalog: &SaleCatalog) -> Result<Vec<OrderLine>, CheckoutError> {
    let lines = cart.lines.iter().map(|(sku, quantity)| {
        // The stock may know of a new SKU a moment before this process' catalogue does.
        let (product, item) = catalog.find(sku).ok_or_else(|| {
            CheckoutError::Unavailable(anyhow::anyhow!("the catalogue does not have {sku} yet"))
        })?;
        Ok(OrderLine {
            sku: sku.clone(),
            title: format!("{} – {}", product.title, item.label),
            quantity: *quantity,
            unit_price: item.price,
            refunded: Quantity::ZERO,
            restocked: Quantity::ZERO,
        })
    });
    lines.collect()
}
