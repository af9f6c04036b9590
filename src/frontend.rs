//! From a user's file to a [`Graph`]: the only place that knows an input format.

mod darknet;
pub mod device;
mod format;
pub mod json;
pub(crate) mod onnx;
pub mod trace;

use std::fmt;
use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use self::format::Format;
pub use self::onnx::sources::Sources;
#[cfg(feature = "exec")]
pub use self::onnx::values;
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::graph::Graph;
use crate::ops::attribute::SettingValue;
use crate::published::Fact;
use crate::source::SourceMap;
use crate::tensor::DType;

/// Architecture files larger than this are refused before they are read.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// A network of more nodes than this is refused.
pub(crate) const MAX_NODES: usize = 2_000_000;

/// What the command line changes about a file.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Parameters: name and value as given.
    pub set: Vec<(String, String)>,
    /// The number of images in a batch.
    pub batch: Option<u64>,
    /// The element type of inputs that do not name one.
    pub dtype: Option<DType>,
    /// Shapes of inputs, with or without the batch; without a name, of the first.
    pub inputs: Vec<(Option<String>, Vec<u64>)>,
    /// What to do with ops whose cost is not known.
    pub unknown: UnknownOps,
    /// Whether it is noted where the file has the values of stored tensors: [`Loaded::sources`].
    pub values: bool,
}

/// What becomes of a file with ops whose cost is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownOps {
    /// They are named, and every total that misses them says "at least".
    #[default]
    Warn,
    /// They are errors.
    Deny,
}

/// What a file says.
#[derive(Debug)]
pub struct Loaded {
    /// The network.
    pub graph: Graph,
    /// The file's format: `json`, `darknet` or `onnx`.
    pub format: &'static str,
    /// The parameters and the values they have.
    pub parameters: Vec<(String, SettingValue)>,
    /// The figures that others published about it.
    pub facts: Vec<Fact>,
    /// Where the values of its stored tensors are, if that was asked for and the format has any.
    pub sources: Option<Box<Sources>>,
}

/// The file could not be read at all.
#[derive(Debug)]
pub enum Error {
    /// There is no such file.
    NotFound(PathBuf),
    /// A folder, where a file is needed.
    Folder(PathBuf),
    /// The operating system refuses.
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(path) => write!(f, "there is no file `{}`", path.display()),
            Self::Folder(path) => write!(f, "`{}` is a folder, not a file", path.display()),
            Self::Io { path, error } => write!(f, "cannot read `{}`: {error}", path.display()),
        }
    }
}

impl Error {
    /// Whether the command line is at fault rather than the outside world.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NotFound(_) | Self::Folder(_))
    }
}

/// Reads a file of any format that is known.
///
/// The graph is absent where the sink has errors.
///
/// # Errors
/// When the file cannot be read at all.
pub fn load(
    path: &Path,
    options: &LoadOptions,
    sources: &mut SourceMap,
    sink: &mut Sink,
) -> Result<Option<Loaded>, Error> {
    let mut file = open(path)?;
    let shown = path.display().to_string();
    let name = path.file_stem().map_or("network".into(), |stem| stem.to_string_lossy().into_owned());
    let io = |error| Error::Io { path: path.into(), error };
    let mut head = Vec::new();
    file.by_ref().take(format::HEAD as u64).read_to_end(&mut head).map_err(io)?;
    match head_format(&shown, &head, sink) {
        None => return Ok(None),
        Some(Format::Onnx) if file.rewind().is_ok() => {
            return Ok(onnx::load(&mut file, &shown, &name, options, sink));
        }
        // Of a pipe, which cannot go back, a model is read as a text is.
        Some(_) => {}
    }
    file.take(MAX_FILE_BYTES + 1 - head.len() as u64).read_to_end(&mut head).map_err(io)?;
    Ok(load_bytes(&shown, &name, head, options, sources, sink))
}

/// Reads a file that is in memory already. `path` is what diagnostics call it, `name` the network's name by default.
pub fn load_bytes(
    path: &str,
    name: &str,
    bytes: Vec<u8>,
    options: &LoadOptions,
    sources: &mut SourceMap,
    sink: &mut Sink,
) -> Option<Loaded> {
    let format = head_format(path, &bytes[..bytes.len().min(format::HEAD)], sink)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        sink.push(too_large(path, format));
        return None;
    }
    match format {
        Format::Onnx => onnx::load(&mut Cursor::new(bytes), path, name, options, sink),
        Format::Text => load_text(path, name, bytes, options, sources, sink),
    }
}

/// The format of a file that begins so; absent where the sink has an error.
fn head_format(path: &str, head: &[u8], sink: &mut Sink) -> Option<Format> {
    match format::recognise(path, head) {
        Ok(format) => Some(format),
        Err(diagnostic) => {
            sink.push(diagnostic);
            None
        }
    }
}

fn load_text(
    path: &str,
    name: &str,
    bytes: Vec<u8>,
    options: &LoadOptions,
    sources: &mut SourceMap,
    sink: &mut Sink,
) -> Option<Loaded> {
    // Half the bytes of an ASCII text in UTF-16 are 0.
    let is_utf16 = matches!(
        *bytes,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=255, 0, 1..=255, ..] | [1..=255, 0, 1..=255, 0, ..]
    );
    if !is_utf16 && darknet::recognizes(path, &bytes) {
        return load_cfg(path, name, bytes, options, sources, sink);
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) if !is_utf16 => text,
        result => {
            let message = match result {
                Err(error) if !is_utf16 => {
                    let at = error.utf8_error().valid_up_to();
                    let line = 1 + error.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count();
                    format!("`{path}` is not UTF-8 text: byte {at}, in line {line}, begins no character")
                }
                _ => format!("`{path}` is UTF-16 text, and UTF-8 is needed"),
            };
            sink.push(Diagnostic::error(Code::NotUtf8, message).help("save the file as UTF-8"));
            return None;
        }
    };
    if is_blank(&text) {
        sink.push(empty(path));
        return None;
    }
    let looks_like_json = text.trim_start_matches('\u{feff}').trim_start().starts_with(['{', '[', '"']);
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or("");
    if !looks_like_json && !extension.eq_ignore_ascii_case("json") {
        sink.push(
            Diagnostic::error(Code::UnknownFormat, format!("`{path}` is in no format that is known"))
                .help("csp-profile reads architecture files in JSON, darknet's cfg files and ONNX models"),
        );
        return None;
    }
    let source = sources.add(path, text);
    json::load(sources, source, name, options, sink)
}

/// Reads a cfg. darknet cares for bytes alone, and comments are written in any encoding: what is not UTF-8 is replaced.
fn load_cfg(
    path: &str,
    name: &str,
    bytes: Vec<u8>,
    options: &LoadOptions,
    sources: &mut SourceMap,
    sink: &mut Sink,
) -> Option<Loaded> {
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    if is_blank(&text) {
        sink.push(empty(path));
        return None;
    }
    let source = sources.add(path, text);
    darknet::load(sources, source, name, options, sink)
}

fn is_blank(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim().is_empty()
}

fn empty(path: &str) -> Diagnostic {
    Diagnostic::error(Code::EmptyFile, format!("`{path}` is empty"))
        .help("see `architectures/` for examples to start from")
}

/// The bytes of a file, never more than are accepted. They are absent where the sink has errors.
///
/// # Errors
/// When the file cannot be read at all.
pub fn read(path: &Path, sink: &mut Sink) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = Vec::new();
    // Pipes and devices have no length to trust: the limit holds for what comes.
    let io = |error| Error::Io { path: path.into(), error };
    open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let shown = path.display().to_string();
        let format = format::recognise(&shown, &bytes[..format::HEAD]).unwrap_or(Format::Text);
        sink.push(too_large(&shown, format));
        return Ok(None);
    }
    Ok(Some(bytes))
}

/// Opens a file, and no folder.
fn open(path: &Path) -> Result<File, Error> {
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound(path.into()),
        std::io::ErrorKind::IsADirectory => Error::Folder(path.into()),
        _ => Error::Io { path: path.into(), error },
    };
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if metadata.is_dir() {
        return Err(Error::Folder(path.into()));
    }
    Ok(file)
}

/// Opens a file that a model names, below the model's folder: a plain file, and where it seems to be. A stranger's model
/// must make nobody read what a link leads to elsewhere, or wait for a pipe.
///
/// # Errors
/// What the operating system says, and why a file is not opened.
#[cfg(feature = "exec")]
pub fn open_beside(model: &Path, below: &str) -> std::io::Result<Option<Box<dyn values::Source>>> {
    use std::io::{Error as IoError, ErrorKind};
    let folder = match model.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let path = match folder.join(below).canonicalize() {
        Ok(path) => path,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !path.starts_with(folder.canonicalize()?) {
        return Err(IoError::new(ErrorKind::PermissionDenied, "a link leads out of the model's folder"));
    }
    if !path.metadata()?.is_file() {
        return Err(IoError::new(ErrorKind::InvalidInput, "it is no plain file"));
    }
    Ok(Some(Box::new(File::open(path)?)))
}

fn too_large(path: &str, format: Format) -> Diagnostic {
    let help = match format {
        Format::Text => "say what repeats with `blocks` and `repeat`",
        Format::Onnx => {
            "give it to `analyze` by its name, which passes over the weights, or save it without them"
        }
    };
    Diagnostic::error(Code::FileTooLarge, format!("`{path}` is larger than {} MiB", MAX_FILE_BYTES >> 20))
        .help(help)
}
