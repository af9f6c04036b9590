//! What one import may cost. Functions, loops and lists write out more than the file has; here it ends.
//!
//! The bounds grow with the file, so that memory is at most a fixed multiple of what was read, and nothing that the
//! file itself holds is refused.

use super::call::Stop;
use super::model::{Graph, Model, Node, Value};
use crate::diagnostic::Code;

/// Nodes that are taken, those of functions at every call and of loops at every turn.
const MOST_NODES: u64 = crate::frontend::MAX_NODES as u64;
/// Pieces that any file may become: nodes, and what they read, make and list.
const FREE_PIECES: u64 = 1 << 20;
/// As many more for each that the file has.
const PIECES_PER_PIECE: u64 = 64;
/// Bounds of that product, where a file is large.
const MOST_PIECES: u64 = 1 << 23;
/// Bytes of names. A file has 64 MiB of them at most.
const MOST_NAME_BYTES: u64 = 128 << 20;
/// Elements that are folded.
const MOST_FOLDED: u64 = 1 << 24;

/// What is left.
#[derive(Debug)]
pub(super) struct Budget {
    nodes: u64,
    pieces: u64,
    names: u64,
    folded: u64,
}

impl Budget {
    /// What a model may use.
    pub(super) fn new(model: &Model) -> Self {
        let in_functions = model.functions.iter().flat_map(|function| &function.nodes).map(pieces);
        let in_file = graph_pieces(&model.graph).saturating_add(in_functions.sum::<u64>());
        let product = in_file.saturating_mul(PIECES_PER_PIECE).min(MOST_PIECES);
        // What stands in a large file once is taken, and becomes nodes of ours.
        let pieces = FREE_PIECES + product.max(in_file.saturating_mul(4));
        Self { nodes: MOST_NODES, pieces, names: MOST_NAME_BYTES, folded: MOST_FOLDED }
    }

    /// Takes one node of the file.
    pub(super) fn node(&mut self, node: &Node) -> Result<(), Stop> {
        self.nodes = self.nodes.checked_sub(1).ok_or_else(|| {
            let message = format!("more than {MOST_NODES} nodes, those of functions and loops at every turn");
            Stop::fault(Code::TooLarge, message)
        })?;
        self.pieces(node.inputs.len() + node.outputs.len() + node.attributes.len())
    }

    /// Takes so many pieces.
    pub(super) fn pieces(&mut self, count: usize) -> Result<(), Stop> {
        take(
            &mut self.pieces,
            count,
            "written out, its functions, loops and lists are too large for such a file",
        )
    }

    /// Takes a name of so many bytes.
    pub(super) fn name(&mut self, bytes: usize) -> Result<(), Stop> {
        take(&mut self.names, bytes, "written out, the names of its nodes are longer than 128 MiB together")
    }

    /// Whether so many elements may still be folded; when they may not, no more are.
    pub(super) fn fold(&mut self, elements: u64) -> bool {
        let left = self.folded.checked_sub(elements);
        self.folded = left.unwrap_or(0);
        left.is_some()
    }

    /// Whether anything may still be folded.
    pub(super) fn folds(&self) -> bool {
        self.folded > 0
    }
}

fn take(left: &mut u64, count: usize, message: &str) -> Result<(), Stop> {
    *left = left.checked_sub(count as u64).ok_or_else(|| Stop::fault(Code::TooLarge, message))?;
    Ok(())
}

/// The pieces of a graph, those of the graphs within it too.
fn graph_pieces(graph: &Graph) -> u64 {
    graph.nodes.iter().map(pieces).sum::<u64>().saturating_add(graph.initializers.len() as u64)
}

fn pieces(node: &Node) -> u64 {
    let within = node.attributes.iter().map(|attribute| match &attribute.value {
        Value::Graph(graph) => graph_pieces(graph),
        _ => 0,
    });
    let own = 1 + node.inputs.len() + node.outputs.len() + node.attributes.len();
    within.sum::<u64>().saturating_add(own as u64)
}
