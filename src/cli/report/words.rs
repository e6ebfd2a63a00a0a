//! How a report says numbers, shares and times.

use chrono::TimeDelta;

use crate::{
    flows::statistics::{Report, SkuReport},
    kernel::clock::Timestamp,
    shop::sales::Phase,
};

/// `1,234,567`
pub(super) fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut said = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        said.push('-');
    }
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    said
}

/// `1 order`, `2 orders`
pub(super) fn counted(number: i64, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {what}{ending}", count(number))
}

/// A share in percent, such as `72.9 %`; nothing when there is no whole.
pub(super) fn share(part: i64, whole: i64) -> Option<String> {
    (whole > 0).then(|| {
        let tenths = scaled(part, whole, 1000);
        format!("{}.{} %", tenths / 10, tenths % 10)
    })
}

/// `value` on a scale on which `most` is `to`, rounded.
pub(super) fn scaled(value: i64, most: i64, to: i64) -> i64 {
    if most <= 0 || value <= 0 {
        return 0;
    }
    let (value, most, to) = (i128::from(value), i128::from(most), i128::from(to));
    i64::try_from((value * to + most / 2) / most).unwrap_or(i64::MAX)
}

/// `2026-11-22 10:00` UTC.
pub(super) fn minute(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

/// `2026-11-22 10:00:05` UTC.
pub(super) fn second(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`
pub(super) fn span(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// When a SKU was sold out: after how long, and whether it came back since.
pub(super) fn sold_out(report: &Report, item: &SkuReport) -> String {
    let after = |at: Timestamp| {
        if at < report.sale.starts_at {
            second(at)
        } else {
            format!("after {}", span(at - report.sale.starts_at))
        }
    };
    match (item.sold_out_first, item.sold_out_since) {
        (None, _) => "–".to_owned(),
        (Some(first), None) => format!("{}, came back", after(first)),
        (Some(first), Some(since)) if first == since => after(first),
        (Some(first), Some(since)) => format!("{}, for good {}", after(first), after(since)),
    }
}

/// Where the sale stands, as a sentence.
pub(super) fn phase(report: &Report) -> &'static str {
    match report.phase {
        Phase::Before => "The sale has not begun.",
        Phase::Open => "The sale is not over: these are the numbers so far.",
        Phase::Paused => "The sale is paused and not over: these are the numbers so far.",
        Phase::Ended if report.orders.pending > 0 => {
            "The sale is over; some checkouts are still under way."
        }
        Phase::Ended => "The sale is over.",
    }
}

/// What a reader has to know about how this was counted.
pub(super) fn notes(report: &Report) -> Vec<String> {
    let mut notes = vec![
        "All times are UTC. Orders, revenue and refunds are counted from the orders themselves; \
         revenue is at the minute of payment, a refund at the minute of the refund."
            .to_owned(),
        "What was taken, given back, ran out and was turned away is counted in Redis and kept every few seconds: a \
         unit may stand in the minute after its own, and a sell-out time is as exact as that."
            .to_owned(),
    ];
    if report.reopenings > 0 {
        notes.push(format!(
            "The stock was opened again {} during the sale. What Redis had counted in the seconds \
             before and had not kept yet is missing from these figures; no order is.",
            if report.reopenings == 1 {
                "once".to_owned()
            } else {
                format!("{} times", report.reopenings)
            }
        ));
    }
    notes.push(
        "Turned away counts how often more was asked for than was available: asks, not shoppers. \
         Other refusals, such as those over the limit, are in the metric stampede_cart_lines_total."
            .to_owned(),
    );
    notes
}

/// A name on one line, without what a terminal would obey.
pub(super) fn one_line(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(clean).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_for_people() {
        assert_eq!([0, 999, 1000, -1_234_567].map(count), ["0", "999", "1,000", "-1,234,567"]);
        assert_eq!(counted(1, "order"), "1 order");
        assert_eq!(share(1, 3).as_deref(), Some("33.3 %"));
        assert_eq!(share(1, 0), None);
        assert_eq!(scaled(1, 3, 1000), 333);
        assert_eq!(scaled(i64::MAX, i64::MAX, 1000), 1000);
        let spans = [5, 200, 7500, 100_000].map(|s| span(TimeDelta::seconds(s)));
        assert_eq!(spans, ["5 s", "3 min 20 s", "2 h 5 min", "1 d 3 h"]);
        assert_eq!(one_line("a\u{1b}[31m\nb"), "a [31m b");
    }
}
