//! `gradient`: gradient-reuse paths and update equations.

use std::io;

use super::{Exit, Output, load, usage};
use crate::analysis::gradient::equations::{Equations, Notation};
use crate::analysis::gradient::{Gradient, Vertex, vertex_name};
use crate::cli::{EquationStyle, GradientArgs, GradientFormat};
use crate::diagnostic::nearest;
use crate::graph::Graph;
use crate::report::gradient::{self as sheets, GradientReport, form_name};
use crate::report::table;
use crate::source::SourceMap;

pub(super) fn run(args: &GradientArgs, output: &mut Output) -> io::Result<Exit> {
    let mut sources = SourceMap::default();
    let mut loaded = match load(&args.file, &args.load, &mut sources, output)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    loaded.graph.find_stages();
    let graph = &loaded.graph;
    let gradient = match Gradient::new(graph) {
        Ok(gradient) => gradient,
        Err(refusal) => {
            return usage(output, &format!("gradient paths cannot be followed: {refusal}"), None);
        }
    };
    let stage = match &args.stage {
        None => None,
        Some(name) => match graph.stages().get_index_of(name.as_str()) {
            Some(index) => Some(index),
            None => {
                let names = graph.stages().iter().map(String::as_str);
                return unknown("stage", name, names, output);
            }
        },
    };
    let layer = match &args.layer {
        None => None,
        Some(name) => {
            let named = |layer: &Vertex| vertex_name(graph, &gradient.h, *layer) == name;
            match gradient.h.layers().find(named) {
                Some(layer) => Some(layer),
                None => {
                    let names = gradient.h.layers().map(|layer| vertex_name(graph, &gradient.h, layer));
                    return unknown("weight layer", name, names, output);
                }
            }
        }
    };
    let notation = match args.equations {
        None | Some(EquationStyle::Text) => Notation::Text,
        Some(EquationStyle::Latex) => Notation::Latex,
        Some(EquationStyle::Mathml) => Notation::MathMl,
    };
    if args.format == GradientFormat::Json {
        let report = GradientReport { graph, gradient: &gradient, notation };
        serde_json::to_writer_pretty(&mut *output.out(), &report).map_err(io::Error::from)?;
        writeln!(output.out())?;
        return Ok(Exit::Fine);
    }
    if args.equations.is_some() {
        return equations(graph, &gradient, stage, layer, notation, output);
    }
    let mut pages = match (stage, layer) {
        (_, Some(layer)) => sheets::layer(graph, &gradient, layer),
        (Some(stage), None) => {
            let mut page = sheets::stages(graph, &gradient);
            page.rows = page.rows.into_iter().skip(stage).take(1).collect();
            vec![page, sheets::stage_layers(graph, &gradient, stage)]
        }
        (None, None) => vec![sheets::summary(&gradient), sheets::stages(graph, &gradient)],
    };
    if args.spectrum {
        match gradient.spectrum(0) {
            Ok(counts) => pages.push(sheets::spectrum(&counts)),
            Err(steps) => writeln!(
                output.err(),
                "note: the length spectrum is left out: it would take {steps} steps of big numbers"
            )?,
        }
    }
    output.heading(&graph.name)?;
    for page in &pages {
        writeln!(output.out())?;
        output.heading(&page.title)?;
        write!(output.out(), "{}", table::render(page, table::WIDTH))?;
    }
    Ok(Exit::Fine)
}

/// The equations of one stage or all, of one layer or all.
fn equations(
    graph: &Graph,
    gradient: &Gradient,
    stage: Option<usize>,
    layer: Option<Vertex>,
    notation: Notation,
    output: &mut Output,
) -> io::Result<Exit> {
    let all = 0..gradient.stages.len();
    let chosen = all.filter(|&index| match (stage, layer) {
        (Some(stage), _) => index == stage,
        (None, Some(layer)) => gradient.stages[index].layers.binary_search(&layer).is_ok(),
        (None, None) => true,
    });
    for index in chosen {
        let found = Equations::new(gradient, index, notation);
        let name = graph.stages().get_index(index).map_or("", String::as_str);
        let form = form_name(found.form);
        // LaTeX and MathML are for a program to read: what is no equation is a comment there.
        match notation {
            Notation::Text => output.heading(&format!("{name}: {form}"))?,
            Notation::Latex => writeln!(output.out(), "% {name}: {form}")?,
            Notation::MathMl => writeln!(output.out(), "<!-- {name}: {form} -->")?,
        }
        for equation in found.layers.iter().filter(|one| layer.is_none_or(|layer| layer == one.layer)) {
            let name = vertex_name(graph, &gradient.h, equation.layer);
            match notation {
                Notation::Text => writeln!(output.out(), "{name}")?,
                Notation::Latex => writeln!(output.out(), "% {name}")?,
                Notation::MathMl => writeln!(output.out(), "<!-- {} -->", name.replace("--", "- -"))?,
            }
            for line in &equation.lines {
                match notation {
                    Notation::Text => writeln!(output.out(), "  {line}")?,
                    Notation::Latex => writeln!(output.out(), "\\[ {line} \\]")?,
                    Notation::MathMl => writeln!(output.out(), "{line}")?,
                }
            }
        }
    }
    Ok(Exit::Fine)
}

fn unknown<'a>(
    what: &str,
    name: &str,
    names: impl Iterator<Item = &'a str> + Clone,
    output: &mut Output,
) -> io::Result<Exit> {
    let help = match nearest(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", names.take(12).collect::<Vec<_>>().join(", ")),
    };
    usage(output, &format!("there is no {what} `{name}`"), Some(&help))
}
