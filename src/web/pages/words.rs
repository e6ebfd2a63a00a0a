//! What pages say of stock and of time. The script says it of what moves in the same words.

use std::time::Duration;

use crate::shop::inventory::Units;

/// From how few units on a page says how many there are.
pub(super) const FEW: i64 = 10;

/// Several SKUs as one.
pub(super) fn sum<'a>(units: impl IntoIterator<Item = &'a Units>) -> Units {
    units.into_iter().fold(Units::default(), |sum, units| Units {
        available: sum.available.saturating_add(units.available.max(0)),
        held: sum.held.saturating_add(units.held),
        ..sum
    })
}

/// A SKU's stock in a word or two.
pub(super) fn availability(units: Units) -> String {
    match units.available {
        ..=0 if units.held > 0 => "all in carts".to_owned(),
        ..=0 => "sold out".to_owned(),
        few @ 1..=FEW => format!("{few} left"),
        _ => "in stock".to_owned(),
    }
}

/// What is said when nothing of a product can be taken; nothing when something can.
pub(super) fn shelf(units: Units) -> String {
    match (units.available, units.held) {
        (1.., _) => String::new(),
        (_, 1..) => format!(
            "Sold out for now: {} held in carts. What is not paid in time comes back.",
            units.held
        ),
        _ => "Sold out. Every one has found its owner.".to_owned(),
    }
}

/// How long, in the largest unit that needs no fraction.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs().max(1);
    let (count, unit) = match seconds {
        hours if hours % 3600 == 0 => (hours / 3600, "hour"),
        minutes if minutes % 60 == 0 => (minutes / 60, "minute"),
        seconds => (seconds, "second"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Paragraphs stand apart by empty lines.
pub(super) fn paragraphs(description: &str) -> Vec<String> {
    description
        .split("\n\n")
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The beginning of a text, on one line, for where there is little room.
pub(super) fn beginning(text: &str, longest: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= longest {
        return line;
    }
    let cut: String = line.chars().take(longest.saturating_sub(1)).collect();
    let whole = cut.rsplit_once(' ').map_or(&*cut, |(whole, _)| whole);
    format!("{whole}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(available: i64, held: i64) -> Units {
        Units { available, held, ..Units::default() }
    }

    #[test]
    fn few_are_counted_and_none_is_explained() {
        let said = [(11, 0), (10, 3), (0, 37), (0, 0)].map(|(a, h)| availability(units(a, h)));
        assert_eq!(said, ["in stock", "10 left", "all in carts", "sold out"]);
        assert_eq!(shelf(units(1, 37)), "");
        assert!(shelf(units(0, 37)).starts_with("Sold out for now: 37 held in carts."));
        assert!(shelf(units(0, 0)).starts_with("Sold out."));
    }

    #[test]
    fn spans_are_told_without_fractions() {
        let said = [1, 60, 90, 600, 3600, 5400].map(|s| span(Duration::from_secs(s)));
        assert_eq!(
            said,
            ["1 second", "1 minute", "90 seconds", "10 minutes", "1 hour", "90 minutes"]
        );
    }

    #[test]
    fn a_beginning_ends_with_a_word() {
        assert_eq!(beginning("short \n text", 20), "short text");
        assert_eq!(beginning("one two three", 9), "one two…");
        assert_eq!(beginning("ununterbrochen", 5), "unun…");
    }
}
