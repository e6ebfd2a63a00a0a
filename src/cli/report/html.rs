//! A report as a page that needs nothing but itself: no script, no font, no picture from elsewhere.

use askama::Template;

use super::{
    bins::Bins,
    text::{released, title},
    words::{count, counted, minute, notes, phase, scaled, second, share, sold_out},
};
use crate::flows::statistics::{Moment, Report, SkuReport};

/// Steps of time that can be told apart on a phone.
const MOST_BARS: usize = 120;
/// Fewer would be slabs.
const FEWEST_BARS: usize = 12;
/// The first hour, in minutes.
const OPENING: usize = 60;
/// Height of a chart in its own units.
const HEIGHT: i64 = 1000;
/// What is more than nothing is seen.
const LEAST_HEIGHT: i64 = 12;

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

/// Bars over time.
struct Chart {
    id: &'static str,
    name: &'static str,
    kind: &'static str,
    /// What somebody hears who does not see it.
    told: String,
    /// The value of the upper edge.
    top: String,
    /// How long a bar is, with its article.
    step: String,
    marks: Vec<String>,
    bars: Vec<Bar>,
    width: usize,
}

struct Bar {
    x: usize,
    y: i64,
    height: i64,
    label: String,
}

/// What charts show, in figures.
struct Table {
    name: String,
    columns: &'static [&'static str],
    rows: Vec<Row>,
}

struct Row {
    at: String,
    cells: Vec<String>,
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
            "sold out",
            format!("{sold_out} of {}", report.items.len()),
            "sizes and kinds".to_owned(),
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

/// What happened, in the steps of time that suit it.
struct Times {
    /// Taking and paying.
    demand: Bins,
    /// The first hour by the minute, where the steps of all of it are longer.
    opening: Option<Bins>,
    /// Refunds, which may come weeks later.
    refunds: Bins,
}

impl Times {
    fn of(report: &Report) -> Self {
        let demand = Bins::of(&report.demand(), FEWEST_BARS, MOST_BARS);
        let opening = demand.first(&report.demand(), OPENING);
        let refunds: Vec<_> =
            report.moments.iter().filter(|moment| moment.refunds > 0).copied().collect();
        Self { demand, opening, refunds: Bins::of(&refunds, FEWEST_BARS, MOST_BARS) }
    }

    fn charts(&self, report: &Report) -> Vec<Chart> {
        let money = |amount: i64| report.money(amount).to_string();
        let bins = &self.demand;
        let taken = |bin: &Moment| bin.stock.taken;
        let failed = |bin: &Moment| bin.declined + bin.cancelled;
        let opening = self.opening.as_ref().and_then(|opening| {
            chart(opening, ("opening", "Units taken in the first hour", "taken"), taken, &count)
        });
        let all = [
            chart(bins, ("taken", "Units taken into carts", "taken"), taken, &count),
            opening,
            chart(
                bins,
                ("away", "Times turned away, sold out", "soft"),
                |b| b.stock.refused,
                &count,
            ),
            chart(bins, ("paid", "Orders paid", "paid"), |bin| bin.orders, &count),
            chart(bins, ("revenue", "Revenue", "paid"), |bin| bin.revenue, &money),
            chart(bins, ("late", "Units that ran out unpaid", "late"), |b| b.stock.expired, &count),
            chart(bins, ("failed", "Orders that came to nothing", "bad"), failed, &count),
            chart(&self.refunds, ("back", "Money given back", "bad"), |bin| bin.refunded, &money),
        ];
        all.into_iter().flatten().collect()
    }

    fn tables(&self, report: &Report) -> Vec<Table> {
        let table = |what: &str, bins: &Bins, columns, row: &dyn Fn(&Moment) -> Vec<String>| {
            let busy = bins.steps.iter().filter(|bin| **bin != Moment::new(bin.at));
            let rows: Vec<Row> =
                busy.map(|bin| Row { at: minute(bin.at), cells: row(bin) }).collect();
            let name = format!("{what} by {}, as a table", bins.step_name());
            (!rows.is_empty()).then_some(Table { name, columns, rows })
        };
        let refund =
            |bin: &Moment| vec![count(bin.refunds), report.money(bin.refunded).to_string()];
        [
            table("All of this", &self.demand, DEMAND, &|bin| demand_cells(report, bin)),
            self.opening.as_ref().and_then(|opening| {
                table("The first hour", opening, DEMAND, &|bin| demand_cells(report, bin))
            }),
            table("Refunds", &self.refunds, &["refunds", "given back"], &refund),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

const DEMAND: &[&str] = &[
    "lines",
    "taken",
    "turned away",
    "orders",
    "paid units",
    "revenue",
    "ran out",
    "given back in all",
    "declined",
    "cancelled",
];

fn demand_cells(report: &Report, bin: &Moment) -> Vec<String> {
    vec![
        count(bin.stock.lines),
        count(bin.stock.taken),
        count(bin.stock.refused),
        count(bin.orders),
        count(bin.units),
        report.money(bin.revenue).to_string(),
        count(bin.stock.expired),
        count(bin.stock.given),
        count(bin.declined),
        count(bin.cancelled),
    ]
}

/// A chart of one series; none when there is nothing in it.
fn chart(
    bins: &Bins,
    (id, name, kind): (&'static str, &'static str, &'static str),
    of: impl Fn(&Moment) -> i64,
    said: &dyn Fn(i64) -> String,
) -> Option<Chart> {
    let most = bins.most(&of);
    if most == 0 {
        return None;
    }
    let bar = |(x, bin): (usize, &Moment)| {
        let value = of(bin);
        let height = scaled(value, most, HEIGHT).max(LEAST_HEIGHT);
        let label = format!("{}: {}", bins.label(bin.at), said(value));
        (value > 0).then(|| Bar { x, y: HEIGHT - height, height, label })
    };
    let peak = bins.steps.iter().find(|bin| of(bin) == most).map(|bin| bins.label(bin.at));
    let all: i64 = bins.steps.iter().map(&of).sum();
    let mark = |nth: usize| bins.steps.get(nth).map(|bin| bins.label(bin.at));
    let last = bins.steps.len().saturating_sub(1);
    Some(Chart {
        id,
        name,
        kind,
        told: format!(
            "{name} by {}: {} in all, at most {} at {}.",
            bins.step_name(),
            said(all),
            said(most),
            peak.unwrap_or_default()
        ),
        top: said(most),
        step: bins.a_step(),
        marks: [mark(0), mark(last / 2), mark(last)].into_iter().flatten().collect(),
        bars: bins.steps.iter().enumerate().filter_map(bar).collect(),
        width: bins.steps.len(),
    })
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
