//! A report as a page that needs nothing but itself: no script, no font, no picture from elsewhere.

use askama::Template;

use super::{
    charts::{Chart, Table, Times},
    text::{released, title},
    words::{count, counted, minute, notes, phase, scaled, second, share, sold_out},
};
use crate::flows::statistics::{Report, SkuReport};

#[derive(Template)]
#[template(path = "report.html", config = "src/cli/report/askama.toml")]
struct Page<'a> {
    title: &'a str,
    slug: &'a str,
    when: String,
    as_of: String,
    phase: &'static str,
    is_over: bool,
    figures: Vec<Figure>,
    funnel: Vec<Part>,
    charts: Vec<Chart>,
    tables: Vec<Table>,
    products: Vec<Product>,
    items: Vec<Item>,
    outcomes: Vec<(String, String)>,
    reasons: Vec<(&'a str, String)>,
    notes: Vec<String>,
}

/// One of the numbers at the top.
struct Figure {
    value: String,
    name: &'static str,
    note: String,
}

/// A part of a whole as a bar.
struct Part {
    name: &'static str,
    kind: &'static str,
    units: String,
    share: String,
    /// Of 1000.
    width: i64,
}

struct Product {
    title: String,
    units: String,
    revenue: String,
    share: String,
    /// Of 1000.
    width: i64,
}

struct Item {
    sku: String,
    title: String,
    cells: Vec<String>,
    sold_out: String,
}

/// The page.
pub(super) fn render(report: &Report) -> askama::Result<String> {
    let sale = &report.sale;
    let times = Times::of(report);
    let page = Page {
        title: &sale.title,
        slug: sale.slug.as_str(),
        when: format!("{} to {} UTC", minute(sale.starts_at), minute(sale.ends_at)),
        as_of: second(report.at),
        phase: phase(report),
        is_over: report.phase == crate::shop::sales::Phase::Ended,
        figures: figures(report),
        funnel: funnel(report),
        charts: times.charts(report),
        tables: times.tables(report),
        products: products(report),
        items: report.items.iter().map(|item| entry(report, item)).collect(),
        outcomes: outcomes(report),
        reasons: report.reasons.iter().map(|(why, n)| (&**why, count(*n))).collect(),
        notes: notes(report),
    };
    page.render()
}

fn figures(report: &Report) -> Vec<Figure> {
    let (stock, orders) = (report.stock, report.orders);
    let figure = |name, value, note| Figure { value, name, note };
    let sold_out = report.items.iter().filter(|item| item.sold_out_since.is_some()).count();
    let refunded = report.money(orders.refunded);
    vec![
        figure(
            "revenue",
            report.money(orders.revenue).to_string(),
            if orders.refunded > 0 { format!("{refunded} refunded") } else { String::new() },
        ),
        figure("orders paid", count(orders.paid), counted(orders.units, "unit")),
        figure(
            "of what was taken was paid",
            share(orders.units, stock.taken).unwrap_or_else(|| "–".to_owned()),
            format!("{} taken", counted(stock.taken, "unit")),
        ),
        figure(
            "sizes and kinds sold out",
            format!("{sold_out} of {}", report.items.len()),
            String::new(),
        ),
    ]
}

fn funnel(report: &Report) -> Vec<Part> {
    let (taken, orders) = (report.stock.taken, report.orders);
    let part = |name, kind, units| Part {
        name,
        kind,
        units: count(units),
        share: share(units, taken).unwrap_or_default(),
        width: scaled(units, taken, 1000).min(1000),
    };
    if taken == 0 {
        return Vec::new();
    }
    vec![
        part("taken into carts", "taken", taken),
        part("paid", "paid", orders.units),
        part("ran out unpaid", "late", report.stock.expired),
        part("given back otherwise", "soft", released(report)),
    ]
}

fn products(report: &Report) -> Vec<Product> {
    let mut products: Vec<(String, i64, i64)> = Vec::new();
    for item in &report.items {
        let title = item.product.clone().unwrap_or_else(|| "(no longer in the sale)".to_owned());
        let sold = item.sold;
        match products.last_mut() {
            Some(last) if last.0 == title => {
                last.1 += sold.units;
                last.2 += sold.revenue;
            }
            _ => products.push((title, sold.units, sold.revenue)),
        }
    }
    products.sort_by_key(|(_, _, revenue)| std::cmp::Reverse(*revenue));
    let most = products.first().map_or(0, |(_, _, revenue)| *revenue);
    let all = products.iter().map(|(_, _, revenue)| *revenue).sum();
    let product = |(title, units, revenue)| Product {
        title,
        units: count(units),
        revenue: report.money(revenue).to_string(),
        share: share(revenue, all).unwrap_or_default(),
        width: scaled(revenue, most, 1000),
    };
    products.into_iter().map(product).collect()
}

fn entry(report: &Report, item: &SkuReport) -> Item {
    let title = title(item);
    let cells = vec![
        count(item.total),
        count(item.stock.taken),
        count(item.stock.refused),
        count(item.sold.units),
        report.money(item.sold.revenue).to_string(),
        count(item.stock.expired),
        count(item.sold.refunded),
    ];
    Item { sku: item.sku.to_string(), title, cells, sold_out: sold_out(report, item) }
}

fn outcomes(report: &Report) -> Vec<(String, String)> {
    let orders = report.orders;
    let refunds: i64 = report.moments.iter().map(|moment| moment.refunds).sum();
    let net = orders.revenue.saturating_sub(orders.refunded);
    let mut outcomes = vec![
        ("Orders paid", count(orders.paid)),
        ("Orders declined", count(orders.declined)),
        ("Orders cancelled", count(orders.cancelled)),
        ("Revenue", report.money(orders.revenue).to_string()),
        ("Refunds made", count(refunds)),
        ("Refunded", report.money(orders.refunded).to_string()),
        ("Orders wholly refunded", count(orders.wholly_refunded)),
        ("Kept", report.money(net).to_string()),
    ];
    for (name, number) in [
        ("Orders under way", orders.pending),
        ("Refunds under way", orders.refunds_open),
        ("Refunds that were refused", orders.refunds_failed),
    ] {
        if number > 0 {
            outcomes.push((name, count(number)));
        }
    }
    outcomes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
