//! darknet's cfg files: a list of sections, each of which becomes a few nodes.
//!
//! `text.rs` finds sections and keys, `kinds.rs` lists what there is, `options.rs` reads values as darknet does,
//! `network.rs` keeps the graph and what later sections refer to. The other files read one family of sections each. The
//! semantics are those of AlexeyAB/darknet 59596d7, src/parser.c.

mod activation;
mod convolution;
mod heads;
mod input;
mod joining;
mod kinds;
mod network;
mod options;
mod pooling;
mod text;

use std::path::Path;

use kinds::{Fate, Kind};
use network::Network;
use options::Options;
use text::{Section, Sections};

use super::{LoadOptions, Loaded};
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::source::{SourceId, SourceMap};

/// Whether these bytes are a cfg: by their first line, or by the name's ending where they do not begin as JSON.
pub(super) fn recognizes(path: &str, bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let first =
        lines.into_iter().find(|line| !matches!(line.first(), None | Some(b'#' | b';'))).unwrap_or(b"");
    let bare: Vec<u8> = first.iter().take(64).copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let is_net = bare.starts_with(b"[net]") || bare.starts_with(b"[network]");
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or("");
    let is = |ending: &str| extension.eq_ignore_ascii_case(ending);
    (is_net && !is("json")) || (is("cfg") && !first.starts_with(b"{"))
}

/// Reads a cfg. Without a graph the sink says why.
pub(super) fn load(
    sources: &SourceMap,
    source: SourceId,
    name: &str,
    options: &LoadOptions,
    sink: &mut Sink,
) -> Option<Loaded> {
    let text = sources.get(source).text.clone();
    let mut sections = Sections::new(source, &text);
    if let Some((parameter, _)) = options.set.first() {
        sink.push(
            Diagnostic::error(Code::UnknownParameter, format!("a cfg has no parameter `{parameter}`")).help(
                "`--set` is for architecture files in JSON; a cfg's input can be changed with `--input`",
            ),
        );
    }
    let Some(first) = sections.next(sink) else {
        if !sink.has_errors() {
            sink.push(
                Diagnostic::error(Code::Missing, format!("`{}` has no sections", sources.get(source).name))
                    .help("a cfg begins with `[net]`"),
            );
        }
        return None;
    };
    let mut network = begin(&text, name, &first, options, sink)?;
    network.reserve(text.matches("\n[").count());
    while let Some(section) = sections.next(sink) {
        read(&text, &section, &mut network, sink);
        if network.is_stopped() || sink.is_full() {
            return None;
        }
    }
    if network.index() == 0 && !sink.has_errors() {
        sink.push(
            Diagnostic::error(Code::Missing, "the network has no layers")
                .at(first.header, "nothing follows")
                .help("a section such as `[convolutional]` is a layer"),
        );
    }
    if sink.has_errors() {
        return None;
    }
    let graph = network.finish(sink);
    Some(Loaded { graph, format: "darknet", parameters: Vec::new(), facts: Vec::new(), sources: None })
}

/// Reads `[net]`, which must be the first section.
fn begin(text: &str, name: &str, first: &Section, load: &LoadOptions, sink: &mut Sink) -> Option<Network> {
    match Kind::find(&first.name) {
        Some(kind) if kind.is_network() => {
            let mut options = Options::new(text, first, kind, sink);
            Some(input::read(name, kind, &mut options, load))
        }
        _ => {
            sink.push(
                Diagnostic::error(
                    Code::Missing,
                    format!("a cfg begins with `[net]`, and not with `[{}]`", first.name),
                )
                .at(first.header, "the first section")
                .help("`[net]` has the input's width, height and channels"),
            );
            None
        }
    }
}

/// Reads one section into the network; a section that cannot be read leaves a hole there.
fn read(text: &str, section: &Section, network: &mut Network, sink: &mut Sink) {
    let Some(kind) = Kind::find(&section.name) else {
        sink.push(
            Diagnostic::error(Code::UnknownSection, format!("there is no section `[{}]`", section.name))
                .at(section.header, "unknown")
                .did_you_mean(&section.name, Kind::all_names()),
        );
        return network.end(section.header, None);
    };
    let name = kind.names[0];
    network.begin(kind);
    let layer = match kind.fate {
        Fate::Read(reader) => {
            let mut options = Options::new(text, section, kind, sink);
            let layer = reader(&mut options, network);
            if options.failed() { None } else { layer }
        }
        Fate::Refused(why) => {
            sink.push(
                Diagnostic::error(Code::Unsupported, format!("`[{name}]` is not analysed"))
                    .at(section.header, why)
                    .help("`csp-profile explain darknet` lists what is read"),
            );
            None
        }
        Fate::Network => {
            sink.push(
                Diagnostic::error(Code::DuplicateName, "a cfg has one `[net]`, and this is another")
                    .at(section.header, "only the first section can be `[net]`"),
            );
            None
        }
    };
    network.end(section.header, layer);
}
