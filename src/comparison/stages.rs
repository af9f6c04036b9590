//! Stages side by side.

use super::sequence::{common, rising};
use crate::analysis::{Group, Sum};

/// One stage of every network that has it.
#[derive(Clone, Debug)]
pub struct StageRow {
    /// How many stages are around it.
    pub depth: usize,
    /// By network: its full name there and its sum; `None` where a network has no such stage.
    pub stages: Vec<Option<(String, Sum)>>,
}

impl StageRow {
    /// Its name in the first network that has it.
    pub fn name(&self) -> &str {
        self.stages.iter().flatten().next().map_or("", |(name, _)| name)
    }
}

/// The stages of all networks: those of one name are one row; between such rows the next of the same depth are.
pub(crate) fn rows<'a>(networks: impl IntoIterator<Item = &'a [Group]>) -> Vec<StageRow> {
    let mut rows: Vec<StageRow> = Vec::new();
    for (network, groups) in networks.into_iter().enumerate() {
        let pairs = pairs(&rows, groups);
        let mut merged: Vec<StageRow> = Vec::with_capacity(rows.len());
        let mut rest = std::mem::take(&mut rows).into_iter().enumerate().peekable();
        let mut next = pairs.iter().peekable();
        for (index, group) in groups.iter().enumerate() {
            let mine = Some((group.name.clone(), group.sum));
            match next.next_if(|(_, j)| *j == index) {
                Some(&(i, _)) => {
                    while let Some((_, mut row)) = rest.next_if(|(at, _)| *at < i) {
                        row.stages.push(None);
                        merged.push(row);
                    }
                    if let Some((_, mut row)) = rest.next() {
                        row.stages.push(mine);
                        merged.push(row);
                    }
                }
                None => {
                    let mut stages = vec![None; network];
                    stages.push(mine);
                    merged.push(StageRow { depth: group.depth, stages });
                }
            }
        }
        merged.extend(rest.map(|(_, mut row)| {
            row.stages.push(None);
            row
        }));
        rows = merged;
    }
    rows
}

/// Rows and groups that are one stage, rising on both sides.
fn pairs(rows: &[StageRow], groups: &[Group]) -> Vec<(usize, usize)> {
    let places: rustc_hash::FxHashMap<&str, usize> =
        groups.iter().enumerate().map(|(j, group)| (group.name.as_str(), j)).collect();
    let named: Vec<(usize, usize)> =
        rows.iter().enumerate().filter_map(|(i, row)| Some((i, *places.get(row.name())?))).collect();
    let mut pairs = Vec::new();
    let (mut start_i, mut start_j) = (0, 0);
    let end = (rows.len(), groups.len());
    for (i, j) in rising(&named).into_iter().chain([end]) {
        let depths = |depths: &mut dyn Iterator<Item = usize>| {
            depths.map(|depth| u32::try_from(depth).unwrap_or(u32::MAX)).collect::<Vec<_>>()
        };
        let gap_i = depths(&mut rows[start_i..i].iter().map(|row| row.depth));
        let gap_j = depths(&mut groups[start_j..j].iter().map(|group| group.depth));
        pairs.extend(common(&gap_i, &gap_j).into_iter().map(|(x, y)| (x + start_i, y + start_j)));
        if (i, j) != end {
            pairs.push((i, j));
        }
        (start_i, start_j) = (i + 1, j + 1);
    }
    within_pairs(&pairs, rows, groups)
}

/// The pairs whose surrounding stages are pairs too, or who have one name.
fn within_pairs(pairs: &[(usize, usize)], rows: &[StageRow], groups: &[Group]) -> Vec<(usize, usize)> {
    let row_parents = parents(rows.iter().map(|row| row.depth));
    let group_parents = parents(groups.iter().map(|group| group.depth));
    let mut partner: Vec<Option<usize>> = vec![None; rows.len()];
    let mut kept = Vec::with_capacity(pairs.len());
    for &(i, j) in pairs {
        let is_within = match (row_parents[i], group_parents[j]) {
            (None, None) => true,
            (Some(row), Some(group)) => partner[row] == Some(group),
            _ => false,
        };
        if is_within || rows[i].name() == groups[j].name {
            partner[i] = Some(j);
            kept.push((i, j));
        }
    }
    kept
}

/// The last one before each that is less deep.
fn parents(depths: impl Iterator<Item = usize>) -> Vec<Option<usize>> {
    let mut around: Vec<(usize, usize)> = Vec::new();
    let parent = |(index, depth)| {
        around.retain(|&(_, outer)| outer < depth);
        let parent = around.last().map(|&(index, _)| index);
        around.push((index, depth));
        parent
    };
    depths.enumerate().map(parent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str) -> Group {
        Group { name: name.into(), depth: name.matches('/').count(), sum: Sum::default() }
    }

    fn row(name: &str) -> StageRow {
        let group = group(name);
        StageRow { depth: group.depth, stages: vec![Some((group.name, group.sum))] }
    }

    #[test]
    fn names_come_before_order() {
        let rows: Vec<StageRow> = ["stem", "a", "a/x", "b", "head"].map(row).into();
        let groups: Vec<Group> = ["stem", "p", "q", "q/x", "b", "c", "head"].map(group).into();
        // `a` is `p`, so what lies in `a` is not what lies in `q`.
        assert_eq!(pairs(&rows, &groups), [(0, 0), (1, 1), (3, 4), (4, 6)]);
    }
}
