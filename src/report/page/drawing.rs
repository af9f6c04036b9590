//! The network as boxes in boxes: stages hold blocks, blocks hold layers. Each box is laid out on its own, so that the
//! page can fold any of them; see [`layering`](super::layering).
//!
//! O((nodes + edges) · depth), and the depth is at most [`DEPTH_LIMIT`].

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::layering::{End, layout};
use super::shown;
use crate::graph::{BlockId, StageId};
use crate::report::Report;

/// Deeper boxes are not parted.
const DEPTH_LIMIT: usize = 12;
/// With more nodes than this only stages and blocks are drawn.
pub(super) const NODE_LIMIT: usize = 4000;
/// With more wires than this a box is drawn without them.
const WIRE_LIMIT: usize = 20_000;
/// Where layers are not drawn, so many outside all stages are.
const LOOSE_LIMIT: usize = 100;
/// With more boxes than this nothing is drawn.
const BOX_LIMIT: usize = 6000;

/// A box with what is in it. The names of the fields are short, as there are many.
#[derive(Debug, Serialize)]
pub(super) struct Container {
    /// Its name, without that of the box around it.
    label: String,
    /// Its full name.
    name: String,
    /// How many layers are in it.
    nodes: u64,
    /// Their costs together: parameters, multiply-accumulates, FLOPs.
    sums: [super::data::Number; 3],
    /// What is directly in it: the number of a node, or −1 minus that of a box. Empty where it cannot be unfolded.
    items: Vec<i64>,
    rows: Vec<usize>,
    columns: Vec<usize>,
    /// Pairs of ends: the place of an item, −1 for the top, −2 for the bottom.
    straight: Vec<(i64, i64)>,
    /// A lane, where its wires begin, where they end.
    buses: Vec<(usize, i64, Vec<i64>)>,
    lanes: usize,
}

/// The whole drawing.
#[derive(Debug, Default, Serialize)]
pub(super) struct Drawing {
    /// The first one is the network.
    pub(super) containers: Vec<Container>,
    /// What is not drawn, and why.
    pub(super) remarks: Vec<String>,
}

#[derive(Default)]
struct Group {
    parent: Option<usize>,
    depth: usize,
    name: String,
    items: Vec<Item>,
    sums: [u64; 4],
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Item {
    Node(usize),
    Group(usize),
}

/// Draws a network.
pub(super) fn drawing(report: &Report<'_>) -> Drawing {
    let mut tree = Tree::new(report);
    let mut remarks = Vec::new();
    if report.graph.len() > NODE_LIMIT {
        remarks.push(format!(
            "The network has {} layers: only its stages and blocks are drawn.",
            crate::units::grouped(report.graph.len() as u64)
        ));
        tree.drop_nodes();
    }
    let shown = tree.order();
    let boxes: usize = shown.iter().map(|&group| tree.groups[group].items.len()).sum();
    if boxes > BOX_LIMIT {
        remarks.push(format!("It has {boxes} of them, too many for a drawing."));
        return Drawing { containers: Vec::new(), remarks };
    }
    let wires = tree.wires(report);
    let mut numbers = vec![usize::MAX; tree.groups.len()];
    shown.iter().enumerate().for_each(|(number, &group)| numbers[group] = number);
    let containers = shown.iter().map(|&group| {
        let mut wires = wires.get(group).map_or(&[][..], Vec::as_slice);
        if wires.len() > WIRE_LIMIT {
            remarks.push(format!(
                "{} has more than {WIRE_LIMIT} connections: they are not drawn.",
                tree.label(group)
            ));
            wires = &[];
        }
        tree.container(group, wires, &numbers)
    });
    let containers = containers.collect();
    Drawing { containers, remarks }
}

struct Tree {
    groups: Vec<Group>,
    /// By node, the box that it is directly in.
    home: Vec<usize>,
}

impl Tree {
    fn new(report: &Report<'_>) -> Self {
        let graph = report.graph;
        let mut finder = Finder {
            groups: vec![Group::default()],
            known: FxHashMap::default(),
            places: FxHashMap::default(),
        };
        let mut home = Vec::with_capacity(graph.len());
        for (id, node) in graph.nodes() {
            let place = (node.stage, node.block);
            let group = match finder.places.get(&place) {
                Some(&group) => group,
                None => finder.place(report, place),
            };
            finder.groups[group].items.push(Item::Node(id.index()));
            home.push(group);
        }
        let mut tree = Self { groups: finder.groups, home };
        tree.merge();
        tree.sum(report);
        tree
    }

    /// Boxes that add nothing are taken away: one with only a box in it, one with only a layer in it.
    fn merge(&mut self) {
        // Inner boxes stand behind outer ones.
        for group in (0..self.groups.len()).rev() {
            let [Item::Group(inner)] = self.groups[group].items[..] else { continue };
            self.groups[group].items = std::mem::take(&mut self.groups[inner].items);
            for item in self.groups[group].items.clone() {
                self.adopt(item, group);
            }
        }
        for group in (0..self.groups.len()).rev() {
            for place in 0..self.groups[group].items.len() {
                let Item::Group(inner) = self.groups[group].items[place] else { continue };
                if let [only @ Item::Node(node)] = self.groups[inner].items[..] {
                    self.groups[inner].items.clear();
                    self.groups[group].items[place] = only;
                    self.home[node] = group;
                }
            }
        }
        let mut depths = vec![0; self.groups.len()];
        for group in self.order() {
            depths[group] = self.groups[group].parent.map_or(0, |parent| depths[parent] + 1);
            self.groups[group].depth = depths[group];
        }
    }

    fn adopt(&mut self, item: Item, group: usize) {
        match item {
            Item::Node(node) => self.home[node] = group,
            Item::Group(inner) => self.groups[inner].parent = Some(group),
        }
    }

    /// All boxes that are in the drawing, outer ones before inner ones.
    fn order(&self) -> Vec<usize> {
        let mut order = vec![0];
        let mut next = 0;
        while let Some(&group) = order.get(next) {
            next += 1;
            order.extend(self.groups[group].items.iter().filter_map(|item| match item {
                Item::Group(inner) => Some(*inner),
                Item::Node(_) => None,
            }));
        }
        order
    }

    fn sum(&mut self, report: &Report<'_>) {
        for (node, &group) in self.home.iter().enumerate() {
            let cost = &report.analysis.nodes[node];
            let learned = cost.stored.learned().unwrap_or(u64::MAX);
            let own = [1, learned, cost.macs, cost.flops];
            let sums = &mut self.groups[group].sums;
            sums.iter_mut().zip(own).for_each(|(sum, own)| *sum = sum.saturating_add(own));
        }
        for &group in self.order().iter().rev() {
            let Some(parent) = self.groups[group].parent else { continue };
            let own = self.groups[group].sums;
            let sums = &mut self.groups[parent].sums;
            sums.iter_mut().zip(own).for_each(|(sum, own)| *sum = sum.saturating_add(own));
        }
    }

    /// Leaves only boxes that hold boxes alone; of the network's own layers, such as its inputs, a few may stay.
    fn drop_nodes(&mut self) {
        for (index, group) in self.groups.iter_mut().enumerate() {
            let nodes = group.items.iter().filter(|item| matches!(item, Item::Node(_))).count();
            if index == 0 && nodes > LOOSE_LIMIT {
                group.items.retain(|item| matches!(item, Item::Group(_)));
            } else if index > 0 && nodes > 0 {
                group.items.clear();
            }
        }
    }

    /// The wires of each box, sorted, each once.
    fn wires(&self, report: &Report<'_>) -> Vec<Vec<(End, End)>> {
        let mut places: Vec<FxHashMap<Item, usize>> = vec![FxHashMap::default(); self.groups.len()];
        for group in self.order() {
            places[group] = self.groups[group].items.iter().copied().zip(0..).collect();
        }
        let mut wires: Vec<Vec<(End, End)>> = vec![Vec::new(); self.groups.len()];
        let mut add = |group: usize, from: Option<Item>, to: Option<Item>| {
            let end = |item: Option<Item>, none: End| match item {
                None => Some(none),
                Some(item) => places[group].get(&item).map(|&place| End::Item(place)),
            };
            if let (Some(from), Some(to)) = (end(from, End::Top), end(to, End::Bottom)) {
                wires[group].push((from, to));
            }
        };
        for (id, node) in report.graph.nodes() {
            for source in &node.inputs {
                let (mut from, mut to) = (Item::Node(source.node.index()), Item::Node(id.index()));
                let (mut left, mut right) = (self.home[source.node.index()], self.home[id.index()]);
                // Up from both ends to the box that holds both.
                while left != right {
                    if self.groups[left].depth >= self.groups[right].depth {
                        add(left, Some(from), None);
                        from = Item::Group(left);
                        left = self.groups[left].parent.unwrap_or(0);
                    } else {
                        add(right, None, Some(to));
                        to = Item::Group(right);
                        right = self.groups[right].parent.unwrap_or(0);
                    }
                }
                if from != to {
                    add(left, Some(from), Some(to));
                }
            }
        }
        for wires in &mut wires {
            wires.sort_unstable();
            wires.dedup();
        }
        wires
    }

    fn label(&self, group: usize) -> String {
        let name = &self.groups[group].name;
        let outer = self.groups[group].parent.map_or("", |parent| &self.groups[parent].name);
        let short = name.strip_prefix(outer).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name);
        shown(short)
    }

    fn container(&self, group: usize, wires: &[(End, End)], numbers: &[usize]) -> Container {
        let own = &self.groups[group];
        let found = layout(own.items.len(), wires);
        let number = |index: usize| i64::try_from(index).unwrap_or(i64::MAX);
        let end = |end: End| match end {
            End::Top => -1,
            End::Bottom => -2,
            End::Item(place) => number(place),
        };
        let [nodes, parameters, macs, flops] = own.sums;
        Container {
            label: self.label(group),
            name: shown(&own.name),
            nodes,
            sums: [parameters, macs, flops].map(Into::into),
            items: own
                .items
                .iter()
                .map(|item| match *item {
                    Item::Node(node) => number(node),
                    Item::Group(inner) => -1 - number(numbers[inner]),
                })
                .collect(),
            straight: found.straight.iter().map(|&(from, to)| (end(from), end(to))).collect(),
            buses: found
                .buses
                .into_iter()
                .map(|bus| (bus.lane, end(bus.from), bus.to.into_iter().map(end).collect()))
                .collect(),
            rows: found.rows,
            columns: found.columns,
            lanes: found.lanes,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Stage(usize),
    Block(BlockId),
}

struct Finder {
    groups: Vec<Group>,
    known: FxHashMap<(usize, Kind), usize>,
    places: FxHashMap<(Option<StageId>, Option<BlockId>), usize>,
}

impl Finder {
    /// The box of a stage and block: the stages from the outermost one, then the blocks.
    fn place(&mut self, report: &Report<'_>, place: (Option<StageId>, Option<BlockId>)) -> usize {
        let graph = report.graph;
        let mut path = Vec::new();
        let mut block = place.1;
        while let Some(id) = block {
            path.push(Kind::Block(id));
            block = graph.blocks()[id.0 as usize].parent;
        }
        let stage = place.0.and_then(|stage| graph.stages().get_index(stage.0 as usize));
        let mut name = stage.map(String::as_str);
        while let Some(stage) = name {
            path.extend(graph.stages().get_index_of(stage).map(Kind::Stage));
            name = stage.rsplit_once('/').map(|(outer, _)| outer);
        }
        let mut group = 0;
        for &kind in path.iter().rev().take(DEPTH_LIMIT) {
            group = match self.known.get(&(group, kind)) {
                Some(&inner) => inner,
                None => {
                    let inner = self.groups.len();
                    let name = match kind {
                        Kind::Stage(stage) => graph.stages()[stage].clone(),
                        Kind::Block(block) => graph.blocks()[block.0 as usize].name.to_string(),
                    };
                    self.groups.push(Group { parent: Some(group), name, ..Group::default() });
                    self.groups[group].items.push(Item::Group(inner));
                    self.known.insert((group, kind), inner);
                    inner
                }
            };
        }
        self.places.insert(place, group);
        group
    }
}
