//! Diagrams in Mermaid's language, as GitHub draws them in Markdown.

use std::fmt::Write as _;

use super::dot::is_within;
use super::{Cluster, SORTS, lines, shape, sort, stage_name};
use crate::diagnostic::is_steering;
use crate::graph::{Graph, NodeId};
use crate::report::markdown;

/// `maxEdges` of Mermaid's configuration, as it is by default and on GitHub.
const MOST_ARROWS: usize = 500;
/// `maxTextSize`.
const MOST_LETTERS: usize = 50_000;

/// The outermost stages of a network in order; `None` for all that is in none.
fn stages(graph: &Graph) -> Vec<Option<String>> {
    let mut found: indexmap::IndexSet<Option<String>> = indexmap::IndexSet::new();
    for (id, _) in graph.nodes().filter(|(_, node)| !node.is_input()) {
        let outer = stage_name(graph, id).and_then(|name| name.split('/').next());
        found.insert(outer.map(str::to_owned));
    }
    found.into_iter().collect()
}

/// A Markdown page with a diagram of each stage.
pub fn page(graph: &Graph) -> String {
    let mut text = format!("# {}\n", markdown::escape(&graph.name));
    let stages = stages(graph);
    for stage in &stages {
        let title = match (stage, stages.len()) {
            (Some(stage), _) => Some(stage.as_str()),
            (None, 1) => None,
            (None, _) => Some("outside all stages"),
        };
        if let Some(title) = title {
            let _ = write!(text, "\n## {}\n", markdown::escape(title));
        }
        text.push_str(&fenced(&diagram(graph, stage.as_deref())));
    }
    text
}

/// A Markdown page with the diagram of one stage.
pub fn page_of(graph: &Graph, stage: &str) -> String {
    let title = markdown::escape(&format!("{}: {stage}", graph.name));
    format!("# {title}\n{}", fenced(&diagram(graph, Some(stage))))
}

/// A diagram as a part of a Markdown page, which says where Mermaid would not draw it.
fn fenced(diagram: &str) -> String {
    let arrows = diagram.matches(" -->").count();
    let note = if arrows > MOST_ARROWS {
        format!(
            "\n{arrows} arrows: more than the {MOST_ARROWS} that Mermaid draws unless its `maxEdges` is raised.\n"
        )
    } else if diagram.chars().count() > MOST_LETTERS {
        format!(
            "\nMore than the {MOST_LETTERS} letters that Mermaid draws unless its `maxTextSize` is raised.\n"
        )
    } else {
        String::new()
    };
    format!("{note}\n```mermaid\n{diagram}```\n")
}

/// The diagram of one stage with what it reads, or of all that is in none.
pub fn diagram(graph: &Graph, stage: Option<&str>) -> String {
    let keep = |id: NodeId| match stage {
        Some(stage) => is_within(stage_name(graph, id), stage),
        None => stage_name(graph, id).is_none() && !graph.node(id).is_input(),
    };
    let mut cluster = Cluster::of(graph, keep);
    // The stage is the diagram.
    for _ in stage.into_iter().flat_map(|stage| stage.split('/')) {
        if cluster.inner.len() == 1 && cluster.nodes.is_empty() {
            cluster = cluster.inner.pop().map(|(_, inner)| inner).unwrap_or_default();
        }
    }
    let mut text = String::from("flowchart TB\n");
    let mut outside = vec![false; graph.len()];
    let mut arrows = String::new();
    for (id, node) in graph.nodes().filter(|(id, _)| keep(*id)) {
        for &input in &node.inputs {
            let from = input.node.index();
            if !keep(input.node) && !std::mem::replace(&mut outside[from], true) {
                let name = escaped(&graph.node(input.node).name);
                let _ = writeln!(text, "  n{from}([\"{name}<br>{}\"])", shape(graph, input));
            }
            let port = if graph.node(input.node).outputs.len() > 1 {
                format!("|{}|", input.port)
            } else {
                String::new()
            };
            let _ = writeln!(arrows, "  n{from} -->{port} n{}", id.index());
        }
    }
    let mut count = 0;
    boxes(graph, &cluster, 1, &mut count, &mut text);
    text.push_str(&arrows);
    for (name, colour, _) in SORTS {
        let _ = writeln!(text, "  classDef {name} fill:{colour},color:#000");
    }
    text
}

fn boxes(graph: &Graph, cluster: &Cluster, depth: usize, count: &mut usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    for &id in &cluster.nodes {
        let label: Vec<String> = lines(graph, id).iter().map(|line| escaped(line)).collect();
        let (sort, _) = sort(graph, id);
        let _ = writeln!(text, "{indent}n{}[\"{}\"]:::{sort}", id.index(), label.join("<br>"));
    }
    for inner in cluster.inner.values() {
        let _ = writeln!(text, "{indent}subgraph c{count}[\"{}\"]", escaped(&inner.name));
        *count += 1;
        boxes(graph, inner, depth + 1, count, text);
        let _ = writeln!(text, "{indent}end");
    }
}

/// A text in quotes: what is markup of Mermaid, of HTML or of Markdown is written as an entity of Mermaid's.
fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' => result.push_str("#quot;"),
            '#' | '&' | '<' | '>' | '`' | '\\' | '*' | ';' | '|' => {
                let _ = write!(result, "#{};", u32::from(letter));
            }
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
    fn what_mermaid_does_not_draw_is_told() {
        let arrows = |count: usize| fenced(&format!("flowchart TB\n{}", "  n0 --> n1\n".repeat(count)));
        assert!(arrows(500).starts_with("\n```mermaid\nflowchart"));
        assert!(arrows(501).starts_with("\n501 arrows: more than the 500 "));
        let long = format!("flowchart TB\n  n0[\"{}\"]\n", "x".repeat(50_000));
        assert!(fenced(&long).starts_with("\nMore than the 50000 letters"));
    }

    #[test]
    fn no_name_is_markup() {
        assert_eq!(escaped("a\"] --> b"), "a#quot;] --#62; b");
        assert_eq!(escaped("`x`<br>#1;\n```"), "#96;x#96;#60;br#62;#35;1#59;\u{fffd}#96;#96;#96;");
    }
}
