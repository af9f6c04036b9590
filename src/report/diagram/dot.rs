//! Diagrams in Graphviz's language DOT.

use std::fmt::Write as _;

use super::{Cluster, lines, shape, sort, stage_name};
use crate::diagnostic::is_steering;
use crate::graph::{Graph, NodeId};

/// The whole network, or one stage with what it reads.
pub fn render(graph: &Graph, stage: Option<&str>) -> String {
    let keep = |id: NodeId| stage.is_none_or(|stage| is_within(stage_name(graph, id), stage));
    let cluster = Cluster::of(graph, keep);
    let title = match stage {
        Some(stage) => format!("{}: {stage}", graph.name),
        None => graph.name.clone(),
    };
    let mut text = format!("digraph {} {{\n", quoted(&title));
    let _ = writeln!(text, "  label={}; labelloc=t; fontname=\"Helvetica\";", quoted(&title));
    text.push_str("  node [shape=box, style=\"filled,rounded\", fontname=\"Helvetica\", fontsize=10];\n");
    text.push_str("  edge [fontname=\"Helvetica\", fontsize=8, color=\"#616161\"];\n");
    let mut count = 0;
    boxes(graph, &cluster, 1, &mut count, &mut text);
    let mut outside = vec![false; graph.len()];
    for (id, node) in graph.nodes().filter(|(id, _)| keep(*id)) {
        for &input in &node.inputs {
            let from = input.node.index();
            if !keep(input.node) && !std::mem::replace(&mut outside[from], true) {
                let name = quoted(&graph.node(input.node).name);
                let _ = writeln!(text, "  n{from} [label={name}, style=dashed];");
            }
            // A box with several outputs does not say which arrow is which.
            let label = if graph.node(input.node).outputs.len() > 1 {
                format!(" [label={}]", quoted(&format!(":{} {}", input.port, shape(graph, input))))
            } else {
                String::new()
            };
            let _ = writeln!(text, "  n{from} -> n{}{label};", id.index());
        }
    }
    text.push_str("}\n");
    text
}

/// Whether a stage is the given one or within it.
pub(super) fn is_within(stage: Option<&str>, outer: &str) -> bool {
    stage
        .and_then(|stage| stage.strip_prefix(outer))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn boxes(graph: &Graph, cluster: &Cluster, depth: usize, count: &mut usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    for &id in &cluster.nodes {
        let label: Vec<String> = lines(graph, id).iter().map(|line| escaped(line)).collect();
        let (_, colour) = sort(graph, id);
        let tooltip = quoted(&graph.node(id).name);
        let _ = writeln!(
            text,
            "{indent}n{} [label=\"{}\", fillcolor=\"{colour}\", tooltip={tooltip}];",
            id.index(),
            label.join("\\n")
        );
    }
    for (key, inner) in &cluster.inner {
        let style = match key {
            super::Key::Stage(_) => "style=\"rounded\"; color=\"#1565c0\"; penwidth=1.5",
            super::Key::Block(_) => "style=\"rounded,dashed\"; color=\"#757575\"",
        };
        let _ = writeln!(text, "{indent}subgraph cluster_{count} {{");
        let _ = writeln!(text, "{indent}  label={}; labeljust=l; fontsize=11; {style};", quoted(&inner.name));
        *count += 1;
        boxes(graph, inner, depth + 1, count, text);
        let _ = writeln!(text, "{indent}}}");
    }
}

/// A quoted string: a backslash would begin an escape of Graphviz, and a line break end the line.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' => result.push_str("\\\""),
            '\\' => result.push_str("\\\\"),
            // Graphviz reads HTML entities in any label.
            '&' => result.push_str("&amp;"),
            letter if is_steering(letter) => result.push('\u{fffd}'),
            letter => result.push(letter),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_its_quotes() {
        assert_eq!(quoted("a\"]; evil [x=\"\\"), r#""a\"]; evil [x=\"\\""#);
        assert_eq!(quoted("a\nb &lt; c"), "\"a\u{fffd}b &amp;lt; c\"");
    }
}
