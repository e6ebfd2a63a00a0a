//! A report for a terminal.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use super::{
    bins::Bins,
    words::{count, counted, minute, notes, one_line, phase, scaled, second, share, sold_out},
};
use crate::flows::statistics::{Report, SkuReport};

/// A sale may have thousands of SKUs; the terminal has fifty lines.
const MAX_ITEMS: usize = 40;
/// Steps of time that fit beside them.
const MAX_STEPS: usize = 24;
/// Of a line of prose.
const WIDTH: usize = 100;
/// Columns of the longest bar.
const BAR: i64 = 24;

/// The whole report, ending with a line's end.
pub(super) fn render(report: &Report) -> String {
    let sale = &report.sale;
    let mut text = format!("{} ({})\n", one_line(&sale.title), sale.slug);
    let (starts, ends) = (minute(sale.starts_at), minute(sale.ends_at));
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(text, "{starts} to {ends} UTC, as of {}", second(report.at));
    let _ = writeln!(text, "{}\n", phase(report));
    if report.moments.is_empty() {
        text.push_str("Nothing was taken and nothing was ordered.\n");
    } else {
        let _ = writeln!(text, "{}\n", figures(report));
        for bins in times(report) {
            let _ = writeln!(text, "{}\n", demand(&bins));
        }
    }
    let _ = writeln!(text, "{}\n", items(report));
    for note in notes(report) {
        let _ = writeln!(text, "{}", wrapped(&note));
    }
    text
}

/// What came of it, in a few lines.
fn figures(report: &Report) -> String {
    let (stock, orders) = (report.stock, report.orders);
    let of_taken =
        |part| share(part, stock.taken).map_or(String::new(), |s| format!("{s} of taken"));
    let row = |name: &str, value: String, note: String| [name.to_owned(), value, note];
    let mut rows = vec![
        row(
            "taken into carts",
            counted(stock.taken, "unit"),
            format!("{} set to more", counted(stock.lines, "line")),
        ),
        row("turned away, sold out", counted(stock.refused, "time"), String::new()),
        row("paid", counted(orders.units, "unit"), of_taken(orders.units)),
        row("ran out unpaid", counted(stock.expired, "unit"), of_taken(stock.expired)),
        row("given back otherwise", counted(released(report), "unit"), of_taken(released(report))),
        row("orders paid", count(orders.paid), String::new()),
        row("orders declined", count(orders.declined), String::new()),
        row("orders cancelled", count(orders.cancelled), reasons(report)),
    ];
    if orders.pending > 0 {
        rows.push(row("orders under way", count(orders.pending), String::new()));
    }
    rows.push(row("revenue", report.money(orders.revenue).to_string(), String::new()));
    let given = report.moments.iter().map(|moment| moment.refunds).sum();
    let mut note = counted(given, "refund");
    if orders.refunds_open > 0 {
        let _ = write!(note, ", {} under way", count(orders.refunds_open));
    }
    if orders.refunds_failed > 0 {
        let _ = write!(note, ", {} refused", count(orders.refunds_failed));
    }
    rows.push(row("refunded", report.money(orders.refunded).to_string(), note));
    let net = orders.revenue.saturating_sub(orders.refunded);
    rows.push(row("kept", report.money(net).to_string(), String::new()));
    aligned(["in all", "", ""], rows, 1..2)
}

/// Units that shoppers released, and those of checkouts that came to nothing.
pub(super) fn released(report: &Report) -> i64 {
    (report.stock.given - report.stock.expired).max(0)
}

fn reasons(report: &Report) -> String {
    let said =
        report.reasons.iter().map(|(reason, n)| format!("{} {}", one_line(reason), count(*n)));
    said.collect::<Vec<_>>().join(", ")
}

/// All of the sale, and its first minutes where a step is longer.
fn times(report: &Report) -> Vec<Bins> {
    let demand = report.demand();
    let all = Bins::of(&demand, 1, MAX_STEPS);
    let first = all.first(&demand, MAX_STEPS);
    first.into_iter().chain([all]).filter(|bins| !bins.steps.is_empty()).collect()
}

fn demand(bins: &Bins) -> String {
    let most = bins.most(|bin| bin.stock.taken);
    let rows = bins.steps.iter().map(|bin| {
        [
            bins.label(bin.at),
            bar(bin.stock.taken, most),
            count(bin.stock.taken),
            count(bin.stock.refused),
            count(bin.orders),
            count(bin.units),
            count(bin.stock.expired),
            count(bin.declined + bin.cancelled),
        ]
    });
    let by = format!("by {}", bins.step_name());
    let header = [&*by, "", "taken", "turned away", "orders", "paid units", "ran out", "failed"];
    aligned(header, rows, 2..)
}

/// A table whose columns in `numbers` are set to the right.
fn aligned<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    numbers: impl std::ops::RangeBounds<usize>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header).add_rows(rows);
    for (nth, column) in table.column_iter_mut().enumerate() {
        if numbers.contains(&nth) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// Text in lines of at most [`WIDTH`] characters.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

/// A bar of eighths of a column.
fn bar(value: i64, most: i64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let mut eighths = scaled(value, most, BAR * 8);
    if value > 0 {
        eighths = eighths.max(1);
    }
    let full = usize::try_from(eighths / 8).unwrap_or_default();
    let rest = usize::try_from(eighths % 8).ok().and_then(|rest| EIGHTHS.get(rest));
    format!("{}{}", "█".repeat(full), rest.copied().unwrap_or_default())
}

fn items(report: &Report) -> String {
    let mut items: Vec<&SkuReport> = report.items.iter().collect();
    if items.len() > MAX_ITEMS {
        items.sort_by_key(|item| std::cmp::Reverse((item.sold.revenue, item.stock.taken)));
    }
    let more = items.len().saturating_sub(MAX_ITEMS);
    let rows = items.iter().take(MAX_ITEMS).map(|item| {
        [
            item.sku.to_string(),
            one_line(&title(item)),
            count(item.total),
            count(item.stock.taken),
            count(item.stock.refused),
            count(item.sold.units),
            report.money(item.sold.revenue).to_string(),
            count(item.stock.expired),
            count(item.sold.refunded),
            sold_out(report, item),
        ]
    });
    let header = [
        "sku",
        "product",
        "stock",
        "taken",
        "turned away",
        "paid",
        "revenue",
        "ran out",
        "refunded",
        "sold out",
    ];
    let text = aligned(header, rows, 2..9);
    if more == 0 { text } else { format!("{text}\nand {more} more, which brought less") }
}

/// Product and label.
pub(super) fn title(item: &SkuReport) -> String {
    match &item.product {
        Some(product) => format!("{product} – {}", item.label),
        None => "(no longer in the sale)".to_owned(),
    }
}
