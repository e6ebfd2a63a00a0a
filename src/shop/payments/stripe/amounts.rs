//! Stripe's minor units, which are not everywhere those of ISO 4217, and the least it charges.
//!
//! Source: Stripe's documentation of supported currencies, zero-decimal and three-decimal
//! currencies, special cases, and minimum charge amounts.

use crate::{
    kernel::money::{Currency, Money},
    shop::payments::TotalRefused,
};

/// Written without decimals. `ISK` and `UGX`, which have none in ISO 4217, are not among them: they
/// are written with two that are zero.
const ZERO_DECIMAL: [&str; 15] = [
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
    "XOF", "XPF",
];
/// With three decimals, the last of which must be zero.
const THREE_DECIMAL: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];
/// The least that is charged, in Stripe's units. Where nothing stands here, Stripe decides.
const LEAST: [(&str, i64); 24] = [
    ("AED", 200),
    ("AUD", 50),
    ("BGN", 100),
    ("BRL", 50),
    ("CAD", 50),
    ("CHF", 50),
    ("CZK", 1_500),
    ("DKK", 250),
    ("EUR", 50),
    ("GBP", 30),
    ("HKD", 400),
    ("HUF", 17_500),
    ("INR", 50),
    ("JPY", 50),
    ("MXN", 1_000),
    ("MYR", 200),
    ("NOK", 300),
    ("NZD", 50),
    ("PLN", 200),
    ("RON", 200),
    ("SEK", 300),
    ("SGD", 50),
    ("THB", 1_000),
    ("USD", 50),
];
/// Eight digits are the most that every currency takes.
const MOST: i64 = 99_999_999;

/// The decimals that Stripe writes.
fn exponent(currency: Currency) -> u32 {
    let code = currency.to_string();
    if ZERO_DECIMAL.contains(&code.as_str()) {
        0
    } else if THREE_DECIMAL.contains(&code.as_str()) {
        3
    } else {
        2
    }
}

/// Minor units of ISO 4217 as Stripe writes them; `None` where it cannot.
pub(super) fn converted(money: Money) -> Option<i64> {
    let ours = u32::try_from(money.currency.exponent()).ok()?;
    let theirs = exponent(money.currency);
    let amount = if theirs >= ours {
        money.amount.checked_mul(10_i64.checked_pow(theirs - ours)?)?
    } else {
        divided(money.amount, 10_i64.checked_pow(ours - theirs)?)?
    };
    let last_must_be_zero = theirs == 3;
    (!last_must_be_zero || amount % 10 == 0).then_some(amount)
}

/// What Stripe wrote, in minor units of ISO 4217; `None` for a fraction of one.
pub(super) fn from_stripe(amount: i64, currency: Currency) -> Option<i64> {
    let ours = u32::try_from(currency.exponent()).ok()?;
    let theirs = exponent(currency);
    if ours >= theirs {
        amount.checked_mul(10_i64.checked_pow(ours - theirs)?)
    } else {
        divided(amount, 10_i64.checked_pow(theirs - ours)?)
    }
}

/// A total as Stripe writes it, if it can be charged at all.
pub(super) fn to_stripe(total: Money) -> Result<i64, TotalRefused> {
    let amount = converted(total).ok_or(TotalRefused::NotChargeable)?;
    if amount > MOST {
        return Err(TotalRefused::NotChargeable);
    }
    let code = total.currency.to_string();
    let least = LEAST.iter().find(|(currency, _)| *currency == code).map(|(_, least)| *least);
    match least {
        Some(least) if amount < least => {
            let least = from_stripe(least, total.currency).unwrap_or(least);
            Err(TotalRefused::TooSmall(Money { amount: least, currency: total.currency }))
        }
        _ => Ok(amount),
    }
}

fn divided(amount: i64, by: i64) -> Option<i64> {
    (amount % by == 0).then_some(amount / by)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: i64, currency: &str) -> Money {
        Money { amount, currency: currency.parse().unwrap() }
    }

    #[test]
    fn amounts_are_written_in_the_units_of_stripe() {
        for (ours, theirs) in [
            (money(12_900, "EUR"), 12_900),
            (money(5_000, "JPY"), 5_000),
            (money(500, "ISK"), 50_000),
            (money(20_000, "UGX"), 2_000_000),
            (money(1_230, "KWD"), 1_230),
        ] {
            assert_eq!(to_stripe(ours), Ok(theirs), "{ours}");
            assert_eq!(from_stripe(theirs, ours.currency), Some(ours.amount), "{ours}");
        }
        for code in ["ISK", "UGX"] {
            let currency: Currency = code.parse().unwrap();
            assert_eq!((currency.exponent(), exponent(currency)), (0, 2), "{code}");
        }
        // a fraction of what Stripe can write
        assert_eq!(to_stripe(money(1_234, "KWD")), Err(TotalRefused::NotChargeable));
        assert_eq!(from_stripe(150, "ISK".parse().unwrap()), None);
    }

    #[test]
    fn totals_that_stripe_would_refuse_are_refused_before() {
        assert_eq!(to_stripe(money(49, "EUR")), Err(TotalRefused::TooSmall(money(50, "EUR"))));
        assert_eq!(to_stripe(money(50, "EUR")), Ok(50));
        assert_eq!(to_stripe(money(100_000_000, "EUR")), Err(TotalRefused::NotChargeable));
    }
}
