//! Gradient paths as a JSON object and as tables.
//!
//! Keys: `csp-profile explain gradient`. Numbers of paths are decimal strings: they pass 2^53.

use num::BigUint;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::sheet::{Cell, Sheet};
use super::table;
use crate::analysis::gradient::equations::{Equations, Form, Notation};
use crate::analysis::gradient::weight_graph::Edge;
use crate::analysis::gradient::{Gradient, Read, Stage, Vertex, paths, vertex_name};
use crate::graph::Graph;
use crate::units;

/// Stages with more edges than this have no equations in the report; the command writes them.
pub const EQUATION_LIMIT: usize = 1 << 16;

/// The object `gradient` of the JSON report.
#[derive(Clone, Copy, Debug)]
pub struct GradientReport<'a> {
    /// The network.
    pub graph: &'a Graph,
    /// Its gradient paths.
    pub gradient: &'a Gradient,
    /// How equations are written.
    pub notation: Notation,
}

impl Serialize for GradientReport<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let gradient = self.gradient;
        let (h, ratios) = (&gradient.h, &gradient.ratios);
        let decimal = |count: &Option<BigUint>| count.as_ref().map(ToString::to_string);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("weight_layers", &h.layers().len())?;
        map.serialize_entry("edges", &ratios.edges)?;
        map.serialize_entry("sources", &ratios.sources)?;
        let paths_to_input = gradient.paths_to_input();
        map.serialize_entry("paths_to_input", &decimal(&paths_to_input))?;
        map.serialize_entry("log2_paths_to_input", &paths_to_input.as_ref().map(paths::log2))?;
        map.serialize_entry("longest_shortest_path", &gradient.longest_shortest_path())?;
        map.serialize_entry("longest_path", &gradient.longest_path())?;
        let sets = gradient.timestamps.as_ref().map(|timestamps| timestamps.distinct);
        map.serialize_entry("timestamp_sets", &sets)?;
        map.serialize_entry("set_ratio", &ratios.set())?;
        map.serialize_entry("channel_ratio", &ratios.channel())?;
        map.serialize_entry("channel_terms_ratio", &ratios.channel_terms())?;
        map.serialize_entry("element_ratio", &ratios.element())?;
        map.serialize_entry("copies", &Copies(self))?;
        map.serialize_entry("provenance", if h.approximate { "approximate" } else { "exact" })?;
        map.serialize_entry("skipped", &gradient.skipped)?;
        map.serialize_entry("stages", &Stages(self))?;
        map.serialize_entry("layers", &Layers(self))?;
        map.end()
    }
}

struct Copies<'a, 'r>(&'r GradientReport<'a>);

impl Serialize for Copies<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let copies = &self.0.gradient.copies;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("tensors", &copies.tensors)?;
        map.serialize_entry("classes", &copies.classes)?;
        map.serialize_entry("ratio", &copies.ratio())?;
        map.end()
    }
}

/// Which equation of the paper a stage follows.
pub fn form_name(form: Form) -> &'static str {
    match form {
        Form::Dense => "equation 2",
        Form::Csp => "equation 4",
        Form::Other => "by extension",
    }
}

struct Stages<'a, 'r>(&'r GradientReport<'a>);

impl Serialize for Stages<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct One<'a, 'r>(&'r GradientReport<'a>, usize);
        impl Serialize for One<'_, '_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let GradientReport { graph, gradient, notation } = *self.0;
                let stage = &gradient.stages[self.1];
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("name", stage_name(graph, self.1))?;
                map.serialize_entry("weight_layers", &stage.layers.len())?;
                map.serialize_entry("cross_side_overlap", &stage.cross_side_overlap())?;
                map.serialize_entry("paths", &stage.paths.as_ref().map(ToString::to_string))?;
                map.serialize_entry("co_domination_classes", &Classes(self.0, stage))?;
                if edges(gradient, stage) <= EQUATION_LIMIT {
                    let equations = Equations::new(gradient, self.1, notation);
                    map.serialize_entry("form", form_name(equations.form))?;
                    let lines: Vec<&String> =
                        equations.layers.iter().flat_map(|layer| &layer.lines).collect();
                    map.serialize_entry("equations", &lines)?;
                } else {
                    map.serialize_entry("equations", &[""; 0])?;
                    map.serialize_entry(
                        "equations_skipped",
                        "the stage has more than 2^16 edges; `gradient --stage` writes them",
                    )?;
                }
                map.end()
            }
        }
        let mut rows = serializer.serialize_seq(Some(self.0.gradient.stages.len()))?;
        for index in 0..self.0.gradient.stages.len() {
            rows.serialize_element(&One(self.0, index))?;
        }
        rows.end()
    }
}

fn edges(gradient: &Gradient, stage: &Stage) -> usize {
    stage.layers.iter().map(|&layer| gradient.h.reads.row(layer as usize).len()).sum()
}

fn stage_name(graph: &Graph, index: usize) -> &str {
    graph.stages().get_index(index).map_or("", String::as_str)
}

struct Classes<'a, 'r>(&'r GradientReport<'a>, &'r Stage);

impl Serialize for Classes<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let GradientReport { graph, gradient, .. } = self.0;
        serializer.collect_seq(self.1.classes.iter().map(|class| {
            let name = vertex_name(graph, &gradient.h, gradient.groups.vertices[class.dominator as usize]);
            serde_json::json!({
                "dominator": name, "producers": class.members.len(), "channels": class.channels,
            })
        }))
    }
}

struct Layers<'a, 'r>(&'r GradientReport<'a>);

impl Serialize for Layers<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct One<'a, 'r>(&'r GradientReport<'a>, Vertex);
        impl Serialize for One<'_, '_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let GradientReport { graph, gradient, .. } = *self.0;
                let index = self.1 as usize;
                let lengths = gradient.lengths[index];
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("name", vertex_name(graph, &gradient.h, self.1))?;
                let paths = gradient.paths.as_ref().map(|paths| paths[index].to_string());
                map.serialize_entry("paths", &paths)?;
                map.serialize_entry("shortest", &lengths.map(|lengths| lengths.0))?;
                map.serialize_entry("longest", &lengths.map(|lengths| lengths.1))?;
                let count = gradient.timestamps.as_ref().map(|timestamps| timestamps.count(self.1));
                map.serialize_entry("timestamps", &count)?;
                let dominator =
                    gradient.dominators.of(self.1).map(|node| gradient.groups.vertices[node as usize]);
                let dominator = dominator.filter(|&vertex| vertex != self.1);
                map.serialize_entry(
                    "post_dominator",
                    &dominator.map(|vertex| vertex_name(graph, &gradient.h, vertex)),
                )?;
                map.serialize_entry("sources", &Reads(self.0, gradient.h.sources.row(index)))?;
                map.serialize_entry("consumers", &Reads(self.0, gradient.h.consumers.row(index)))?;
                map.end()
            }
        }
        serializer.collect_seq(self.0.gradient.h.layers().map(|layer| One(self.0, layer)))
    }
}

struct Reads<'a, 'r>(&'r GradientReport<'a>, &'r [Read]);

#[derive(serde::Serialize)]
struct ReadRow<'a> {
    name: &'a str,
    first: u64,
    channels: u64,
    multiplicity: u64,
}

impl Serialize for Reads<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let GradientReport { graph, gradient, .. } = self.0;
        serializer.collect_seq(self.1.iter().map(|read| ReadRow {
            name: vertex_name(graph, &gradient.h, read.vertex),
            first: read.first,
            channels: read.channels,
            multiplicity: read.multiplicity,
        }))
    }
}

/// The most digits of a number of paths that fit a table.
const DIGITS: usize = 31;

/// A number of paths: exact while short, else in scientific notation; and its log₂.
fn count_text(count: Option<&BigUint>) -> (String, String) {
    let Some(count) = count else { return ("-".into(), "-".into()) };
    let log = if *count == BigUint::ZERO { "-".into() } else { format!("{:.2}", paths::log2(count)) };
    let exact = count.to_string();
    if exact.len() <= DIGITS {
        return (exact, log);
    }
    (format!("{}.{}e{}", &exact[..1], &exact[1..7], exact.len() - 1), log)
}

/// The value of a whole metric of gradient paths; path counts that do not fit in 64 bits have none.
pub fn value(gradient: &Gradient, metric: &str) -> Option<u64> {
    Some(match metric.strip_prefix("gradient.")? {
        "weight_layers" => gradient.h.layers().len() as u64,
        "edges" => gradient.ratios.edges,
        "longest_shortest_path" => gradient.longest_shortest_path(),
        "longest_path" => gradient.longest_path(),
        "paths_to_input" => u64::try_from(gradient.paths_to_input()?).ok()?,
        _ => return None,
    })
}

/// The network's figures.
pub fn summary(gradient: &Gradient) -> Sheet {
    let ratios = &gradient.ratios;
    let (paths, log) = count_text(gradient.paths_to_input().as_ref());
    let grouped = |count: u64| units::grouped(count);
    let ratio = |ratio: f64| format!("{ratio:.4}");
    let sets = gradient.timestamps.as_ref().map_or("-".into(), |sets| grouped(sets.distinct as u64));
    let rows = [
        ("weight layers", grouped(gradient.h.layers().len() as u64), "convolutions and linear layers"),
        ("edges", grouped(ratios.edges), "a layer reads channels that a layer or input made"),
        ("gradient paths", paths, "from the loss to the input"),
        ("log2 of these", log, ""),
        (
            "longest shortest path",
            grouped(gradient.longest_shortest_path()),
            "weight layers, at the worst layer",
        ),
        ("longest path", grouped(gradient.longest_path()), "weight layers"),
        ("timestamp sets", sets, "different ones, over channel groups"),
        ("set ratio", ratio(ratios.set()), "1 - sources / edges"),
        ("channel ratio", ratio(ratios.channel()), "1 - sources' channels / channels read"),
        ("channel terms ratio", ratio(ratios.channel_terms()), "sums counted by their terms"),
        ("element ratio", ratio(ratios.element()), "read elements that were read before"),
        ("copy ratio", ratio(gradient.copies.ratio()), "copies among gradients around adds"),
    ];
    let mut notes: Vec<String> = Vec::new();
    let digits = gradient.paths_to_input().map(|count| count.to_string()).unwrap_or_default();
    if digits.len() > DIGITS {
        notes.push(format!("gradient paths, all {} digits:", digits.len()));
        let lines = digits.as_bytes().chunks(table::WIDTH).take(20);
        notes.extend(lines.map(|line| String::from_utf8_lossy(line).into_owned()));
        if digits.len() > 20 * table::WIDTH {
            notes.push("… and so on; --format json has them all".into());
        }
    }
    if ratios.channel() < 0.0 {
        notes.push("channel ratio below 0: projections make more channels than anyone reads of them".into());
    }
    notes.extend(gradient.skipped.iter().map(|reason| format!("left out: {reason}")));
    if gradient.h.approximate {
        notes.push("provenance is approximate: an op joins all channels, origins are an upper bound".into());
    }
    Sheet {
        title: "Gradient paths".into(),
        columns: Vec::new(),
        rows: rows
            .into_iter()
            .map(|(name, value, remark)| {
                vec![Cell::Text(name.into()), Cell::Text(value), Cell::Name(remark.into())]
            })
            .collect(),
        notes,
    }
}

/// A name as it is within a stage.
fn within<'a>(name: &'a str, stage: &str) -> &'a str {
    name.strip_prefix(stage).and_then(|name| name.strip_prefix('/')).unwrap_or(name)
}

/// A row for each stage.
pub fn stages(graph: &Graph, gradient: &Gradient) -> Sheet {
    let rows = gradient.stages.iter().enumerate().map(|(index, stage)| {
        let (exact, log) = count_text(stage.paths.as_ref());
        let dominators: Vec<&str> = stage
            .classes
            .iter()
            .map(|class| vertex_name(graph, &gradient.h, gradient.groups.vertices[class.dominator as usize]))
            .map(|name| within(name, stage_name(graph, index)))
            .collect();
        vec![
            Cell::Name(stage_name(graph, index).into()),
            Cell::Count(stage.layers.len() as u64),
            Cell::Name(exact),
            Cell::Text(log),
            Cell::Text(stage.cross_side_overlap().map_or("-".into(), |overlap| format!("{overlap:.3}"))),
            Cell::Name(dominators.join(" ")),
        ]
    });
    Sheet {
        title: "By stage".into(),
        columns: vec!["stage", "layers", "paths", "log2", "Dx", "flow comes from"],
        rows: rows.collect(),
        notes: vec![
            "Dx: the share of what a block's layers reuse that the stage's exit reads again".into(),
            "flow comes from: the immediate post-dominators of what the stage reads".into(),
        ],
    }
}

/// A row for each weight layer of a stage.
pub fn stage_layers(graph: &Graph, gradient: &Gradient, stage: usize) -> Sheet {
    layers(graph, gradient, &gradient.stages[stage].layers, stage_name(graph, stage))
}

/// A row for each of some weight layers. Their names lose the prefix that all of them share.
fn layers(graph: &Graph, gradient: &Gradient, layers: &[Vertex], prefix: &str) -> Sheet {
    let rows = layers.iter().map(|&layer| {
        let index = layer as usize;
        let (_, log) = count_text(gradient.paths.as_ref().map(|paths| &paths[index]));
        let (shortest, longest) =
            gradient.lengths[index].map_or(("-".into(), "-".into()), |(a, b)| (a.to_string(), b.to_string()));
        let sets = gradient.timestamps.as_ref().map_or(0, |sets| sets.count(layer));
        let edges = |row: &[Edge]| Cell::Count(row.len() as u64);
        vec![
            Cell::Name(within(vertex_name(graph, &gradient.h, layer), prefix).into()),
            Cell::Text(log),
            Cell::Text(shortest),
            Cell::Text(longest),
            Cell::Count(sets),
            edges(gradient.h.before.row(index)),
            edges(gradient.h.after.row(index)),
        ]
    });
    Sheet {
        title: if prefix.is_empty() { "Weight layers".into() } else { format!("Weight layers of {prefix}") },
        columns: vec!["layer", "log2", "short", "long", "times", "reads", "readers"],
        rows: rows.collect(),
        notes: vec![
            "log2: of the number of gradient paths; short, long: their extreme lengths".into(),
            "times: timestamps; reads, readers: layers that it reads and that read it".into(),
        ],
    }
}

/// What one layer reads, and what reads it.
pub fn layer(graph: &Graph, gradient: &Gradient, vertex: Vertex) -> Vec<Sheet> {
    let h = &gradient.h;
    let sheet = |title: String, reads: &[Read]| Sheet {
        title,
        columns: vec!["layer", "first channel", "channels", "ways"],
        rows: reads
            .iter()
            .map(|read| {
                vec![
                    Cell::Name(vertex_name(graph, h, read.vertex).into()),
                    Cell::Text(read.first.to_string()),
                    Cell::Text(read.channels.to_string()),
                    Cell::Text(read.multiplicity.to_string()),
                ]
            })
            .collect(),
        notes: Vec::new(),
    };
    let name = vertex_name(graph, h, vertex);
    vec![
        layers(graph, gradient, &[vertex], ""),
        sheet(format!("What {name} reads: its gradient sources"), h.sources.row(vertex as usize)),
        sheet(format!("What reads {name}"), h.consumers.row(vertex as usize)),
    ]
}

/// How many paths to the input have each length.
pub fn spectrum(counts: &[BigUint]) -> Sheet {
    let rows = counts.iter().enumerate().filter(|(_, count)| **count != BigUint::ZERO);
    Sheet {
        title: "Lengths of the gradient paths to the input".into(),
        columns: vec!["weight layers", "paths", "log2"],
        rows: rows
            .map(|(length, count)| {
                let (exact, log) = count_text(Some(count));
                vec![Cell::Text(length.to_string()), Cell::Name(exact), Cell::Text(log)]
            })
            .collect(),
        notes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Sink;
    use crate::frontend::{self, LoadOptions};
    use crate::source::SourceMap;

    #[test]
    fn the_keys_of_the_contract() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/architectures/csp_resnet50.json");
        let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
        let loaded =
            frontend::load(path.as_ref(), &LoadOptions::default(), &mut sources, &mut sink).unwrap().unwrap();
        let gradient = Gradient::new(&loaded.graph).unwrap();
        let report = GradientReport { graph: &loaded.graph, gradient: &gradient, notation: Notation::Text };
        let json = serde_json::to_value(report).unwrap();
        assert_eq!(json["weight_layers"], 60);
        assert_eq!(json["edges"], 94);
        assert_eq!(json["paths_to_input"], "13365");
        assert_eq!(json["longest_shortest_path"], 15);
        assert_eq!(json["longest_path"], 56);
        assert_eq!(json["timestamp_sets"], 56);
        for key in ["set_ratio", "channel_ratio", "channel_terms_ratio", "element_ratio"] {
            assert!(json[key].is_f64(), "{key}");
        }
        let stage = &json["stages"][2];
        assert_eq!((&stage["name"], &stage["paths"]), (&"stage2".into(), &"9".into()));
        assert_eq!(stage["cross_side_overlap"], 0.0);
        assert_eq!(stage["equations"].as_array().unwrap().len() % 3, 0);
        let layer = &json["layers"][0];
        assert_eq!(
            (&layer["paths"], &layer["shortest"], &layer["longest"]),
            (&"13365".into(), &13.into(), &56.into())
        );
        let source = serde_json::json!({"name": "input", "first": 0, "channels": 3, "multiplicity": 1});
        assert_eq!(layer["sources"], serde_json::json!([source]));
        assert_eq!(layer["consumers"].as_array().unwrap().len(), 2);
        assert_eq!(json["layers"][59]["consumers"][0]["name"], "loss");
    }

    #[test]
    fn tables_keep_to_80_columns() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/architectures/csp_densenet121.json");
        let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
        let loaded =
            frontend::load(path.as_ref(), &LoadOptions::default(), &mut sources, &mut sink).unwrap().unwrap();
        let graph = &loaded.graph;
        let gradient = Gradient::new(graph).unwrap();
        let mut sheets =
            vec![summary(&gradient), stages(graph, &gradient), stage_layers(graph, &gradient, 1)];
        sheets.extend(layer(graph, &gradient, 30));
        sheets.push(spectrum(&gradient.spectrum(0).unwrap()));
        for line in sheets.iter().flat_map(|sheet| {
            table::render(sheet, table::WIDTH).lines().map(str::to_owned).collect::<Vec<_>>()
        }) {
            assert!(line.chars().count() <= table::WIDTH, "{line}");
        }
    }
}
