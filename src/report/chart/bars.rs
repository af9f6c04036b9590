//! Sums of groups as bars: of stages and of ops.

use super::axis::{Scale, Unit};
use super::canvas::{Anchor, Area, Canvas, SMALL, TEXT, float, shorten, width};
use super::legend::{self, Sign};
use super::stages;
use super::style::Ink;
use super::{Chart, Drawing, Network, list, real, titled};
use crate::analysis::Sum;
use crate::comparison::stage_rows;
use crate::units::percent;

/// A figure of a sum.
struct Figure {
    name: &'static str,
    unit: Unit,
    get: fn(&Sum) -> u64,
}

const PARAMETERS: Figure = Figure {
    name: "parameters",
    unit: Unit::Count,
    // The analysis has summed these already, so the sum fits.
    get: |sum| sum.stored.learned().unwrap_or(u64::MAX),
};
const MACS: Figure = Figure { name: "MACs", unit: Unit::Count, get: |sum| sum.macs };
const FLOPS: Figure = Figure { name: "FLOPs", unit: Unit::Count, get: |sum| sum.flops };
const TRAFFIC: Figure = Figure { name: "traffic, fused", unit: Unit::Bytes, get: |sum| sum.traffic.fused };

struct Bars {
    /// Networks' names.
    networks: Vec<String>,
    panels: Vec<Panel>,
    rows: Vec<Row>,
}

struct Panel {
    name: &'static str,
    unit: Unit,
    /// Of the whole network, by network.
    totals: Vec<u64>,
}

struct Row {
    name: String,
    /// By panel, by network.
    values: Vec<Vec<Option<u64>>>,
}

impl Row {
    fn new(name: &str, sums: &[Option<&Sum>], figures: &[Figure]) -> Self {
        let values = figures.iter().map(|figure| sums.iter().map(|sum| sum.map(figure.get)).collect());
        Self { name: name.to_owned(), values: values.collect() }
    }

    fn is_empty(&self) -> bool {
        self.values.iter().flatten().all(|value| value.unwrap_or(0) == 0)
    }

    fn add(&mut self, other: &Self) {
        for (sum, term) in self.values.iter_mut().flatten().zip(other.values.iter().flatten()) {
            *sum = match (*sum, *term) {
                (None, one) | (one, None) => one,
                (Some(sum), Some(term)) => Some(sum.saturating_add(term)),
            };
        }
    }
}

/// Parameters, MACs and traffic by stage.
pub(super) fn by_stage(networks: &[Network<'_>]) -> Option<Chart> {
    let figures = [PARAMETERS, MACS, TRAFFIC];
    let level = stages::level(networks.first()?.report.graph);
    let rows = stage_rows(networks.iter().map(|network| network.report.analysis.stages.as_slice()));
    let rows: Vec<Row> = rows
        .iter()
        .filter(|row| row.depth + 1 == level)
        .map(|row| {
            let sums: Vec<Option<&Sum>> =
                row.stages.iter().map(|stage| stage.as_ref().map(|(_, sum)| sum)).collect();
            Row::new(row.name(), &sums, &figures)
        })
        .filter(|row| !row.is_empty())
        .collect();
    chart("stages", "Costs by stage", networks, &figures, rows)
}

/// Parameters, MACs and FLOPs by op.
pub(super) fn by_op(networks: &[Network<'_>]) -> Option<Chart> {
    let figures = [PARAMETERS, MACS, FLOPS];
    let mut names: Vec<&str> = Vec::new();
    for group in networks.iter().flat_map(|network| &network.report.analysis.ops) {
        if !names.contains(&group.name.as_str()) {
            names.push(&group.name);
        }
    }
    let row = |name: &&str| {
        let sums = networks.iter().map(|network| {
            network.report.analysis.ops.iter().find(|group| group.name == **name).map(|group| &group.sum)
        });
        Row::new(name, &sums.collect::<Vec<_>>(), &figures)
    };
    let rows = names.iter().map(row).filter(|row| !row.is_empty()).collect();
    chart("ops", "Costs by op", networks, &figures, rows)
}

fn chart(
    name: &str,
    title: &str,
    networks: &[Network<'_>],
    figures: &[Figure],
    mut rows: Vec<Row>,
) -> Option<Chart> {
    let total = |figure: &Figure| {
        networks.iter().map(|network| (figure.get)(&network.report.analysis.total)).collect::<Vec<_>>()
    };
    let panels: Vec<Panel> = figures
        .iter()
        .map(|figure| Panel { name: figure.name, unit: figure.unit, totals: total(figure) })
        .collect();
    // What no row holds: nodes outside of stages.
    let mut rest = Row {
        name: "outside".into(),
        values: panels.iter().map(|panel| panel.totals.iter().map(|&total| Some(total)).collect()).collect(),
    };
    for (left, term) in rows.iter().flat_map(|row| {
        let terms: Vec<Option<u64>> = row.values.iter().flatten().copied().collect();
        terms.into_iter().enumerate().collect::<Vec<_>>()
    }) {
        if let Some(slot) = rest.values.iter_mut().flatten().nth(left) {
            *slot = slot.map(|slot| slot.saturating_sub(term.unwrap_or(0)));
        }
    }
    if !rest.is_empty() {
        rows.push(rest);
    }
    if rows.is_empty() {
        return None;
    }
    let bars =
        Bars { networks: networks.iter().map(|network| network.name.to_owned()).collect(), panels, rows };
    let description = bars.description();
    Some(Chart::new(name, titled(title, networks), description, bars))
}

impl Bars {
    fn description(&self) -> String {
        let sentences = self.networks.iter().enumerate().map(|(network, name)| {
            let totals = self.panels.iter().enumerate().map(|(index, panel)| {
                let value = |row: &&Row| row.values[index][network].unwrap_or(0);
                let largest = self.rows.iter().rev().max_by_key(value);
                let total = panel.totals[network];
                let part = largest.filter(|_| total > 0).map_or(String::new(), |row| {
                    format!(", the most in {} ({})", row.name, percent(value(&row), total))
                });
                format!("{} {}{part}", panel.unit.text(total), panel.name)
            });
            let totals: Vec<String> = totals.collect();
            format!("{name}: {}.", list(&totals.iter().map(String::as_str).collect::<Vec<_>>()))
        });
        sentences.collect::<Vec<_>>().join(" ")
    }

    /// The rows that so many lines hold: the smallest, where there are too many, as one.
    fn shown(&self, most: usize) -> Vec<Row> {
        let copy = |row: &Row| Row { name: row.name.clone(), values: row.values.clone() };
        if self.rows.len() <= most {
            return self.rows.iter().map(copy).collect();
        }
        // A row's weight: its largest share of any figure, in millionths.
        let weight = |row: &Row| {
            let shares = row.values.iter().zip(&self.panels).flat_map(|(values, panel)| {
                values.iter().zip(&panel.totals).map(|(value, &total)| {
                    u128::from(value.unwrap_or(0)) * 1_000_000 / u128::from(total.max(1))
                })
            });
            shares.max().unwrap_or(0)
        };
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_by_key(|&index| (std::cmp::Reverse(weight(&self.rows[index])), index));
        let kept = most.saturating_sub(1).max(1);
        let (mut kept, small) = (order[..kept].to_vec(), &order[kept..]);
        kept.sort_unstable();
        let mut rows: Vec<Row> = kept.iter().map(|&index| copy(&self.rows[index])).collect();
        let mut small: Vec<usize> = small.to_vec();
        small.sort_unstable();
        if let Some((&first, others)) = small.split_first() {
            let mut sum = copy(&self.rows[first]);
            others.iter().for_each(|&index| sum.add(&self.rows[index]));
            sum.name = format!("{} others", small.len());
            rows.push(sum);
        }
        rows
    }
}

impl Drawing for Bars {
    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let networks = self.networks.len();
        let mut area = area;
        if networks > 1 {
            let signs =
                self.networks.iter().enumerate().map(|(index, name)| (Sign::Bar(index), name.clone()));
            area = legend::draw(canvas, area, &signs.collect::<Vec<_>>());
        }
        let head = TEXT + 12.0;
        let foot = SMALL + 12.0;
        let room = (area.height() - head - foot).max(20.0);
        let thinnest = 13.0 * float(networks) + 5.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few rows")]
        let rows = self.shown(((room / thinnest) as usize).max(2));
        let widest = rows.iter().map(|row| width(&row.name, SMALL)).fold(0.0, f64::max);
        let names = (widest + 10.0).min(area.width() * 0.24);
        let row = room / float(rows.len().max(1));
        let top = area.top + head;
        for (index, one) in rows.iter().enumerate() {
            let middle = top + row * (float(index) + 0.5);
            if index % 2 == 0 {
                let band = Area { top: middle - row / 2.0, bottom: middle + row / 2.0, ..area };
                canvas.rect(band, Ink::Band);
            }
            let name = shorten(&one.name, names - 10.0, SMALL);
            let at = (area.left + names - 8.0, middle + SMALL * 0.36);
            canvas.text(at, SMALL, Anchor::End, Ink::Text, &name);
        }
        let plots = Area { left: area.left + names, ..area };
        let columns = plots.grid(self.panels.len(), 1, (18.0, 0.0));
        for (index, (panel, column)) in self.panels.iter().zip(columns).enumerate() {
            let place = Area { top, bottom: top + room, ..column };
            panel.draw(canvas, place, &rows, index);
        }
    }
}

impl Panel {
    fn draw(&self, canvas: &mut Canvas, area: Area, rows: &[Row], index: usize) {
        let totals: Vec<String> = self.totals.iter().map(|&total| self.unit.text(total)).collect();
        let title = format!("{}: {}", self.name, totals.join(" | "));
        let title = shorten(&title, area.width(), TEXT);
        canvas.text((area.left, area.top - 10.0), TEXT, Anchor::Start, Ink::Text, &title);
        let value = |row: &Row, network: usize| row.values[index][network];
        let texts: Vec<Vec<String>> = rows
            .iter()
            .map(|row| (0..self.totals.len()).map(|network| self.text(row, index, network)).collect())
            .collect();
        let longest = texts.iter().flatten().map(|text| width(text, SMALL)).fold(0.0, f64::max);
        let most = rows.iter().flat_map(|row| row.values[index].iter().flatten()).copied().max().unwrap_or(0);
        // Figures stand behind their bars: the axis ends before them.
        let long = (area.width() - longest - 8.0).max(area.width() * 0.3);
        let scale = Scale::up_to(most, self.unit, 3);
        let end = |value: f64| area.left + value / real(most.max(1)) * long;
        let mut free = area.left - 50.0;
        for (value, text) in scale.ticks.iter().filter(|(value, _)| *value <= real(most.max(1))) {
            let (place, half) = (end(*value), width(text, SMALL) / 2.0);
            canvas.line((place, area.bottom), (place, area.bottom + 4.0), Ink::Muted, 1.0);
            if place - half > free {
                canvas.text((place, area.bottom + SMALL + 5.0), SMALL, Anchor::Middle, Ink::Muted, text);
                free = place + half + 6.0;
            }
        }
        let row = area.height() / float(rows.len().max(1));
        let thick = ((row - 5.0) / float(self.totals.len())).min(26.0);
        for (line, one) in rows.iter().enumerate() {
            let middle = area.top + row * (float(line) + 0.5);
            let first = middle - thick * float(self.totals.len()) / 2.0;
            for (network, text) in texts[line].iter().enumerate() {
                let top = first + thick * float(network);
                let right = end(real(value(one, network).unwrap_or(0)));
                let gap = if thick > 8.0 { 1.0 } else { 0.0 };
                let bar = Area { left: area.left, top: top + gap, right, bottom: top + thick - gap };
                legend::bar(canvas, bar, network);
                let at = (right + 5.0, top + thick / 2.0 + SMALL * 0.36);
                canvas.text(at, SMALL, Anchor::Start, Ink::Text, text);
            }
        }
        canvas.line((area.left, area.top), (area.left, area.bottom), Ink::Muted, 1.0);
        canvas.line((area.left, area.bottom), (end(real(most)), area.bottom), Ink::Muted, 1.0);
    }

    /// A row's figure: with its share of the total, or with the change against the first network.
    fn text(&self, row: &Row, index: usize, network: usize) -> String {
        let values = &row.values[index];
        let Some(value) = values[network] else { return "none".into() };
        let text = self.unit.text(value);
        if self.totals.len() == 1 {
            if value == 0 {
                return text;
            }
            return format!("{text}, {}", percent(value, self.totals[0]));
        }
        match (network, values[0]) {
            (1.., Some(first)) if first > 0 && first != value => {
                format!("{text}, {:+.0} %", (real(value) / real(first) - 1.0) * 100.0).replace('-', "−")
            }
            _ => text,
        }
    }
}
