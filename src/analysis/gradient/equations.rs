//! The update equations of a stage, three lines for each weight layer.
//!
//! 1. The paper's (CSPNet, arXiv 1911.11929, equations 2 and 4): `w_2' = f(w_2, g_0'', g_1)`. Its g_j name the blocks
//!    that layer 2 reads, not signals that arrive there: equal names on two lines mean that both layers' gradients are
//!    made with the same x_j.
//! 2. The exact one: `∂L/∂w_{2,1} = δ_2 ⋆ x_1`. What repeats from layer to layer is the operand x_1; every δ differs.
//! 3. What the layer sends back on each edge, `g_1^{(2)} = (∂(w_{2_1} ⋆ x_1)/∂x_1)ᵀ δ_2`, and what it receives,
//!    `δ_2 = Σ_k g_2^{(k)}`, k over the layers that read x_2. `out` is every reader behind the stage.
//!
//! The names are those of [`naming`]. Of more than [`SHOWN`] neighbours in a list, the first three and the last are
//! written. O(edges into the stage's layers).

pub mod math;
pub mod naming;

pub use math::Notation;
use math::{Index, Part, Symbol, render};
pub use naming::Form;
use naming::{Layer, Naming, leaves};

use super::Gradient;

/// Lists up to this length are written out.
pub const SHOWN: usize = 12;

/// The equations of one weight layer.
#[derive(Clone, Debug)]
pub struct Equation {
    /// The layer.
    pub layer: super::Vertex,
    /// The paper's, the exact one, and those of its edges.
    pub lines: [String; 3],
}

/// The equations of one stage.
#[derive(Clone, Debug)]
pub struct Equations {
    /// By weight layer.
    pub layers: Vec<Equation>,
    /// Whether the stage has the form of one of the paper's equations.
    pub form: Form,
}

impl Equations {
    /// A stage's equations in some notation; `stage` is the index into [`Gradient::stages`].
    pub fn new(gradient: &Gradient, stage: usize, notation: Notation) -> Self {
        let leaves = leaves(gradient, stage);
        let naming = Naming::new(gradient, &gradient.stages[stage], &leaves);
        let writer = Writer { gradient, naming: &naming };
        let layers = naming.layers.iter().zip(&naming.next).map(|(layer, &next)| {
            let lines = writer.lines(layer, next.map(|next| &naming.layers[next]));
            Equation { layer: layer.vertex, lines: lines.map(|line| render(&line, notation)) }
        });
        Self { layers: layers.collect(), form: naming.form }
    }
}

struct Writer<'a> {
    gradient: &'a Gradient,
    naming: &'a Naming,
}

/// What one block of a layer's input is: one feature, or a sum of several.
type Block = Vec<Symbol>;

/// Symbols in order, each once.
type Symbols = indexmap::IndexSet<Symbol, rustc_hash::FxBuildHasher>;

impl Writer<'_> {
    fn lines(&self, layer: &Layer, next: Option<&Layer>) -> [Vec<Part>; 3] {
        let blocks = self.blocks(layer);
        [paper(layer, &blocks), exact(layer, &blocks), self.edges(layer, next, &blocks)]
    }

    /// The blocks of a layer's input in order, each once.
    fn blocks(&self, layer: &Layer) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut seen = indexmap::IndexSet::<Block, rustc_hash::FxBuildHasher>::default();
        for same in self.gradient.h.reads.row(layer.vertex as usize).chunk_by(|a, b| a.at == b.at) {
            let mut block = Symbols::default();
            for placed in same {
                let range = (placed.read.first, placed.read.channels);
                for node in self.gradient.groups.within(placed.read.vertex, range) {
                    block.extend(self.naming.feature(node).cloned());
                }
            }
            let block: Block = block.into_iter().collect();
            if !block.is_empty() && seen.insert(block.clone()) {
                blocks.push(block);
            }
        }
        blocks
    }

    /// The signals that a layer sends back, and their sum that it receives.
    fn edges(&self, layer: &Layer, next: Option<&Layer>, blocks: &[Block]) -> Vec<Part> {
        let mut line = Vec::new();
        let sends: Vec<Vec<Part>> = blocks
            .iter()
            .filter(|_| layer.position == 0)
            .map(|block| {
                let mut parts = Vec::new();
                for (index, symbol) in shown(block).into_iter().enumerate() {
                    if index > 0 {
                        parts.push(Part::Op("="));
                    }
                    parts.push(symbol.map_or(Part::Op("…"), |symbol| {
                        Part::Symbol(signal(symbol).above(layer.label.clone()))
                    }));
                }
                parts.push(Part::Op("="));
                parts.push(jacobian(&block_weights(layer, block, blocks.len(), true), block));
                parts.push(Part::Symbol(layer.delta()));
                parts
            })
            .collect();
        for (index, part) in shown(&sends).into_iter().enumerate() {
            if index > 0 {
                line.push(Part::Op(","));
            }
            line.extend(part.map_or_else(|| vec![Part::Op("…")], Vec::clone));
        }
        if !line.is_empty() {
            line.push(Part::Op(";"));
        }
        line.push(Part::Symbol(layer.delta()));
        line.push(Part::Op("="));
        match next {
            Some(next) => {
                line.push(jacobian(&next.weights(), &[layer.output()]));
                line.push(Part::Symbol(next.delta()));
            }
            None => {
                let readers = self.readers(layer);
                line.extend([
                    Part::Sum,
                    Part::Symbol(signal(&layer.output()).above("k")),
                    Part::Op(","),
                    Part::Letter("k"),
                    Part::Op("∈"),
                    Part::Set(readers),
                ]);
            }
        }
        line
    }

    /// The labels of the layers that read a layer's output; `out` for those behind the stage.
    fn readers(&self, layer: &Layer) -> Vec<String> {
        let layers = &self.naming.layers;
        let (mut labels, mut outside) = (Vec::new(), false);
        for edge in self.gradient.h.after.row(layer.vertex as usize) {
            match layers.binary_search_by_key(&edge.vertex, |layer| layer.vertex) {
                Ok(index) => labels.push(layers[index].label.clone()),
                Err(_) => outside = true,
            }
        }
        labels.extend(outside.then(|| "out".to_owned()));
        let shown = shown(&labels).into_iter();
        shown.map(|label| label.cloned().unwrap_or_else(|| "…".into())).collect()
    }
}

/// `w_2' = f(w_2, g_0'', g_1)`.
fn paper(layer: &Layer, blocks: &[Block]) -> Vec<Part> {
    let weights = layer.weights();
    let mut line = vec![
        Part::Symbol(Symbol { updated: true, ..weights.clone() }),
        Part::Op("="),
        Part::Letter("f"),
        Part::Op("("),
        Part::Symbol(weights),
    ];
    let signals: Symbols = blocks.iter().flatten().map(signal).collect();
    let signals: Vec<Symbol> = signals.into_iter().collect();
    for symbol in shown(&signals) {
        line.push(Part::Op(","));
        line.push(symbol.map_or(Part::Op("…"), |symbol| Part::Symbol(symbol.clone())));
    }
    line.push(Part::Op(")"));
    line
}

/// `∂L/∂w_{2,0''} = δ_2 ⋆ x_0'', ∂L/∂w_{2,1} = δ_2 ⋆ x_1`.
fn exact(layer: &Layer, blocks: &[Block]) -> Vec<Part> {
    let mut line = Vec::new();
    for (index, block) in shown(blocks).into_iter().enumerate() {
        if index > 0 {
            line.push(Part::Op(","));
        }
        let Some(block) = block else {
            line.push(Part::Op("…"));
            continue;
        };
        line.push(Part::Derivative(block_weights(layer, block, blocks.len(), false)));
        line.push(Part::Op("="));
        line.push(Part::Symbol(layer.delta()));
        line.push(Part::Op("⋆"));
        let operand = sum(block);
        let several = operand.len() > 1;
        line.extend(several.then_some(Part::Op("(")));
        line.extend(operand);
        line.extend(several.then_some(Part::Op(")")));
    }
    line
}

/// The weights that act on one block. A sum that is all of the input needs no index.
fn block_weights(layer: &Layer, block: &Block, blocks: usize, nested: bool) -> Symbol {
    let weights = layer.weights();
    if layer.position > 0 || (blocks == 1 && block.len() > 1) {
        return weights;
    }
    let names: Vec<String> = shown(block)
        .into_iter()
        .map(|symbol| match symbol.map(|symbol| &symbol.index) {
            Some(Index::Plain(index)) => index.clone(),
            _ => "…".into(),
        })
        .collect();
    let (own, block) = (layer.label.clone(), names.join("+"));
    let index = if nested { Index::Nested(own, block) } else { Index::Pair(own, block) };
    Symbol { index, ..weights }
}

/// The gradient that belongs to a feature: `g_1` for `x_1`, `g_{h_1}` for `h_1`.
fn signal(feature: &Symbol) -> Symbol {
    match feature.base {
        "x" => Symbol { base: "g", ..feature.clone() },
        _ => Symbol { base: "g", index: Index::Of(Box::new(feature.clone())), above: None, updated: false },
    }
}

fn jacobian(weights: &Symbol, block: &[Symbol]) -> Part {
    let operand = sum(block);
    let mut of = vec![Part::Symbol(weights.clone()), Part::Op("⋆")];
    if operand.len() > 1 {
        of.push(Part::Op("("));
        of.extend(operand.iter().cloned());
        of.push(Part::Op(")"));
    } else {
        of.extend(operand.iter().cloned());
    }
    Part::Jacobian(of, operand)
}

/// `x_0 + x_1`.
fn sum(block: &[Symbol]) -> Vec<Part> {
    let mut parts = Vec::new();
    for (index, symbol) in shown(block).into_iter().enumerate() {
        if index > 0 {
            parts.push(Part::Op("+"));
        }
        parts.push(symbol.map_or(Part::Op("…"), |symbol| Part::Symbol(symbol.clone())));
    }
    parts
}

/// The items of a list, with a gap where it is long.
fn shown<T>(items: &[T]) -> Vec<Option<&T>> {
    if items.len() <= SHOWN {
        return items.iter().map(Some).collect();
    }
    let (head, tail) = (&items[..3], &items[items.len() - 1..]);
    head.iter().map(Some).chain([None]).chain(tail.iter().map(Some)).collect()
}
