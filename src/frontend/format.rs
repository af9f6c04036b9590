//! Which format a file is in, by its first bytes and its name; and what it is where it is none of ours.

use std::path::Path;

use crate::diagnostic::{Code, Diagnostic, git_lfs_pointer};

/// How many bytes are looked at.
pub(super) const HEAD: usize = 512;

/// The kinds of reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Text in one of our formats; its own reader looks which.
    Text,
    /// A model in ONNX's binary form.
    Onnx,
}

/// Files that people give by mistake: where the signature is, the signature, what that is, the way out.
const FOREIGN: &[(usize, &[u8], &str, &str)] = &[
    (0, b"PK\x03\x04", "a zip archive, as `torch.save` and `torch.jit.save` write it", EXPORT),
    (0, b"\x80\x02", "a Python pickle, as `torch.save` writes it", EXPORT),
    (0, b"\x80\x03", "a Python pickle", EXPORT),
    (0, b"\x80\x04", "a Python pickle", EXPORT),
    (0, b"\x80\x05", "a Python pickle", EXPORT),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes it", TF),
    (4, b"TFL3", "a TensorFlow Lite model", "convert it to ONNX with `tf2onnx.convert --tflite`"),
    (4, b"ORTM", "a model in ONNX Runtime's own format", "give the .onnx file that it was made from"),
    (0, b"GGUF", "a GGUF file", WEIGHTS),
    (0, b"\x93NUMPY", "a NumPy array", WEIGHTS),
    (0, b"\x1f\x8b", "compressed by gzip", "unpack it first: `gunzip FILE`"),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it first: `unzstd FILE`"),
    (0, b"BZh", "compressed by bzip2", "unpack it first: `bunzip2 FILE`"),
    (0, b"\xfd7zXZ\0", "compressed by xz", "unpack it first: `unxz FILE`"),
    (257, b"ustar", "a tar archive", "unpack it first: `tar -xf FILE`"),
    (0, b"\x89PNG", "a picture", MODELS),
    (0, b"%PDF-", "a PDF document", MODELS),
    (0, b"\x7fELF", "a program", MODELS),
];

const EXPORT: &str = "it holds no network that can be read without running it; export it: `torch.onnx.export(model, (image,), \"model.onnx\")`";
const TF: &str = "convert it to ONNX with `tf2onnx`";
const WEIGHTS: &str = "it holds arrays and no network; give the ONNX model or an architecture file";
const MODELS: &str = "csp-profile reads architecture files in JSON, darknet cfg files and ONNX models";

/// Decides by the first [`HEAD`] bytes, or all if there are fewer, and the path.
pub(super) fn recognise(path: &str, head: &[u8]) -> Result<Format, Diagnostic> {
    if let Some(pointer) = git_lfs_pointer(path, head) {
        return Err(pointer);
    }
    if let Some((what, help)) = foreign(head) {
        return Err(unknown(path, what, help));
    }
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or("");
    if extension.eq_ignore_ascii_case("onnx") {
        return named_onnx(path, head);
    }
    // No text begins with a backspace.
    Ok(if begins_model(head) { Format::Onnx } else { Format::Text })
}

fn foreign(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let found = FOREIGN
        .iter()
        .find(|(at, signature, ..)| head.get(*at..).is_some_and(|rest| rest.starts_with(signature)));
    if let Some((_, _, what, help)) = found {
        return Some((what, help));
    }
    // A length of eight bytes, then JSON.
    if let [a, b, c, d, 0, 0, 0, 0, b'{', ..] = head
        && u32::from_le_bytes([*a, *b, *c, *d]) > 1
    {
        return Some(("a safetensors file", WEIGHTS));
    }
    let start = String::from_utf8_lossy(head);
    let start = start.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    if start.starts_with("<!doctype html") || start.starts_with("<html") {
        return Some((
            "a web page",
            "the download gave a page about the file and not the file; on GitHub and Hugging Face take the link `raw` or `download`",
        ));
    }
    if start.starts_with('<') && start.contains("ir_version") || start.starts_with("ir_version") {
        let help = "write the binary form: in Python `onnx.save(onnx.parser.parse_model(text), \"model.onnx\")`, or `onnx.load(FILE, format=\"textproto\")` for the one with `ir_version: 8`";
        return Some(("an ONNX model written as text", help));
    }
    if start.starts_with('{') && start.contains("\"irversion\"") {
        return Some((
            "an ONNX model written as JSON",
            "write the binary form: in Python `onnx.save(onnx.load(FILE, format=\"json\"), \"model.onnx\")`",
        ));
    }
    None
}

/// A file whose name says ONNX: whether it may be, and what is seen at once if it is not.
fn named_onnx(path: &str, head: &[u8]) -> Result<Format, Diagnostic> {
    if head.is_empty() {
        let empty = Diagnostic::error(Code::EmptyFile, format!("`{path}` is empty"));
        return Err(empty.help("export or download it again"));
    }
    if head.iter().all(|byte| *byte == 0) {
        return Err(unknown(
            path,
            "nothing but zeros at its start",
            "the download or the disk lost it; fetch it again",
        ));
    }
    if begins_graph_def(head) {
        return Err(unknown(path, "a TensorFlow graph", TF));
    }
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    if head.iter().all(is_text) && !begins_model(head) {
        return Err(unknown(
            path,
            "text, and an ONNX model is not",
            "is the name right? Architecture files end in .json",
        ));
    }
    Ok(Format::Onnx)
}

/// `ir_version`, a small number, and a second field of a `ModelProto`: all writers begin so.
fn begins_model(head: &[u8]) -> bool {
    matches!(head, [0x08, 1..=0x7f, 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42, ..])
}

/// `GraphDef` begins with a node, that with its name, and behind it is an op.
fn begins_graph_def(head: &[u8]) -> bool {
    let Some(rest) = head.strip_prefix(&[0x0a]) else { return false };
    // The node's length: at most three bytes, or it would have no end in sight.
    let length = rest.iter().take(3).position(|byte| *byte < 0x80);
    let Some([0x0a, name, rest @ ..]) = length.and_then(|end| rest.get(end + 1..)) else { return false };
    matches!(rest.get(usize::from(*name)..), Some([0x12, op, ..]) if (1..=64).contains(op))
}

fn unknown(path: &str, what: &str, help: &str) -> Diagnostic {
    Diagnostic::error(Code::UnknownFormat, format!("`{path}` is {what}")).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(path: &str, head: &[u8]) -> String {
        match recognise(path, head) {
            Ok(format) => format!("{format:?}"),
            Err(diagnostic) => diagnostic.message,
        }
    }

    #[test]
    fn formats_are_told_by_their_bytes() {
        let model = b"\x08\x08\x12\x07pytorch:\x03\n\x01\0";
        for path in ["net.onnx", "net.ONNX", "<stdin>", "net", "net.json"] {
            assert_eq!(what(path, model), "Onnx");
        }
        // Any bytes, if the name says so: the reader has the better words.
        assert_eq!(what("net.onnx", b":\x02\x0a\x00"), "Onnx");
        for text in [&b"{\"inputs\": {}}"[..], b"[net]\nwidth=224", b"", b"\xef\xbb\xbf{}"] {
            assert_eq!(what("net", text), "Text");
        }
    }

    #[test]
    fn other_files_are_called_by_their_names() {
        let zip: &[u8] = b"PK\x03\x04\0\0\0\0";
        let mut tensors = 64_u64.to_le_bytes().to_vec();
        tensors.extend(b"{\"weight\":{}}");
        let graph_def = b"\x0a\x1c\x0a\x05input\x12\x0bPlaceholder*\x06";
        let tar: Vec<u8> = [vec![b'x'; 257], b"ustar\0".to_vec()].concat();
        for (head, expected) in [
            (&b"version https://git-lfs.github.com/spec/v1\noid sha256:4d"[..], "is a Git LFS pointer"),
            (b"\n <!DOCTYPE html><html>", "a web page"),
            (b"<HTML><head>", "a web page"),
            (zip, "a zip archive, as `torch.save`"),
            (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "a Python pickle"),
            (&tensors, "a safetensors file"),
            (graph_def, "a TensorFlow graph"),
            (b"<\n  ir_version: 8,\n  opset_import: [\"\": 17]\n>\nagraph", "an ONNX model written as text"),
            (b"ir_version: 8\nproducer_name: \"x\"\n", "an ONNX model written as text"),
            (b"{\"irVersion\": \"8\"}", "an ONNX model written as JSON"),
            (b"\x1c\0\0\0TFL3\0\0", "a TensorFlow Lite model"),
            (b"\x28\0\0\0ORTM", "ONNX Runtime's own format"),
            (b"\x89HDF\r\n\x1a\n\0", "an HDF5 file"),
            (b"\x1f\x8b\x08\0", "compressed by gzip"),
            (&tar, "a tar archive"),
            (&[0; 512], "nothing but zeros"),
            (b"import torch\n", "text"),
            (b"", "is empty"),
        ] {
            let found = what("net.onnx", head);
            assert!(found.contains(expected), "{found} for {expected}");
        }
    }
}
