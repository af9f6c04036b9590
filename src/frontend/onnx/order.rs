//! Which nodes of an ONNX graph are needed, and an order in which each stands behind what it reads.

use std::collections::{HashMap, HashSet};

use super::model::{Graph, Node, Value};

/// Calls `visit` with every name that a node reads; its subgraphs may read names of the graph around them.
fn reads<'m>(node: &'m Node, visit: &mut dyn FnMut(&'m str)) {
    node.inputs.iter().filter(|name| !name.is_empty()).for_each(|name| visit(name));
    for attribute in &node.attributes {
        if let Value::Graph(body) = &attribute.value {
            // Names that the body makes itself hide those around it.
            let made = body.nodes.iter().flat_map(|node| &node.outputs);
            let given = body.inputs.iter().map(|input| &input.name);
            let stored = body.initializers.iter().map(|tensor| &tensor.name);
            let own: HashSet<&str> = made.chain(given).chain(stored).map(String::as_str).collect();
            let mut outer = |name: &'m str| {
                if !own.contains(name) {
                    visit(name);
                }
            };
            body.nodes.iter().for_each(|node| reads(node, &mut outer));
            body.outputs.iter().for_each(|output| outer(&output.name));
        }
    }
}

/// Why nodes have no order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Disorder {
    /// These depend on each other.
    Circle(Vec<usize>),
    /// This one makes a name that another has made.
    Twice(usize, String),
}

/// The nodes that the outputs need, in the file's order wherever that is one.
///
/// Linear in nodes and inputs. Without outputs all nodes are needed.
pub(super) fn needed(nodes: &[Node], outputs: &[&str]) -> Result<Vec<usize>, Disorder> {
    let mut producer: HashMap<&str, usize> = HashMap::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            if producer.insert(name, index).is_some() {
                return Err(Disorder::Twice(index, name.clone()));
            }
        }
    }
    let mut sources: Vec<Vec<usize>> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut found = Vec::new();
        reads(node, &mut |name| found.extend(producer.get(name)));
        sources.push(found);
    }
    let mut is_needed = vec![outputs.is_empty(); nodes.len()];
    let mut open: Vec<usize> = outputs.iter().filter_map(|name| producer.get(name).copied()).collect();
    while let Some(index) = open.pop() {
        if !std::mem::replace(&mut is_needed[index], true) {
            open.extend(&sources[index]);
        }
    }
    let sorted = (0..nodes.len())
        .all(|index| !is_needed[index] || sources[index].iter().all(|&source| source < index));
    let listed = (0..nodes.len()).filter(|&index| is_needed[index]);
    if sorted { Ok(listed.collect()) } else { sort(&listed.collect::<Vec<_>>(), &sources) }
}

/// Depth first, so that a node follows what it reads as closely as the file's order allows.
fn sort(listed: &[usize], sources: &[Vec<usize>]) -> Result<Vec<usize>, Disorder> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; sources.len()];
    let mut order = Vec::with_capacity(listed.len());
    // Each open node, and how many of its sources were seen.
    let mut open: Vec<(usize, usize)> = Vec::new();
    for &start in listed {
        if marks[start] == Mark::New {
            marks[start] = Mark::Open;
            open.push((start, 0));
        }
        while let Some((index, seen)) = open.last_mut() {
            let index = *index;
            let Some(&source) = sources[index].get(*seen) else {
                marks[index] = Mark::Done;
                order.push(index);
                open.pop();
                continue;
            };
            *seen += 1;
            match marks[source] {
                Mark::New => {
                    marks[source] = Mark::Open;
                    open.push((source, 0));
                }
                Mark::Open => {
                    let first = open.iter().position(|&(other, _)| other == source).unwrap_or(0);
                    return Err(Disorder::Circle(open[first..].iter().map(|&(index, _)| index).collect()));
                }
                Mark::Done => {}
            }
        }
    }
    Ok(order)
}

/// The names of a graph's outputs.
pub(super) fn output_names(graph: &Graph) -> Vec<&str> {
    graph.outputs.iter().map(|output| output.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::model::ValueInfo;
    use super::*;

    fn node(inputs: &[&str], outputs: &[&str]) -> Node {
        let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect();
        Node { inputs: names(inputs), outputs: names(outputs), ..Node::default() }
    }

    #[test]
    fn dead_nodes_go_and_others_follow_what_they_read() {
        let nodes =
            [node(&["b"], &["c"]), node(&["x"], &["dead"]), node(&["a"], &["b"]), node(&["x"], &["a"])];
        assert_eq!(needed(&nodes, &["c"]), Ok(vec![3, 2, 0]));
        assert_eq!(needed(&nodes[1..2], &[]), Ok(vec![0]));
        let circle = [node(&["b"], &["a"]), node(&["a"], &["b"])];
        assert_eq!(needed(&circle, &["a"]), Err(Disorder::Circle(vec![0, 1])));
        let twice = [node(&[], &["a"]), node(&[], &["a"])];
        assert_eq!(needed(&twice, &["a"]), Err(Disorder::Twice(1, "a".into())));
    }

    #[test]
    fn bodies_read_names_around_them_and_hide_them() {
        let output = ValueInfo { name: "z".into(), ..ValueInfo::default() };
        let nodes = vec![node(&["outer"], &["z"])];
        let body = Graph { nodes, outputs: vec![output], ..Graph::default() };
        let mut branch = node(&["condition"], &["z"]);
        let value = Value::Graph(Box::new(body));
        branch.attributes.push(super::super::model::Attribute { name: "then_branch".into(), value });
        assert_eq!(needed(&[node(&["x"], &["outer"]), branch], &["z"]), Ok(vec![0, 1]));
    }
}
