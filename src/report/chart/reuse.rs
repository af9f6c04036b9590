//! Which source enters which weight's gradient: the paper's red boxes (arXiv 1911.11929, equations 2 to 4) as a
//! picture. A row is a weight layer w_k, a column a source; what an earlier layer read already is marked.
//!
//! The same channels must repeat: a source whose halves go to two layers repeats nothing.

use super::canvas::{Anchor, Area, Canvas, SMALL, TEXT, float, shorten, width};
use super::legend::{self, Sign};
use super::ranking::{self, Item};
use super::stages;
use super::style::Ink;
use super::{Chart, Drawing, Network, titled};
use crate::analysis::gradient::{Gradient, Read, Vertex, vertex_name};
use crate::graph::Graph;
use crate::units::{grouped, percent, plural};

/// Larger matrices are drawn in groups of neighbours.
const MOST_CELLS: usize = 420;
/// The most sources that are named.
const MOST_NAMED: usize = 14;
/// The most stages that have a matrix of their own.
const MOST_STAGES: usize = 12;

/// Networks with more edges than this have no matrix.
pub(super) const MOST_EDGES: u64 = 2_000_000;

/// The gradient paths of a network whose matrix can be drawn.
fn drawn<'a>(network: &Network<'a>) -> Option<&'a Gradient> {
    network.report.gradient.filter(|gradient| gradient.ratios.edges <= MOST_EDGES)
}

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cell {
    /// Channels that no earlier layer reads.
    First,
    /// Channels that an earlier layer reads too.
    Again,
}

/// One matrix.
pub(super) struct Matrix {
    name: String,
    /// Weight layers and sources.
    size: (usize, usize),
    /// Row, column: layer, source. In order.
    cells: Vec<(usize, usize, Cell)>,
    /// Names of rows and columns, where there are few.
    rows: Vec<String>,
    columns: Vec<String>,
    /// The stages: name, and their first row and column.
    stages: Vec<(String, usize, usize)>,
    first: u64,
    again: u64,
}

struct Matrices {
    /// By row of panels.
    rows: Vec<Vec<Matrix>>,
    /// Whether a panel's name says something.
    named: bool,
    /// What rows of panels are called.
    names: Vec<String>,
    /// Of one network: the sources that most layers read.
    most_read: Option<Vec<Item>>,
}

/// What each weight layer reads, by vertex: sources and whether any of their channels were read before.
///
/// Linear in reads, but for the ranges into which readers part a source's channels.
fn cells(gradient: &Gradient) -> Vec<Vec<(Vertex, Cell)>> {
    let h = &gradient.h;
    let mut found: Vec<Vec<(Vertex, Cell)>> = vec![Vec::new(); h.channels.len()];
    for source in (0..h.loss()).filter(|&source| (source as usize) < h.consumers.len()) {
        let mut read: Vec<(u64, u64)> = Vec::new();
        for reads in h.consumers.row(source as usize).chunk_by(|a, b| a.vertex == b.vertex) {
            let again = reads.iter().any(|one| overlaps(&read, one));
            reads.iter().for_each(|one| cover(&mut read, one));
            let reader = reads[0].vertex;
            if reader != h.loss() {
                found[reader as usize].push((source, if again { Cell::Again } else { Cell::First }));
            }
        }
    }
    found
}

fn overlaps(read: &[(u64, u64)], one: &Read) -> bool {
    let next = read.partition_point(|&(_, end)| end <= one.first);
    read.get(next).is_some_and(|&(start, _)| start < one.first.saturating_add(one.channels))
}

/// Adds a range to disjoint rising ones.
fn cover(read: &mut Vec<(u64, u64)>, one: &Read) {
    let (mut start, mut end) = (one.first, one.first.saturating_add(one.channels));
    let from = read.partition_point(|&(_, known)| known < start);
    let to = read.partition_point(|&(known, _)| known <= end);
    if from < to {
        start = start.min(read[from].0);
        end = end.max(read[to - 1].1);
    }
    read.splice(from..to.max(from), [(start, end)]);
}

/// The whole network's matrix.
pub(super) fn whole(networks: &[Network<'_>]) -> Option<Chart> {
    let matrices: Vec<Matrix> = networks
        .iter()
        .map(|network| {
            let (graph, gradient) = (network.report.graph, drawn(network)?);
            let sources: Vec<Vertex> = (0..gradient.h.loss()).collect();
            let layers: Vec<Vertex> = gradient.h.layers().collect();
            let mut matrix = matrix(graph, gradient, &cells(gradient), &layers, &sources, "")?;
            matrix.name = network.name.to_owned();
            let inputs = gradient.h.inputs().len();
            let nodes = layers.iter().filter_map(|&layer| gradient.h.node(layer));
            let runs = stages::runs(graph, nodes);
            matrix.stages = runs.into_iter().map(|run| (run.name, run.start, run.start + inputs)).collect();
            Some(matrix)
        })
        .collect::<Option<_>>()?;
    let description = sentences(&matrices);
    let most_read = match networks {
        [one] => one.report.gradient.map(|gradient| most_read(one.report.graph, gradient)),
        _ => None,
    };
    let drawing = Matrices { named: matrices.len() > 1, rows: vec![matrices], names: Vec::new(), most_read };
    Some(Chart::new("reuse", titled("Gradient reuse", networks), description, drawing))
}

/// The sources that most weight layers read, the earlier of equals first.
fn most_read(graph: &Graph, gradient: &Gradient) -> Vec<Item> {
    let h = &gradient.h;
    let readers = |source: Vertex| {
        let readers = h.after.row(source as usize);
        readers.iter().filter(|edge| edge.vertex != h.loss()).count()
    };
    let mut sources: Vec<(usize, Vertex)> = (0..h.loss()).map(|source| (readers(source), source)).collect();
    sources.sort_by_key(|&(count, source)| (std::cmp::Reverse(count), source));
    let most = sources.first().map_or(1, |source| source.0.max(1));
    let read = sources.into_iter().filter(|&(count, _)| count > 1).take(MOST_NAMED);
    read.map(|(count, source)| Item {
        name: vertex_name(graph, h, source).to_owned(),
        figure: format!("{count} layers"),
        part: float(count) / float(most),
        series: 1,
    })
    .collect()
}

/// A matrix for each stage: of one network in rows of panels, of several a row of panels each.
pub(super) fn by_stage(networks: &[Network<'_>]) -> Option<Chart> {
    let rows: Vec<Vec<Matrix>> = networks.iter().map(stage_matrices).collect::<Option<_>>()?;
    if rows.iter().all(|row| row.len() < 2) {
        return None;
    }
    let described = networks.iter().zip(&rows).map(|(network, row)| match networks.len() {
        1 => sentences(row),
        _ => format!("{}: {}", network.name, sentences(row)),
    });
    let description = described.collect::<Vec<_>>().join(" ");
    let title = titled("Gradient reuse by stage", networks);
    let names = networks.iter().map(|network| network.name.to_owned()).collect();
    let drawing = Matrices { rows, named: true, names, most_read: None };
    Some(Chart::new("reuse_by_stage", title, description, drawing))
}

fn stage_matrices(network: &Network<'_>) -> Option<Vec<Matrix>> {
    let (graph, gradient) = (network.report.graph, drawn(network)?);
    let level = stages::level(graph);
    let cells = cells(gradient);
    let mut matrices: Vec<Matrix> = Vec::new();
    for (name, stage) in graph.stages().iter().zip(&gradient.stages) {
        if name.split('/').count() != level || stage.layers.len() < 2 {
            continue;
        }
        let read = stage.layers.iter().flat_map(|&layer| &cells[layer as usize]).map(|(source, _)| *source);
        let mut sources: Vec<Vertex> = read.collect();
        sources.sort_unstable();
        sources.dedup();
        if let Some(mut matrix) = matrix(graph, gradient, &cells, &stage.layers, &sources, name) {
            matrix.name.clone_from(name);
            matrices.push(matrix);
        }
    }
    // The largest say most.
    if matrices.len() > MOST_STAGES {
        let mut sizes: Vec<usize> = matrices.iter().map(|matrix| matrix.size.0).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        let least = sizes[MOST_STAGES - 1];
        matrices.retain(|matrix| matrix.size.0 >= least);
        matrices.truncate(MOST_STAGES);
    }
    Some(matrices)
}

fn matrix(
    graph: &Graph,
    gradient: &Gradient,
    cells: &[Vec<(Vertex, Cell)>],
    layers: &[Vertex],
    sources: &[Vertex],
    stage: &str,
) -> Option<Matrix> {
    let mut found = Vec::new();
    for (row, &layer) in layers.iter().enumerate() {
        for (source, cell) in &cells[layer as usize] {
            if let Ok(column) = sources.binary_search(source) {
                found.push((row, column, *cell));
            }
        }
    }
    let count = |kind: Cell| found.iter().filter(|(_, _, cell)| *cell == kind).count() as u64;
    let (first, again) = (count(Cell::First), count(Cell::Again));
    (!found.is_empty()).then(|| Matrix {
        name: String::new(),
        size: (layers.len(), sources.len()),
        cells: found,
        rows: short_names(graph, gradient, layers, stage),
        columns: short_names(graph, gradient, sources, stage),
        stages: Vec::new(),
        first,
        again,
    })
}

/// Names of few vertices within a stage, without the ending that all of them share.
fn short_names(graph: &Graph, gradient: &Gradient, vertices: &[Vertex], stage: &str) -> Vec<String> {
    if vertices.len() > 40 {
        return Vec::new();
    }
    let names = vertices.iter().map(|&vertex| {
        let name = vertex_name(graph, &gradient.h, vertex);
        name.strip_prefix(stage).and_then(|name| name.strip_prefix('/')).unwrap_or(name)
    });
    super::without_ending(&names.collect::<Vec<_>>())
}

fn sentences(matrices: &[Matrix]) -> String {
    let sentence = |matrix: &Matrix| {
        format!(
            "{}: {} updated with {} sources' features, {} of them ({}) again after an earlier layer.",
            matrix.name,
            plural(matrix.size.0 as u64, "weight layer") + if matrix.size.0 == 1 { " is" } else { " are" },
            grouped(matrix.first + matrix.again),
            grouped(matrix.again),
            percent(matrix.again, matrix.first + matrix.again)
        )
    };
    matrices.iter().map(sentence).collect::<Vec<_>>().join(" ")
}

impl Drawing for Matrices {
    fn draw(&self, canvas: &mut Canvas, area: Area) {
        let entries = [
            (Sign::Cell(false), "first: no earlier layer reads these channels".to_owned()),
            (Sign::Cell(true), "again: an earlier layer's update uses them too".to_owned()),
        ];
        let area = legend::draw(canvas, area, &entries);
        if let (Some(most_read), [row]) = (&self.most_read, self.rows.as_slice())
            && let [matrix] = row.as_slice()
            && area.width() > area.height() + 300.0
        {
            let side = (area.width() - area.height() - 60.0).clamp(260.0, area.width() * 0.45);
            let list = Area { left: area.right - side, ..area };
            ranking::draw(canvas, list, "Sources that most layers read", most_read, |_| None);
            matrix.draw(canvas, Area { right: list.left - 24.0, ..area }, self.named);
            return;
        }
        let places = match self.rows.as_slice() {
            [one] => {
                // Squares as large as possible.
                let side = |columns: usize| {
                    let rows = float(one.len().div_ceil(columns));
                    (area.width() / float(columns)).min(area.height() / rows)
                };
                let columns = (1..=one.len()).max_by(|&a, &b| side(a).total_cmp(&side(b)).then(b.cmp(&a)));
                let columns = columns.unwrap_or(1);
                area.grid(columns, one.len().div_ceil(columns), (24.0, 14.0))
                    .into_iter()
                    .take(one.len())
                    .collect()
            }
            rows => {
                let columns = rows.iter().map(Vec::len).max().unwrap_or(1);
                for (name, row) in self.names.iter().zip(area.grid(1, rows.len(), (0.0, 14.0))) {
                    let name = shorten(name, row.height(), TEXT);
                    let at = (row.left + TEXT, f64::midpoint(row.top, row.bottom));
                    canvas.turned(at, TEXT, Anchor::Middle, Ink::Text, &name);
                }
                let area = Area { left: area.left + TEXT + 14.0, ..area };
                let cells = area.grid(columns, rows.len(), (24.0, 14.0));
                let lines = cells.chunks(columns.max(1)).zip(rows);
                lines.flat_map(|(cells, row)| cells[..row.len()].to_vec()).collect::<Vec<_>>()
            }
        };
        for (matrix, place) in self.rows.iter().flatten().zip(places) {
            matrix.draw(canvas, place, self.named);
        }
    }
}

impl Matrix {
    fn draw(&self, canvas: &mut Canvas, area: Area, named: bool) {
        let mut top = area.top;
        let total = self.first + self.again;
        let share = format!("{} of {} again", grouped(self.again), grouped(total));
        let heading = if named {
            format!("{}: {share}", self.name)
        } else {
            format!("{share}, {}", percent(self.again, total))
        };
        let heading = shorten(&heading, area.width(), TEXT);
        canvas.text((area.left, top + TEXT), TEXT, Anchor::Start, Ink::Text, &heading);
        top += TEXT + 9.0;
        let (rows, columns) = self.size;
        let side = |cells: usize, room: f64| room / float(cells.max(1));
        let foot = SMALL + 8.0;
        // Names stand left of rows and below columns where cells are as large as letters.
        let room = (area.bottom - top, area.width());
        let longest = |names: &[String]| names.iter().map(|name| width(name, SMALL)).fold(0.0, f64::max);
        let names = (longest(&self.rows) + 10.0).min((room.1 - room.0 * 0.6).max(room.1 * 0.3)).min(300.0);
        let fits =
            |left: f64, below: f64| side(rows, room.0 - below).min(side(columns, room.1 - left)).min(46.0);
        // Columns have names only where those can be read.
        let tall = (longest(&self.columns) + 10.0).min(room.0 * 0.35);
        let is_named = !self.rows.is_empty() && !self.columns.is_empty() && fits(names, foot) >= SMALL + 1.0;
        let has_columns = is_named && tall >= 90.0 && fits(names, tall) >= SMALL + 1.0;
        let left = if is_named { names } else { SMALL + 12.0 };
        let below = if has_columns { tall } else { foot };
        let cell = fits(left, below).max(0.05);
        let origin = (area.left + left, top);
        let far = (origin.0 + cell * float(columns), origin.1 + cell * float(rows));
        canvas.rect(Area { left: origin.0, top: origin.1, right: far.0, bottom: far.1 }, Ink::Band);
        self.cells(canvas, origin, cell);
        let mut below = self.stages.iter().skip(1).map(|stage| stage.1).chain([rows]);
        for (name, row, column) in &self.stages {
            let (x, y) = (origin.0 + cell * float(*column), origin.1 + cell * float(*row));
            if *row > 0 {
                canvas.line((origin.0, y), (far.0, y), Ink::Muted.at(0.5), 0.75);
                canvas.line((x, origin.1), (x, far.1), Ink::Muted.at(0.5), 0.75);
            }
            // Right of the diagonal nothing is ever read.
            let high = cell * float(below.next().unwrap_or(rows) - row);
            let long = width(name, SMALL);
            if high > SMALL + 4.0 && x + 0.5 * high + long + 12.0 < far.0 {
                canvas.text((far.0 - 6.0, y + SMALL + 2.0), SMALL, Anchor::End, Ink::Muted, name);
            }
        }
        let edge = vec![origin, (far.0, origin.1), far, (origin.0, far.1), origin];
        canvas.path(edge, Ink::Muted, 1.0);
        if is_named {
            for (row, name) in self.rows.iter().enumerate() {
                let at = (origin.0 - 6.0, origin.1 + cell * (float(row) + 0.5) + SMALL * 0.36);
                canvas.text(at, SMALL, Anchor::End, Ink::Text, &shorten(name, names - 8.0, SMALL));
            }
        } else {
            let high = far.1 - origin.1;
            let text = shorten(&format!("{rows} weight layers, in order"), high.max(60.0), SMALL);
            canvas.turned((origin.0 - 6.0, far.1), SMALL, Anchor::Start, Ink::Muted, &text);
        }
        if has_columns {
            for (column, name) in self.columns.iter().enumerate() {
                let at = (origin.0 + cell * (float(column) + 0.5) + SMALL * 0.36, far.1 + 6.0);
                canvas.turned(at, SMALL, Anchor::End, Ink::Text, &shorten(name, tall - 8.0, SMALL));
            }
        } else {
            let wide = far.0 - origin.0;
            let text = shorten(&format!("{columns} sources, in order"), wide.max(60.0), SMALL);
            canvas.text((origin.0, far.1 + SMALL + 5.0), SMALL, Anchor::Start, Ink::Muted, &text);
        }
    }

    /// The cells by row; neighbours of one kind are one rectangle, and of a group the strongest counts.
    fn cells(&self, canvas: &mut Canvas, origin: (f64, f64), cell: f64) {
        let group = self.size.0.max(self.size.1).div_ceil(MOST_CELLS).max(1);
        let side = cell * float(group);
        let mut grouped: Vec<(usize, usize, Cell)> =
            self.cells.iter().map(|&(row, column, kind)| (row / group, column / group, kind)).collect();
        grouped.sort_unstable();
        grouped.dedup_by(|next, kept| {
            let same = (next.0, next.1) == (kept.0, kept.1);
            if same {
                kept.2 = kept.2.max(next.2);
            }
            same
        });
        let gap = if side > 5.0 { 1.0 } else { 0.0 };
        for kind in [Cell::First, Cell::Again] {
            let of_kind: Vec<(usize, usize)> =
                grouped.iter().filter(|cell| cell.2 == kind).map(|cell| (cell.0, cell.1)).collect();
            for row in of_kind.chunk_by(|a, b| a.0 == b.0) {
                let top = origin.1 + side * float(row[0].0);
                let runs = row.chunk_by(|a, b| a.1 + 1 == b.1 && gap == 0.0);
                let bars = runs.map(|run| {
                    let left = origin.0 + side * float(run[0].1);
                    [left + gap / 2.0, top + gap / 2.0, side * float(run.len()) - gap, side - gap]
                });
                let series = if kind == Cell::First { 0 } else { 1 };
                canvas.bars(bars.collect(), Ink::Series(series));
            }
            if kind == Cell::Again && side >= 9.0 {
                // Not by colour alone.
                for &(row, column) in &of_kind {
                    let center =
                        (origin.0 + side * (float(column) + 0.5), origin.1 + side * (float(row) + 0.5));
                    canvas.mark(0, center, side * 0.14, Ink::Ground);
                }
            }
        }
    }
}
