//! What happened over time, as bars and as the same figures in tables.

use super::{
    bins::Bins,
    words::{count, minute, scaled},
};
use crate::flows::statistics::{Moment, Report};

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

/// Bars over time.
pub(super) struct Chart {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    /// What somebody hears who does not see it.
    pub(super) told: String,
    /// The value of the upper edge.
    pub(super) top: String,
    /// How long a bar is, with its article.
    pub(super) step: String,
    pub(super) marks: Vec<String>,
    pub(super) bars: Vec<Bar>,
    pub(super) width: usize,
}

pub(super) struct Bar {
    pub(super) x: usize,
    pub(super) y: i64,
    pub(super) height: i64,
    pub(super) label: String,
}

/// What charts show, in figures.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: &'static [&'static str],
    pub(super) rows: Vec<Row>,
}

pub(super) struct Row {
    pub(super) at: String,
    pub(super) cells: Vec<String>,
}

/// What happened, in the steps of time that suit it.
pub(super) struct Times {
    /// Taking and paying.
    demand: Bins,
    /// The first hour by the minute, where the steps of all of it are longer.
    opening: Option<Bins>,
    /// Refunds, which may come weeks later.
    refunds: Bins,
}

impl Times {
    pub(super) fn of(report: &Report) -> Self {
        let demand = Bins::of(&report.demand(), FEWEST_BARS, MOST_BARS);
        let opening = demand.first(&report.demand(), OPENING);
        let refunds: Vec<_> =
            report.moments.iter().filter(|moment| moment.refunds > 0).copied().collect();
        Self { demand, opening, refunds: Bins::of(&refunds, FEWEST_BARS, MOST_BARS) }
    }

    pub(super) fn charts(&self, report: &Report) -> Vec<Chart> {
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

    pub(super) fn tables(&self, report: &Report) -> Vec<Table> {
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
