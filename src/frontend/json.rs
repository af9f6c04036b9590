//! The architecture language: JSON with blocks, parameters and expressions.
//!
//! `document.rs` reads a file as it is written, `expand.rs` writes blocks and repeats out, `resolve.rs` looks names up,
//! `elaborate.rs` types everything and builds the graph.

mod command_line;
mod document;
mod elaborate;
mod expand;
mod expression;
mod facts;
mod parameters;

mod recursion;
mod reference;
mod resolve;
pub mod schema;
pub mod write;

use super::{LoadOptions, Loaded};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::source::json::{Fault, parse};
use crate::source::{SourceId, SourceMap};

/// Reads an architecture file. Without a graph the sink says why.
pub(super) fn load(
    sources: &SourceMap,
    source: SourceId,
    name: &str,
    options: &LoadOptions,
    sink: &mut Sink,
) -> Option<Loaded> {
    let text = sources.get(source).text.clone();
    let (json, faults) = parse(source, &text);
    for fault in faults {
        sink.push(match fault {
            Fault::Syntax { message, span } => Diagnostic::error(Code::Syntax, message).at(span, "not JSON"),
            Fault::DuplicateKey { key, first, again } => {
                Diagnostic::error(Code::DuplicateKey, format!("the key `{key}` stands twice in one object"))
                    .at(again, "again here")
                    .at(first, "first here")
            }
        });
    }
    let mut document = document::Reader::new(sources, sink).document(json?)?;
    for (given, _) in &options.inputs {
        if let Some(given) = given
            && !document.inputs.iter().any(|input| *input.name.text == **given)
        {
            let known = document.inputs.iter().map(|input| &*input.name.text);
            sink.push(
                Diagnostic::error(Code::UnknownName, format!("the network has no input `{given}`"))
                    .did_you_mean(given, known.clone())
                    .help(format!("inputs: {}", known.collect::<Vec<_>>().join(", "))),
            );
        }
    }
    // A layer that could not be read leaves a hole that the rest can be read around; what all layers depend on does not.
    if !document.is_sound || sink.is_full() {
        return None;
    }
    let before = sink.errors();
    let parameters = parameters::parameters(&document, &options.set, sink);
    // A wrong parameter makes wrong everything that uses it: say only the first.
    if sink.errors() > before {
        return None;
    }
    let mut expansion = expand::expand(&document, parameters, sink);
    if expansion.is_stopped() {
        return None;
    }
    let graph = elaborate::elaborate(&document, &expansion, options, name, sink);
    if sink.has_errors() {
        return None;
    }
    let values = std::mem::take(&mut expansion.parameters);
    drop(expansion);
    facts::mark(&mut document, &values, options, &graph, sink);
    if sink.has_errors() {
        return None;
    }
    let names = document.parameter_names.iter().map(ToString::to_string);
    Some(Loaded {
        graph,
        format: "json",
        parameters: names.zip(values).collect(),
        facts: document.facts,
        sources: None,
    })
}
