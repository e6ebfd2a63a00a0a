//! The version of a cart that a shopper saw: a hash of its lines and their prices, so that a
//! checkout buys just what was looked at, or nothing.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::kernel::{ids::Sku, money::Money, quantity::Quantity};

/// Bytes of the hash that are kept: enough that nobody meets a collision by accident, and the
/// shopper can only deceive himself.
const KEPT_BYTES: usize = 16;

/// The version of a cart of these lines at these unit prices: 32 hexadecimal digits. The order of
/// the lines does not matter; lines of no units do not count.
#[must_use]
pub fn version<'a>(lines: impl IntoIterator<Item = (&'a Sku, Quantity, Money)>) -> String {
    let mut lines: Vec<_> =
        lines.into_iter().filter(|(_, quantity, _)| !quantity.is_zero()).collect();
    lines.sort_unstable_by_key(|(sku, ..)| *sku);
    let mut hash = Sha256::new();
    for (sku, quantity, price) in lines {
        // A SKU holds neither '=' nor ';', so no two carts read alike.
        hash.update(format!("{sku}={}@{}{};", quantity.get(), price.amount, price.currency));
    }
    hash.finalize().iter().take(KEPT_BYTES).fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[(&str, i64, i64)]) -> String {
        let lines: Vec<(Sku, Quantity, Money)> = lines
            .iter()
            .map(|(sku, units, amount)| {
                let price = Money { amount: *amount, currency: "EUR".parse().unwrap() };
                (sku.parse().unwrap(), (*units).try_into().unwrap(), price)
            })
            .collect();
        version(lines.iter().map(|(sku, units, price)| (sku, *units, *price)))
    }

    #[test]
    fn a_version_is_of_lines_and_prices_in_whatever_order() {
        let cart = of(&[("A", 1, 100), ("B", 2, 50)]);
        assert_eq!(cart.len(), 32);
        assert_eq!(cart, of(&[("B", 2, 50), ("A", 1, 100), ("C", 0, 1)]));
        for other in
            [&[("A", 1, 100)][..], &[("A", 2, 100), ("B", 2, 50)], &[("A", 1, 101), ("B", 2, 50)]]
        {
            assert_ne!(cart, of(other));
        }
    }
}
