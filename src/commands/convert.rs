//! `convert`: a network as an architecture file, or as a diagram.

use std::io;
use std::path::Path;

use super::files::{self, Existing};
use super::{Exit, Output, load, usage};
use crate::cli::{ConvertArgs, Target};
use crate::diagnostic::nearest;
use crate::frontend::Loaded;
use crate::frontend::json::write::{self, Names};
use crate::graph::Graph;
use crate::report::diagnostics::clean;
use crate::report::diagram::{dot, mermaid};
use crate::source::SourceMap;

pub(super) fn run(args: &ConvertArgs, output: &mut Output) -> io::Result<Exit> {
    let target = match target(args) {
        Ok(target) => target,
        Err(message) => return usage(output, &message, Some("name it with `--to`: json, dot or mermaid")),
    };
    if args.stage.is_some() && target == Target::Json {
        return usage(output, "`--stage` is for diagrams: a stage alone is no network", None);
    }
    // Before any work, and again when it is written: nothing is lost either way.
    if let Some(path) = &args.output
        && !args.force
        && path.symlink_metadata().is_ok()
    {
        return exists(&format!("`{}` exists already", path.display()), output);
    }
    let mut sources = SourceMap::default();
    let mut loaded = match load(&args.file, &args.load, &mut sources, output)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    loaded.graph.find_stages();
    let text = match target {
        Target::Json => match architecture(&loaded, output)? {
            Ok(text) => text,
            Err(exit) => return Ok(exit),
        },
        Target::Dot | Target::Mermaid => match diagram(&loaded.graph, target, args, output)? {
            Ok(text) => text,
            Err(exit) => return Ok(exit),
        },
    };
    match &args.output {
        None => output.out().write_all(text.as_bytes()).map(|()| Exit::Fine),
        Some(path) => {
            let existing = if args.force { Existing::Replace } else { Existing::Keep };
            match files::write(path, text.as_bytes(), existing) {
                Ok(()) => Ok(Exit::Fine),
                Err(error) if error.exists() => exists(&error.to_string(), output),
                Err(error) => {
                    usage(output, &error.to_string(), None)?;
                    Ok(Exit::World)
                }
            }
        }
    }
}

fn exists(message: &str, output: &mut Output) -> io::Result<Exit> {
    usage(output, message, Some("`--force` replaces it"))
}

fn architecture(loaded: &Loaded, output: &mut Output) -> io::Result<Result<String, Exit>> {
    let names = match loaded.format {
        "darknet" => Names::Numbers,
        "onnx" => Names::Modules,
        _ => Names::Paths,
    };
    match write::write(&loaded.graph, names) {
        Ok(written) => {
            if let Some(why) = written.unfolded {
                writeln!(output.err(), "note: what repeats is not folded into blocks: {}", clean(&why))?;
            }
            Ok(Ok(written.text))
        }
        Err(error) => {
            let name = clean(&loaded.graph.name);
            let message = format!("`{name}` cannot be written as an architecture file: {error}");
            usage(output, &message, None).map(Err)
        }
    }
}

fn diagram(
    graph: &Graph,
    target: Target,
    args: &ConvertArgs,
    output: &mut Output,
) -> io::Result<Result<String, Exit>> {
    let stage = args.stage.as_deref();
    if let Some(stage) = stage
        && !graph.stages().contains(stage)
    {
        let near = nearest(stage, graph.stages().iter().map(String::as_str));
        let help = near.map(|near| format!("did you mean `{near}`?"));
        return usage(output, &format!("the network has no stage `{stage}`"), help.as_deref()).map(Err);
    }
    if target == Target::Dot {
        return Ok(Ok(dot::render(graph, stage)));
    }
    // One file of Mermaid's is one diagram; a page of Markdown holds one a stage.
    let bare = args.output.as_deref().is_some_and(|path| !extension(path).eq_ignore_ascii_case("md"));
    Ok(match stage {
        None if bare => {
            let message = "a file of Mermaid's holds one diagram, and there is one of each stage";
            let help = "name a stage with `--stage`, or write a Markdown page, `-o FILE.md`";
            return usage(output, message, Some(help)).map(Err);
        }
        None => Ok(mermaid::page(graph)),
        Some(stage) if args.output.is_some() && !bare => Ok(mermaid::page_of(graph, stage)),
        Some(stage) => Ok(mermaid::diagram(graph, Some(stage))),
    })
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or("")
}

/// What is asked for by name, or by the output's.
fn target(args: &ConvertArgs) -> Result<Target, String> {
    let of_name = |path: &Path| match extension(path).to_ascii_lowercase().as_str() {
        "json" => Ok(Target::Json),
        "dot" | "gv" => Ok(Target::Dot),
        "mmd" | "mermaid" | "md" => Ok(Target::Mermaid),
        _ => Err(format!("the name `{}` does not say what to write", path.display())),
    };
    match (args.to, &args.output) {
        (Some(target), _) => Ok(target),
        (None, Some(path)) => of_name(path),
        (None, None) => Ok(Target::Json),
    }
}
