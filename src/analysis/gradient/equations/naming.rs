//! Names for a stage's features and weights, as the paper has them where the stage has the paper's form.
//!
//! - `x_0` enters the stage; `x_0'` and `x_0''` where it is split, `x_0'` the part that fewer layers read. A layer
//!   through which alone everything enters (a strided convolution) makes `x_0` out of `x_in`.
//! - `x_1 … x_k` are the layers' features in order. Layers that follow one another without another reader are one
//!   layer of the paper: the first, `w_k`, reads the block's features and makes `h_k`; the next, `v_k`, makes `x_k`.
//!   With more than two, `v_k^{(1)}` makes `h_k^{(2)}` and so on.
//! - `x_P` is a projection: a second reader of `x_0` whose result is added to the first's.
//! - `x_T` and `x_U` are transitions: the last layer alone leaves the stage. It is U if it reads `x_0'`; then T is the
//!   one layer that U reads beside. Else it is T.
//! - `δ_k` is the gradient at what `w_k` makes, `ε_k` at what `v_k` makes.

use indexmap::IndexMap;

use super::math::Symbol;
use crate::analysis::gradient::Gradient;
use crate::analysis::gradient::stages::Stage;
use crate::analysis::gradient::weight_graph::{Vertex, ranges};

/// A weight layer's names.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The layer.
    pub vertex: Vertex,
    /// The unit's label: `2`, `T`.
    pub label: String,
    /// Which of its unit's layers it is, from 0.
    pub position: usize,
    /// How many its unit has.
    pub length: usize,
}

impl Layer {
    /// `_k^{(n)}` of a letter: without the bracket where the unit has only one such.
    fn inner(&self, base: &'static str, number: usize) -> Symbol {
        let symbol = Symbol::new(base, self.label.clone());
        if self.length > 2 { symbol.above(number.to_string()) } else { symbol }
    }

    /// Its weights.
    pub fn weights(&self) -> Symbol {
        if self.position == 0 { Symbol::new("w", self.label.clone()) } else { self.inner("v", self.position) }
    }

    /// The gradient at what it makes.
    pub fn delta(&self) -> Symbol {
        if self.position == 0 {
            Symbol::new("δ", self.label.clone())
        } else {
            self.inner("ε", self.position)
        }
    }

    /// What it makes.
    pub fn output(&self) -> Symbol {
        if self.position + 1 == self.length {
            Symbol::new("x", self.label.clone())
        } else {
            self.inner("h", self.position + 1)
        }
    }

    /// Whether it is the last of its unit.
    pub fn is_last(&self) -> bool {
        self.position + 1 == self.length
    }
}

/// The form of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Equation 2: every layer reads all before it.
    Dense,
    /// Equation 4: the same of one part, and two transitions.
    Csp,
    /// Something the paper has no equation for.
    Other,
}

/// A stage's names.
#[derive(Clone, Debug)]
pub struct Naming {
    /// Its weight layers in order.
    pub layers: Vec<Layer>,
    /// The layer behind each within its unit, as an index into `layers`.
    pub next: Vec<Option<usize>>,
    /// Features by channel group, those of layers outside among them.
    features: IndexMap<u32, Symbol, rustc_hash::FxBuildHasher>,
    /// The stage's form.
    pub form: Form,
}

impl Naming {
    /// Names a stage's features.
    pub fn new(gradient: &Gradient, stage: &Stage, leaves: &[Vec<u32>]) -> Self {
        Namer::new(gradient, stage, leaves).finish()
    }

    /// The feature that a channel group is.
    pub fn feature(&self, node: u32) -> Option<&Symbol> {
        self.features.get(&node)
    }
}

/// The channel groups of each tensor that leaves a stage.
pub fn leaves(gradient: &Gradient, stage: usize) -> Vec<Vec<u32>> {
    let tensors = gradient.h.borders[stage].leaves.iter();
    tensors
        .map(|tensor| {
            let reads = ranges(tensor);
            let nodes = reads
                .iter()
                .flat_map(|read| gradient.groups.within(read.vertex, (read.first, read.channels)));
            let mut nodes: Vec<u32> = nodes.collect();
            nodes.sort_unstable();
            nodes.dedup();
            nodes
        })
        .collect()
}

/// Layers that follow one another without another reader.
struct Unit {
    layers: Vec<Vertex>,
    /// What the first reads: units, then entries.
    units: Vec<usize>,
    entries: Vec<usize>,
    /// Units that read the last's output.
    readers: Vec<usize>,
    leaves: bool,
    label: Option<String>,
}

/// Channel groups from outside with the same readers inside.
struct Entry {
    nodes: Vec<u32>,
    readers: Vec<usize>,
    label: String,
}

struct Namer<'a> {
    gradient: &'a Gradient,
    layers: &'a [Vertex],
    units: Vec<Unit>,
    entries: Vec<Entry>,
}

impl<'a> Namer<'a> {
    fn new(gradient: &'a Gradient, stage: &'a Stage, leaves: &[Vec<u32>]) -> Self {
        let mut namer = Self { gradient, layers: &stage.layers, units: Vec::new(), entries: Vec::new() };
        let inside = |vertex: Vertex| stage.layers.binary_search(&vertex).is_ok();
        let merging = stage.layers.iter().any(|&layer| namer.sources(layer).len() > 1);
        // By layer of the stage.
        let mut unit_of: Vec<usize> = Vec::with_capacity(stage.layers.len());
        for &layer in &stage.layers {
            let sources = namer.sources(layer);
            let chained = match sources[..] {
                [only] if merging => {
                    let producer = gradient.groups.vertices[only as usize];
                    let alone = gradient.groups.readers(only).eq([layer])
                        && gradient.groups.groups[producer as usize].len() == 1;
                    stage.layers.binary_search(&producer).ok().filter(|_| alone)
                }
                _ => None,
            };
            match chained {
                Some(before) => {
                    namer.units[unit_of[before]].layers.push(layer);
                    unit_of.push(unit_of[before]);
                }
                None => {
                    unit_of.push(namer.units.len());
                    namer.units.push(Unit {
                        layers: vec![layer],
                        units: Vec::new(),
                        entries: Vec::new(),
                        readers: Vec::new(),
                        leaves: false,
                        label: None,
                    });
                }
            }
        }
        let unit = |vertex: Vertex| stage.layers.binary_search(&vertex).ok().map(|index| unit_of[index]);
        let mut outside: IndexMap<u32, Vec<usize>, rustc_hash::FxBuildHasher> = IndexMap::default();
        for index in 0..namer.units.len() {
            for node in namer.sources(namer.units[index].layers[0]) {
                match unit(gradient.groups.vertices[node as usize]) {
                    Some(before) => {
                        namer.units[index].units.push(before);
                        namer.units[before].readers.push(index);
                    }
                    None => outside.entry(node).or_default().push(index),
                }
            }
            namer.units[index].units.sort_unstable();
            namer.units[index].units.dedup();
        }
        for unit in &mut namer.units {
            unit.readers.dedup();
        }
        for &node in leaves.iter().flatten() {
            let vertex = gradient.groups.vertices[node as usize];
            match unit(vertex) {
                Some(index) => namer.units[index].leaves |= namer.units[index].layers.last() == Some(&vertex),
                None if !inside(vertex) => {
                    outside.entry(node).or_default();
                }
                None => {}
            }
        }
        let mut entries: IndexMap<Vec<usize>, Vec<u32>, rustc_hash::FxBuildHasher> = IndexMap::default();
        for (node, readers) in outside {
            entries.entry(readers).or_default().push(node);
        }
        namer.entries = entries
            .into_iter()
            .map(|(readers, nodes)| Entry { nodes, readers, label: String::new() })
            .collect();
        // The part that bypasses stands first.
        namer.entries.sort_by_key(|entry| (entry.readers.len(), entry.nodes[0]));
        for (index, entry) in namer.entries.iter().enumerate() {
            entry.readers.iter().for_each(|&reader| namer.units[reader].entries.push(index));
        }
        namer.label(merging);
        namer
    }

    /// The channel groups that a layer reads.
    fn sources(&self, layer: Vertex) -> Vec<u32> {
        let (h, groups) = (&self.gradient.h, &self.gradient.groups);
        let reads = h.sources.row(layer as usize).iter();
        let mut nodes: Vec<u32> =
            reads.flat_map(|read| groups.within(read.vertex, (read.first, read.channels))).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    fn label(&mut self, merging: bool) {
        match self.entries.len() {
            1 => self.entries[0].label = "0".into(),
            count @ (2 | 3) => {
                for index in 0..count {
                    self.entries[index].label = format!("0{}", "'".repeat(index + 1));
                }
            }
            _ => {
                for (entry, letter) in self.entries.iter_mut().zip(1..) {
                    entry.label = format!("0:{letter}");
                }
            }
        }
        if merging {
            self.base();
            self.transitions();
        }
        let mut number = 0;
        for unit in &mut self.units {
            unit.label.get_or_insert_with(|| {
                number += 1;
                number.to_string()
            });
        }
    }

    /// The layer through which alone everything enters, and the two that split a stage.
    fn base(&mut self) {
        if self.entries.len() != 1 {
            return;
        }
        let mut split = self.entries[0].readers.clone();
        if let [only] = split[..]
            && self.units.len() > 1
            && !self.units[only].leaves
        {
            self.entries[0].label = "in".into();
            self.units[only].label = Some("0".into());
            split.clone_from(&self.units[only].readers);
        }
        let [a, b] = split[..] else { return };
        let alone = |unit: &Unit| unit.units.len() + unit.entries.len() == 1;
        if !alone(&self.units[a]) || !alone(&self.units[b]) {
            return;
        }
        if self.units[a].readers == self.units[b].readers {
            // Both are added: the shorter one is a projection.
            if self.units[a].layers.len() != self.units[b].layers.len() {
                let projection = if self.units[a].layers.len() < self.units[b].layers.len() { a } else { b };
                self.units[projection].label = Some("P".into());
            }
            return;
        }
        let (bypass, through) =
            if self.units[a].readers.len() <= self.units[b].readers.len() { (a, b) } else { (b, a) };
        self.units[bypass].label = Some("0'".into());
        self.units[through].label = Some("0''".into());
    }

    fn transitions(&mut self) {
        let Some(last) = self.units.len().checked_sub(1) else { return };
        let unlabelled = |unit: &Unit| unit.label.is_none();
        let only = self.units.iter().filter(|unit| unlabelled(unit) && unit.leaves).count() == 1;
        let unit = &self.units[last];
        if !only || !unlabelled(unit) || !unit.leaves || unit.units.len() + unit.entries.len() < 2 {
            return;
        }
        let bypass = unit.entries.iter().any(|&entry| self.entries[entry].label == "0'")
            || unit.units.iter().any(|&before| self.units[before].label.as_deref() == Some("0'"));
        if !bypass {
            self.units[last].label = Some("T".into());
            return;
        }
        let blocks: Vec<usize> =
            unit.units.iter().copied().filter(|&before| unlabelled(&self.units[before])).collect();
        self.units[last].label = Some("U".into());
        if let [before] = blocks[..]
            && unit_reads_many(&self.units[before])
        {
            self.units[before].label = Some("T".into());
        }
    }

    fn form(&self) -> Form {
        let labels = |unit: &Unit| -> Vec<&str> {
            let entries = unit.entries.iter().map(|&entry| self.entries[entry].label.as_str());
            entries
                .chain(unit.units.iter().filter_map(|&before| self.units[before].label.as_deref()))
                .collect()
        };
        let has = |label: &str| self.units.iter().any(|unit| unit.label.as_deref() == Some(label));
        let base = if has("U") && has("T") { "0''" } else { "0" };
        let (mut expected, mut merges) = (vec![base.to_owned()], false);
        for unit in &self.units {
            let label = unit.label.as_deref().unwrap_or_default();
            let reads = labels(unit);
            match label {
                // What makes x_0 and its parts stands outside the equations.
                "0" | "0'" | "0''" => continue,
                "U" => {
                    if reads != ["0'", "T"] {
                        return Form::Other;
                    }
                    continue;
                }
                _ => {}
            }
            if reads != expected || self.sums(unit) {
                return Form::Other;
            }
            merges |= reads.len() > 1;
            if label != "T" {
                expected.push(label.to_owned());
            }
        }
        if !merges {
            return Form::Other;
        }
        if base == "0''" { Form::Csp } else { Form::Dense }
    }

    /// Whether a unit's first layer reads sums.
    fn sums(&self, unit: &Unit) -> bool {
        let reads = self.gradient.h.reads.row(unit.layers[0] as usize);
        reads.windows(2).any(|pair| {
            let inside = |vertex: Vertex| self.layers.binary_search(&vertex).is_ok();
            pair[0].at == pair[1].at && (inside(pair[0].read.vertex) || inside(pair[1].read.vertex))
        })
    }

    fn finish(self) -> Naming {
        let form = self.form();
        let mut features = IndexMap::default();
        for entry in &self.entries {
            for &node in &entry.nodes {
                features.insert(node, Symbol::new("x", entry.label.clone()));
            }
        }
        let mut layers = Vec::new();
        for unit in &self.units {
            for (position, &vertex) in unit.layers.iter().enumerate() {
                let layer = Layer {
                    vertex,
                    label: unit.label.clone().unwrap_or_default(),
                    position,
                    length: unit.layers.len(),
                };
                let groups = &self.gradient.groups.groups[vertex as usize];
                for (number, &node) in groups.iter().enumerate() {
                    let mut output = layer.output();
                    if groups.len() > 1 {
                        let primes = if number < 3 { "'".repeat(number + 1) } else { format!(":{number}") };
                        output = Symbol::new("x", format!("{}{primes}", layer.label));
                    }
                    features.insert(node, output);
                }
                layers.push(layer);
            }
        }
        layers.sort_by_key(|layer| layer.vertex);
        let mut next = vec![None; layers.len()];
        let index = |vertex: &Vertex| layers.binary_search_by_key(vertex, |layer| layer.vertex).ok();
        for pair in self.units.iter().flat_map(|unit| unit.layers.windows(2)) {
            if let Some(before) = index(&pair[0]) {
                next[before] = index(&pair[1]);
            }
        }
        Naming { layers, next, features, form }
    }
}

fn unit_reads_many(unit: &Unit) -> bool {
    unit.units.len() + unit.entries.len() > 1
}
