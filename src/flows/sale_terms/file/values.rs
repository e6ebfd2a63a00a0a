//! Reads single values of a sale's file; each error says what was expected.

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, Datelike, Utc};
use toml::de::DeValue;

use crate::kernel::{
    clock::{Timestamp, from_millis},
    money::{Currency, Money},
    quantity::Quantity,
};

/// When a sale starts or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At this instant.
    At(Timestamp),
    /// So long after the first import of the sale.
    After(Duration),
}

impl When {
    /// The instant, for a sale first imported at `first_import`. `None` beyond the calendar.
    #[must_use]
    pub fn counted_from(self, first_import: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::After(offset) => {
                first_import.checked_add_signed(chrono::TimeDelta::from_std(offset).ok()?)
            }
        }
    }
}

/// Carts that live shorter cannot be paid; carts that live longer are hoards.
const HOLD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));

/// An offset is for a demonstration or a test; a real sale has a date.
const MAX_OFFSET: Duration = Duration::from_hours(10 * 365 * 24);

type Read<T> = Result<T, String>;

pub(super) fn string<'a>(value: &'a DeValue<'_>) -> Read<&'a str> {
    value.as_str().ok_or_else(|| format!("expected a string, not {}", kind(value)))
}

/// A name, a code: whatever parses itself from text.
pub(super) fn parsed<T: FromStr<Err: ToString>>(value: &DeValue<'_>) -> Read<T> {
    string(value)?.parse().map_err(|error: T::Err| error.to_string())
}

/// One line of text for people, with something in it.
pub(super) fn line_of_text(max: usize) -> impl Fn(&DeValue<'_>) -> Read<String> {
    move |value| {
        let text = string(value)?.trim();
        if text.is_empty() {
            Err("expected some text".into())
        } else if text.chars().any(char::is_control) {
            Err("expected one line without control characters".into())
        } else {
            at_most(text, max)
        }
    }
}

/// Paragraphs of text for people, maybe none.
pub(super) fn paragraphs(max: usize) -> impl Fn(&DeValue<'_>) -> Read<String> {
    move |value| {
        let text = string(value)?.replace("\r\n", "\n");
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return Err("expected plain text without control characters".into());
        }
        at_most(text.trim(), max)
    }
}

fn at_most(text: &str, max: usize) -> Read<String> {
    match text.chars().count() {
        length if length > max => Err(format!("expected {max} characters at most, not {length}")),
        _ => Ok(text.to_owned()),
    }
}

/// Units, `least` or more.
pub(super) fn units(least: i64) -> impl Fn(&DeValue<'_>) -> Read<Quantity> {
    move |value| {
        let expected = || format!("expected a whole number from {least} to {}", Quantity::MAX);
        let DeValue::Integer(digits) = value else {
            return Err(format!("{}, not {}", expected(), kind(value)));
        };
        i64::from_str_radix(digits.as_str(), digits.radix())
            .ok()
            .filter(|count| *count >= least)
            .and_then(|count| Quantity::try_from(count).ok())
            .ok_or_else(expected)
    }
}

/// A decimal string in the sale's currency.
pub(super) fn price(currency: Currency) -> impl Fn(&DeValue<'_>) -> Read<Money> {
    move |value| {
        let decimal = value.as_str().ok_or_else(|| {
            format!("expected a decimal as a string, such as \"129.00\", not {}", kind(value))
        })?;
        Money::parse(decimal, currency).map_err(|error| error.to_string())
    }
}

/// How long a cart is kept.
pub(super) fn hold(value: &DeValue<'_>) -> Read<Duration> {
    let hold = duration(string(value)?)?;
    let (least, most) = HOLD;
    if hold < least || hold > most {
        let [least, most] = [least, most].map(humantime::format_duration);
        return Err(format!("expected a duration from {least} to {most}"));
    }
    Ok(hold)
}

/// An instant or an offset.
pub(super) fn when(value: &DeValue<'_>) -> Read<When> {
    const EXPECTED: &str = "expected a time such as \"2026-11-27T10:00:00Z\", or an offset from \
                            the first import such as \"+2m\"";
    let text = match value {
        DeValue::Datetime(at) => at.to_string(),
        DeValue::String(text) => text.to_string(),
        other => return Err(format!("{EXPECTED}, not {}", kind(other))),
    };
    if let Some(offset) = text.strip_prefix('+') {
        let offset = duration(offset)?;
        return if offset > MAX_OFFSET {
            Err("expected an offset of ten years at most".into())
        } else {
            Ok(When::After(offset))
        };
    }
    let at = DateTime::parse_from_rfc3339(&text).map_err(|_| EXPECTED)?.with_timezone(&Utc);
    if !(1970..=9999).contains(&at.year()) {
        return Err("expected a year from 1970 to 9999".into());
    }
    // Redis counts milliseconds: finer ones would differ from what is stored
    Ok(When::At(from_millis(at.timestamp_millis())))
}

fn duration(text: &str) -> Read<Duration> {
    let duration = humantime::parse_duration(text.trim())
        .map_err(|error| format!("expected a duration such as \"10m\": {error}"))?;
    Ok(Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
