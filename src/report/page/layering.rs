//! Where the items of a box stand: in rows from top to bottom and columns, with lanes for wires that pass others.
//!
//! A row is the longest path from the top; a chain keeps its column. A wire to the next row is drawn straight; all longer
//! wires of one item share a lane beside the columns, so that a dense block of n layers has n lanes and not n² lines.
//! O((items + wires) · log lanes), and the same input gives the same layout.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An end of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum End {
    /// What enters the box, at its top.
    Top,
    /// An item, by its place in the order.
    Item(usize),
    /// What leaves it, at its bottom.
    Bottom,
}

/// Wires that leave one end in one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bus {
    /// Where they begin.
    pub(super) from: End,
    /// The lane, counted from the columns.
    pub(super) lane: usize,
    /// Where they end.
    pub(super) to: Vec<End>,
}

/// A layout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// By item.
    pub(super) rows: Vec<usize>,
    /// By item.
    pub(super) columns: Vec<usize>,
    /// Wires between neighbouring rows.
    pub(super) straight: Vec<(End, End)>,
    /// All other wires.
    pub(super) buses: Vec<Bus>,
    /// How many lanes there are.
    pub(super) lanes: usize,
}

/// Lays out items that stand in a topological order. `wires` are sorted and each is there once; one that runs backwards
/// (groups that interleave) moves no row.
pub(super) fn layout(items: usize, wires: &[(End, End)]) -> Layout {
    let rows = rows(items, wires);
    let columns = columns(items, wires, &rows);
    let bottom = rows.iter().max().map_or(0, |last| last + 2);
    // Rows from 1, as the top is row 0.
    let row = |end: End| match end {
        End::Top => 0,
        End::Item(item) => rows[item] + 1,
        End::Bottom => bottom,
    };
    let mut layout = Layout::default();
    for &(from, to) in wires {
        if row(to) == row(from) + 1 {
            layout.straight.push((from, to));
        } else {
            match layout.buses.last_mut() {
                Some(bus) if bus.from == from => bus.to.push(to),
                _ => layout.buses.push(Bus { from, lane: 0, to: vec![to] }),
            }
        }
    }
    layout.lanes = assign_lanes(&mut layout.buses, row);
    Layout { rows, columns, ..layout }
}

fn rows(items: usize, wires: &[(End, End)]) -> Vec<usize> {
    let mut rows = vec![0; items];
    // Sorted by where they begin, so an item's row is final before it is passed on.
    for &(from, to) in wires {
        if let (End::Item(from), End::Item(to)) = (from, to)
            && from < to
        {
            rows[to] = rows[to].max(rows[from] + 1);
        }
    }
    rows
}

/// An item stands below the first one of the row above that it reads, where that place is free, else right of it.
fn columns(items: usize, wires: &[(End, End)], rows: &[usize]) -> Vec<usize> {
    let mut above: Vec<Option<usize>> = vec![None; items];
    for &(from, to) in wires {
        if let (End::Item(from), End::Item(to)) = (from, to)
            && rows[from] + 1 == rows[to]
        {
            above[to] = Some(above[to].map_or(from, |known| known.min(from)));
        }
    }
    let mut by_row: Vec<Vec<usize>> = vec![Vec::new(); rows.iter().max().map_or(0, |last| last + 1)];
    rows.iter().enumerate().for_each(|(item, &row)| by_row[row].push(item));
    let mut columns = vec![0; items];
    for row in &mut by_row {
        row.sort_by_key(|&item| (above[item].map_or(0, |above| columns[above]), item));
        let mut free = 0;
        for &item in row.iter() {
            columns[item] = above[item].map_or(0, |above| columns[above]).max(free);
            free = columns[item] + 1;
        }
    }
    columns
}

/// Gives each bus the innermost lane that is free over all rows it passes.
fn assign_lanes(buses: &mut [Bus], row: impl Fn(End) -> usize) -> usize {
    let span = |bus: &Bus| {
        let ends = bus.to.iter().map(|&end| row(end)).chain([row(bus.from)]);
        ends.fold((usize::MAX, 0), |(low, high), row| (low.min(row), high.max(row)))
    };
    let mut order: Vec<(usize, usize, usize)> =
        buses.iter().enumerate().map(|(index, bus)| (span(bus).0, span(bus).1, index)).collect();
    order.sort_unstable();
    let (mut free, mut used, mut lanes) = (BinaryHeap::new(), BinaryHeap::new(), 0);
    for (low, high, index) in order {
        while let Some(&Reverse((end, lane))) = used.peek() {
            if end > low {
                break;
            }
            used.pop();
            free.push(Reverse(lane));
        }
        let lane = free.pop().map_or(lanes, |Reverse(lane)| lane);
        lanes = lanes.max(lane + 1);
        buses[index].lane = lane;
        used.push(Reverse((high, lane)));
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::End::{Bottom, Item, Top};
    use super::*;

    #[test]
    fn a_chain_is_one_column() {
        let wires = [(Top, Item(0)), (Item(0), Item(1)), (Item(1), Item(2)), (Item(2), Bottom)];
        let layout = layout(3, &wires);
        assert_eq!((layout.rows, layout.columns), (vec![0, 1, 2], vec![0, 0, 0]));
        assert_eq!((layout.straight.len(), layout.buses.len(), layout.lanes), (4, 0, 0));
    }

    #[test]
    fn a_skip_has_a_lane_and_lanes_are_used_again() {
        let wires = [
            (Item(0), Item(1)),
            (Item(0), Item(2)),
            (Item(1), Item(2)),
            (Item(2), Item(3)),
            (Item(2), Item(4)),
            (Item(3), Item(4)),
        ];
        let found = layout(5, &wires);
        assert_eq!(found.lanes, 1);
        assert_eq!(found.buses[0], Bus { from: Item(0), lane: 0, to: vec![Item(2)] });
        assert_eq!(found.buses[1], Bus { from: Item(2), lane: 0, to: vec![Item(4)] });
    }

    #[test]
    fn a_dense_block_has_a_lane_for_each_layer() {
        let n = 20;
        let mut wires = Vec::new();
        for from in 0..n {
            wires.extend((from + 1..n).map(|to| (Item(from), Item(to))));
            wires.push((Item(from), Bottom));
        }
        let found = layout(n, &wires);
        assert_eq!(found.rows, (0..n).collect::<Vec<_>>());
        assert_eq!((found.buses.len(), found.lanes), (n - 1, n - 1));
    }

    #[test]
    fn branches_stand_side_by_side_and_backward_wires_move_nothing() {
        let wires =
            [(Top, Item(0)), (Item(0), Item(1)), (Item(0), Item(2)), (Item(1), Item(3)), (Item(3), Item(0))];
        let found = layout(4, &wires);
        assert_eq!(found.rows, [0, 1, 1, 2]);
        assert_eq!(found.columns, [0, 0, 1, 0]);
        assert_eq!(found.buses, [Bus { from: Item(3), lane: 0, to: vec![Item(0)] }]);
        assert_eq!(layout(0, &[]), Layout::default());
    }
}
