//! Which random values suit a tensor of the file that has none: by the first node that reads it.

use std::collections::HashMap;

use super::model::{self, Graph, Model, Node, Tensor};
use super::scope::plain_domain;
use crate::seed::Range;
use crate::units::product;

/// The ranges of all initializers of a model, by name.
pub(super) fn of_model(model: &Model) -> HashMap<&str, Range> {
    let mut ranges = HashMap::new();
    let mut scopes = Vec::new();
    of_graph(&model.graph, &mut scopes, &mut ranges);
    ranges
}

/// The depth of graphs is limited where they are read.
fn of_graph<'m>(
    graph: &'m Graph,
    scopes: &mut Vec<HashMap<&'m str, &'m Tensor>>,
    ranges: &mut HashMap<&'m str, Range>,
) {
    scopes.push(graph.initializers.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect());
    for node in &graph.nodes {
        for (place, name) in node.inputs.iter().enumerate() {
            if let Some(tensor) = scopes.iter().rev().find_map(|scope| scope.get(name.as_str())) {
                ranges.entry(tensor.name.as_str()).or_insert_with(|| of_input(node, place, tensor));
            }
        }
        for attribute in &node.attributes {
            if let model::Value::Graph(graph) = &attribute.value {
                of_graph(graph, scopes, ranges);
            }
        }
    }
    scopes.pop();
}

/// The range of what a node reads at a place.
fn of_input(node: &Node, place: usize, tensor: &Tensor) -> Range {
    let dims: Vec<u64> = tensor.dims.iter().map(|&size| u64::try_from(size).unwrap_or(0)).collect();
    let int = |name: &str, default: i64| {
        let found = node.attributes.iter().find(|attribute| attribute.name == name);
        match found.map(|attribute| &attribute.value) {
            Some(&model::Value::Int(number)) => number,
            _ => default,
        }
    };
    let axis = |axis: usize| dims.get(axis).copied().unwrap_or(1);
    let rest = |from: usize| product(dims.get(from..).unwrap_or(&[])).unwrap_or(u64::MAX);
    if !matches!(plain_domain(&node.domain), "" | "com.microsoft") {
        return Range::OTHER;
    }
    match (node.op_type.as_str(), place) {
        ("Conv" | "FusedConv", 1) => Range::weight(rest(1)),
        ("ConvTranspose", 1) => {
            let groups = u64::try_from(int("group", 1)).unwrap_or(1).max(1);
            Range::weight((axis(0) / groups).saturating_mul(rest(2)))
        }
        ("Gemm" | "FusedGemm", 0) => Range::weight(axis(usize::from(int("transA", 0) == 0))),
        ("Gemm" | "FusedGemm", 1) => Range::weight(axis(usize::from(int("transB", 0) != 0))),
        ("MatMul" | "FusedMatMul", 0) => Range::weight(dims.last().copied().unwrap_or(1)),
        ("MatMul" | "FusedMatMul" | "Attention", 1) => Range::weight(axis(dims.len().saturating_sub(2))),
        ("Conv" | "FusedConv" | "ConvTranspose" | "Gemm" | "FusedGemm" | "Attention", 2) => Range::BIAS,
        ("BatchNormalization", 1 | 4)
        | (
            "LayerNormalization"
            | "InstanceNormalization"
            | "GroupNormalization"
            | "RMSNormalization"
            | "SimplifiedLayerNormalization",
            1,
        )
        | ("SkipLayerNormalization" | "SkipSimplifiedLayerNormalization", 2) => Range::SCALE,
        _ => Range::OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(op: &str, place: usize, dims: &[i64], attributes: &[(&str, i64)]) -> Range {
        let attribute = |&(name, value): &(&str, i64)| model::Attribute {
            name: name.into(),
            value: model::Value::Int(value),
        };
        let node = Node {
            op_type: op.into(),
            attributes: attributes.iter().map(attribute).collect(),
            ..Node::default()
        };
        of_input(&node, place, &Tensor { dims: dims.to_vec(), ..Tensor::default() })
    }

    #[test]
    fn fans_are_what_is_summed_over() {
        assert_eq!(range("Conv", 1, &[64, 3, 7, 7], &[]), Range::weight(147));
        assert_eq!(range("ConvTranspose", 1, &[8, 2, 3, 3], &[("group", 2)]), Range::weight(36));
        assert_eq!(range("Gemm", 1, &[6, 4], &[("transB", 1)]), Range::weight(4));
        assert_eq!(range("Gemm", 1, &[6, 4], &[]), Range::weight(6));
        assert_eq!(range("Gemm", 0, &[6, 4], &[("transA", 1)]), Range::weight(6));
        assert_eq!(range("MatMul", 0, &[3, 5], &[]), Range::weight(5));
        assert_eq!(range("MatMul", 1, &[2, 3, 5], &[]), Range::weight(3));
        assert_eq!(range("MatMul", 1, &[7], &[]), Range::weight(7));
        assert_eq!(range("BatchNormalization", 4, &[7], &[]), Range::SCALE);
        assert_eq!(range("BatchNormalization", 3, &[7], &[]), Range::OTHER);
        assert_eq!(range("Gemm", 2, &[7], &[]), Range::BIAS);
        // Nothing is divided by.
        assert_eq!(range("Conv", 1, &[4, 0], &[]), Range::weight(1));
    }
}
