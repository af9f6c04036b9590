//! Layers side by side: added, removed, changed.

use std::fmt;

use serde::Serialize;

use super::matching::{Keys, Matches, matches};
use crate::graph::{Graph, Node, NodeId};
use crate::ops::OpInfo;
use crate::report::{Report, outlet_name};

/// What became of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Only the second network has it.
    Added,
    /// Only the first network has it.
    Removed,
    /// Both have it, but not alike.
    Changed,
    /// Both have it, under two names.
    Renamed,
}

impl Kind {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Renamed => "renamed",
        }
    }
}

/// One layer of one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// Its full name.
    pub name: String,
    /// Its op.
    pub op: &'static str,
    /// The shapes of its outputs.
    pub shape: String,
    /// Its learned elements.
    pub parameters: u64,
    /// Its multiply-accumulates.
    pub macs: u64,
}

/// One attribute that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// An attribute of the op, or `name`, `op`, `input`, `output`, `reads`, `share`, `called_as`, `position`.
    pub attribute: &'static str,
    /// In the first network.
    pub before: String,
    /// In the second.
    pub after: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} → {}", self.attribute, self.before, self.after)
    }
}

/// One layer that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What became of it.
    pub kind: Kind,
    /// As the first network has it.
    pub before: Option<Layer>,
    /// As the second has it.
    pub after: Option<Layer>,
    /// What changed.
    pub changes: Vec<Change>,
}

impl Difference {
    /// The name to call it by: the second network's where it has one.
    pub fn name(&self) -> &str {
        self.after.as_ref().or(self.before.as_ref()).map_or("", |layer| &layer.name)
    }

    /// Multiply-accumulates before and after.
    pub fn macs(&self) -> (u64, u64) {
        let macs = |layer: &Option<Layer>| layer.as_ref().map_or(0, |layer| layer.macs);
        (macs(&self.before), macs(&self.after))
    }

    /// Parameters before and after.
    pub fn parameters(&self) -> (u64, u64) {
        let parameters = |layer: &Option<Layer>| layer.as_ref().map_or(0, |layer| layer.parameters);
        (parameters(&self.before), parameters(&self.after))
    }
}

/// The layers of one network against those of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerChanges {
    /// How many are the same.
    pub same: usize,
    /// Those that are not, in the order of the second network; what it lost stands where it stood.
    pub differences: Vec<Difference>,
}

impl LayerChanges {
    /// How many of a kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        self.differences.iter().filter(|difference| difference.kind == kind).count()
    }

    /// Compares the layers of two networks.
    pub fn between(first: &Report<'_>, second: &Report<'_>) -> Self {
        let mut keys = Keys::default();
        let (first_keys, second_keys) = (keys.of(first.graph), keys.of(second.graph));
        let found = matches(&first_keys, &second_keys);
        let pair = Pair::new(first, second, &found);
        let mut changes = Self::default();
        let first_nodes: Vec<(NodeId, &Node)> = first.graph.nodes().collect();
        // What the first network has alone stands before the next layer that both have in order.
        let mut lost = 0;
        let mut in_order = found.in_order.iter().peekable();
        let mut flush = |changes: &mut Self, end: usize| {
            for &(id, node) in &first_nodes[lost.min(end)..end] {
                if pair.after[id.index()].is_none() {
                    changes.push(Kind::Removed, Some(layer(first, id, node)), None, Vec::new());
                }
            }
            lost = end.max(lost);
        };
        for (id, node) in second.graph.nodes() {
            if let Some(&(i, _)) = in_order.next_if(|(_, j)| *j == id.index()) {
                flush(&mut changes, i);
            }
            let Some(before) = pair.before[id.index()] else {
                changes.push(Kind::Added, None, Some(layer(second, id, node)), Vec::new());
                continue;
            };
            let (old_id, old) = first_nodes[before];
            let what = pair.changes(old_id, old, id, node);
            if what.is_empty() {
                changes.same += 1;
                continue;
            }
            let kind = if what.iter().all(|change| change.attribute == "name") {
                Kind::Renamed
            } else {
                Kind::Changed
            };
            changes.push(kind, Some(layer(first, old_id, old)), Some(layer(second, id, node)), what);
        }
        flush(&mut changes, first_nodes.len());
        changes
    }

    fn push(&mut self, kind: Kind, before: Option<Layer>, after: Option<Layer>, changes: Vec<Change>) {
        self.differences.push(Difference { kind, before, after, changes });
    }
}

fn layer(report: &Report<'_>, id: NodeId, node: &Node) -> Layer {
    let cost = &report.analysis.nodes[id.index()];
    Layer {
        name: node.name.to_string(),
        op: node.op.name(),
        shape: shapes(node.outputs.iter()),
        parameters: cost.stored.learned().unwrap_or(u64::MAX),
        macs: cost.macs,
    }
}

/// Two networks and which of their layers are one.
struct Pair<'a> {
    first: &'a Graph,
    second: &'a Graph,
    /// By layer of the second network.
    before: Vec<Option<usize>>,
    /// By layer of the first network.
    after: Vec<Option<usize>>,
    /// By layer of the second network: whether it stands elsewhere than in the first.
    moved: Vec<bool>,
}

impl<'a> Pair<'a> {
    fn new(first: &Report<'a>, second: &Report<'a>, found: &Matches) -> Self {
        let (first, second) = (first.graph, second.graph);
        let mut pair = Self {
            first,
            second,
            before: vec![None; second.len()],
            after: vec![None; first.len()],
            moved: vec![false; second.len()],
        };
        for &(i, j) in found.in_order.iter().chain(&found.moved) {
            pair.before[j] = Some(i);
            pair.after[i] = Some(j);
        }
        for &(_, j) in &found.moved {
            pair.moved[j] = true;
        }
        pair
    }

    /// Everything that differs between two layers that are one.
    fn changes(&self, old_id: NodeId, old: &Node, new_id: NodeId, new: &Node) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut change = |attribute: &'static str, before: String, after: String| {
            if before != after {
                changes.push(Change { attribute, before, after });
            }
        };
        if old.name != new.name {
            change("name", old.name.to_string(), new.name.to_string());
        }
        if old.op.name() == new.op.name() {
            // Equal layers of one network share their op, those of two do not.
            if *old.op != *new.op {
                settings(old, new, &mut change);
            }
        } else {
            change("op", old.op.name().into(), new.op.name().into());
        }
        let (old_inputs, new_inputs) = (self.first.input_types(old), self.second.input_types(new));
        if old_inputs != new_inputs {
            change("input", shapes(old_inputs.iter().copied()), shapes(new_inputs.iter().copied()));
        }
        if old.outputs != new.outputs {
            change("output", shapes(old.outputs.iter()), shapes(new.outputs.iter()));
            let dtypes = |node: &Node| {
                node.outputs.iter().map(|output| output.dtype.name()).collect::<Vec<_>>().join(" ")
            };
            change("dtype", dtypes(old), dtypes(new));
        }
        if !self.reads_the_same(old, new) {
            let names = |graph: &Graph, node: &Node| {
                node.inputs.iter().map(|&outlet| outlet_name(graph, outlet)).collect::<Vec<_>>().join(" ")
            };
            change("reads", names(self.first, old), names(self.second, new));
        }
        let same_weights =
            old.shares.map(|id| self.after[id.index()]) == new.shares.map(|id| Some(id.index()));
        if !same_weights {
            let name = |graph: &Graph, id: Option<NodeId>| {
                id.map_or("-".into(), |id| graph.node(id).name.to_string())
            };
            change("share", name(self.first, old.shares), name(self.second, new.shares));
        }
        if old.called_as != new.called_as {
            let name = |node: &Node| node.called_as.map_or("-".to_owned(), |way| way.name().to_owned());
            change("called_as", name(old), name(new));
        }
        if self.moved[new_id.index()] {
            change("position", old_id.index().to_string(), format!("{} (moved)", new_id.index()));
        }
        changes
    }

    /// Whether a layer reads layers that are one with those that it read.
    fn reads_the_same(&self, old: &Node, new: &Node) -> bool {
        old.inputs.len() == new.inputs.len()
            && old.inputs.iter().zip(&new.inputs).all(|(old, new)| {
                old.port == new.port && self.after[old.node.index()] == Some(new.node.index())
            })
    }
}

/// The attributes that differ between two layers of one op.
fn settings(old: &Node, new: &Node, change: &mut impl FnMut(&'static str, String, String)) {
    let (before, after) = (old.op.settings(), new.op.settings());
    let attributes = OpInfo::find(old.op.name()).map_or(&[][..], |info| info.attributes);
    for attribute in attributes {
        let value = |settings: &[(&str, serde_json::Value)]| {
            let given = settings.iter().find(|(name, _)| *name == attribute.name);
            let value = given.map(|(_, value)| value.clone()).or_else(attribute.default);
            match value {
                None | Some(serde_json::Value::Null) => "-".to_owned(),
                Some(serde_json::Value::String(text)) => text,
                Some(value) => value.to_string(),
            }
        };
        change(attribute.name, value(&before), value(&after));
    }
}

fn shapes<'a>(types: impl Iterator<Item = &'a crate::tensor::TensorType>) -> String {
    types.map(|one| one.shape.to_string()).collect::<Vec<_>>().join(" ")
}
