//! Wrong files and wrong command lines: what the program says about them, word for word.
//!
//! Every file below `tests/bad_input/` is given to `csp-profile analyze`; `NAME.stderr` beside `NAME.json` is what must
//! come out, exit code included. `NAME.args` adds arguments, one a line; without a `NAME.json` it is the whole command
//! line. Files that are too large or too odd to keep are made by [`made`]; their texts are in `made/`.
//!
//! `UPDATE_EXPECT=1 cargo test --test bad_input` writes the texts anew. **Read the diff before you commit it**: is the
//! place right, is the message clear, is there a way out, does one fault give one error?

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test tells what it skips, and may fail")]

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use csp_profile::diagnostic::Sink;

#[path = "common/onnx.rs"]
mod onnx;
use onnx::writer::{Message, Style, encode, model, node, zeros};

/// Longer is a hang. Generous: the test build is slow, and so may be the machine.
const TIME: Duration = Duration::from_secs(100);
/// More is a blow-up.
const MEMORY_KIB: u64 = 1 << 20;
/// No report is longer, whatever the file.
const STDERR_BYTES: usize = 40_000;

struct Case {
    /// For messages.
    name: String,
    /// Where the expected text is.
    expected: PathBuf,
    /// Where the program runs: file names in the texts are relative to it.
    folder: PathBuf,
    args: Vec<OsString>,
}

#[test]
fn bad_input() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_input");
    let mut cases = Vec::new();
    collect(&folder, &folder, &mut cases);
    assert!(cases.len() >= 60, "{} files only", cases.len());
    cases.extend(made(&folder));
    cases.extend(made_onnx(&folder));
    let failures = Mutex::new(Vec::new());
    let queue = Mutex::new(cases.iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().unwrap().next() else { return };
                    if let Err(failure) = check(case) {
                        failures.lock().unwrap().push(format!("{}: {failure}", case.name));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}\n{} of {} fail", failures.join("\n"), failures.len(), cases.len());
}

/// The cases of a folder and those within it, in the order of their names.
fn collect(root: &Path, folder: &Path, cases: &mut Vec<Case>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in &paths {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
        let extra = fs::read_to_string(path.with_extension("args")).unwrap_or_default();
        let extra = extra.lines().map(OsString::from);
        let relative = path.strip_prefix(root).unwrap();
        let args: Vec<OsString> = if path.is_dir() {
            collect(root, path, cases);
            continue;
        } else if extension == "stderr" || path.file_name().unwrap() == "README.md" {
            continue;
        } else if extension == "args" {
            if paths.iter().any(|other| {
                other != path
                    && other.file_stem() == path.file_stem()
                    && other.extension().unwrap() != "stderr"
            }) {
                continue;
            }
            extra.collect()
        } else {
            ["analyze".into(), "--no-report".into(), relative.into()].into_iter().chain(extra).collect()
        };
        cases.push(Case {
            name: relative.display().to_string(),
            expected: path.with_extension("stderr"),
            folder: root.to_owned(),
            args,
        });
    }
}

/// Runs one case; `Err` tells what is wrong.
fn check(case: &Case) -> Result<(), String> {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("out-{}", case.name.replace('/', "-")));
    let (out, err) = (scratch.with_extension("stdout"), scratch.with_extension("stderr"));
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_csp-profile"))
        .args(["--color", "never"])
        .args(&case.args)
        .current_dir(&case.folder)
        // Widths of help texts must not depend on the terminal.
        .env("COLUMNS", "100")
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out).unwrap())
        .stderr(fs::File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        peak = peak.max(peak_kib(child.id()));
        if started.elapsed() > TIME || peak > 4 * MEMORY_KIB {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err(format!("stopped after {:?} at {peak} KiB", started.elapsed()));
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    if std::env::var_os("SHOW_TIMES").is_some() {
        println!("{:8} ms {peak:8} KiB {}", started.elapsed().as_millis(), case.name);
    }
    if peak > MEMORY_KIB {
        return Err(format!("{peak} KiB of memory"));
    }
    let stderr = String::from_utf8_lossy(&fs::read(&err).unwrap()).into_owned();
    let stdout = String::from_utf8_lossy(&fs::read(&out).unwrap()).into_owned();
    let Some(code) = status.code() else { return Err(format!("{status}\n{stderr}")) };
    if stderr.contains("panicked") || code > 3 {
        return Err(format!("{status}\n{stderr}"));
    }
    if stderr.len() > STDERR_BYTES {
        return Err(format!("{} bytes of diagnostics", stderr.len()));
    }
    if let Some(letter) = (stderr.clone() + &stdout).chars().find(|c| c.is_control() && *c != '\n') {
        return Err(format!("{letter:?} reaches the terminal"));
    }
    let mut found = stderr;
    if stdout.lines().count() <= 3 {
        found.push_str(&stdout);
    }
    writeln!(found, "[exit {code}]").unwrap();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::create_dir_all(case.expected.parent().unwrap()).unwrap();
        if fs::read_to_string(&case.expected).ok().as_deref() != Some(&found) {
            fs::write(&case.expected, found).unwrap();
        }
        return Ok(());
    }
    let expected = fs::read_to_string(&case.expected).unwrap_or_default();
    if found == expected { Ok(()) } else { Err(format!("\n--- expected\n{expected}--- found\n{found}")) }
}

/// The most memory that a process has had; 0 where the system does not say.
fn peak_kib(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Files that are not kept: too large, or not files that every system can hold.
fn made(expected: &Path) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("made");
    fs::create_dir_all(&folder).unwrap();
    let (mut cases, mut cfgs) = (Vec::new(), Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        let file = folder.join(format!("{name}.json"));
        // A file that nobody may read cannot be written again either.
        drop(fs::remove_file(&file));
        fs::write(&file, bytes).unwrap();
        cases.push(Case {
            name: format!("made/{name}"),
            expected: expected.join(format!("made/{name}.stderr")),
            folder: folder.clone(),
            args: ["analyze".into(), "--no-report".into(), format!("{name}.json").into()].into(),
        });
    };
    let network = |layers: &str| format!("{{\"inputs\": {{\"x\": [4, 8, 8]}}, \"layers\": [{layers}]}}");
    let with = |head: &str, layers: &str| {
        format!("{{\"inputs\": {{\"x\": [4, 8, 8]}}, {head}, \"layers\": [{layers}]}}")
    };
    let list =
        |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join(", ");
    let relu = "{\"op\": \"relu\"}";

    add("larger_than_64_mib", &vec![b' '; (64 << 20) + 1]);
    add(
        "one_line_of_megabytes",
        network(&format!(
            "{}, {{\"op\": \"rleu\"}}, {}",
            list(100_000, &|_| relu.into()),
            list(100_000, &|_| relu.into())
        ))
        .as_bytes(),
    );
    add(
        "far_apart",
        format!("{{\"inputs\": {{\"x\": [1]}},\n\"layers\": [],\n{}\"layers\": []}}", "\n".repeat(3_000_000))
            .as_bytes(),
    );
    add("brackets_without_end", "[".repeat(1_000_000).as_bytes());
    add("key_of_a_megabyte", format!("{{\"{}\": 1}}", "k".repeat(1 << 20)).as_bytes());
    add(
        "name_of_a_megabyte",
        network(&format!("{{\"op\": \"relu\", \"name\": \"{}\"}}", "n".repeat(1 << 20))).as_bytes(),
    );
    add(
        "reference_of_a_megabyte",
        network(&format!("{{\"op\": \"relu\", \"inputs\": \"{}\"}}", "r".repeat(1 << 20))).as_bytes(),
    );
    add("op_of_a_megabyte", network(&format!("{{\"op\": \"{}\"}}", "o".repeat(1 << 20))).as_bytes());
    add(
        "expression_of_a_megabyte",
        network(&format!("{{\"op\": \"relu\", \"repeat\": \"1{}\"}}", "+1".repeat(1 << 19))).as_bytes(),
    );
    add(
        "references_in_brackets_in_references",
        network(&format!(
            "{{\"op\": \"relu\", \"repeat\": \"{}x{}\"}}",
            "channels(a[".repeat(300),
            "])".repeat(300)
        ))
        .as_bytes(),
    );
    add(
        "list_of_a_million_numbers",
        network(&format!("{{\"op\": \"split\", \"sizes\": [{}]}}", list(1_000_000, &|_| "1".into())))
            .as_bytes(),
    );
    add(
        "list_of_a_million_texts",
        network(&format!("{{\"op\": \"split\", \"sizes\": [{}]}}", list(1_000_000, &|_| "\"y\"".into())))
            .as_bytes(),
    );
    add("layers_of_a_million_numbers", network(&list(1_000_000, &|_| "1".into())).as_bytes());
    add("many_unknown_ops", network(&list(300_000, &|i| format!("{{\"op\": \"conv{i}\"}}"))).as_bytes());
    add(
        "many_unknown_references",
        network(&list(30_000, &|i| {
            format!("{{\"op\": \"relu\", \"name\": \"layer{i}\", \"inputs\": \"lyaer{i}\"}}")
        }))
        .as_bytes(),
    );
    add("many_unknown_keys", format!("{{{}}}", list(300_000, &|i| format!("\"layer{i}\": 1"))).as_bytes());
    add(
        "many_parameters",
        with(&format!("\"parameters\": {{{}}}", list(100_000, &|i| format!("\"p{i}\": 1"))), relu).as_bytes(),
    );
    add(
        "many_arguments",
        with(
            &format!(
                "\"blocks\": {{\"b\": {{\"arguments\": {{{}}}, \"layers\": []}}}}",
                list(100_000, &|i| format!("\"p{i}\": 1"))
            ),
            "{\"block\": \"b\"}",
        )
        .as_bytes(),
    );
    add(
        "many_cases",
        network(&format!(
            "{{\"choose\": 1, \"cases\": {{{}}}}}",
            list(100_000, &|i| format!("\"c{i}\": []"))
        ))
        .as_bytes(),
    );
    add(
        "many_blocks",
        with(
            &format!("\"blocks\": {{{}}}", list(100_000, &|i| format!("\"b{i}\": {{\"layers\": []}}"))),
            &list(100_000, &|i| format!("{{\"block\": \"b{i}\"}}")),
        )
        .as_bytes(),
    );
    add("errors_behind_warnings", with(&format!("\"blocks\": {{{}}}", list(100, &|i| format!("\"b{i}\": {{\"layers\": []}}"))), "{\"op\": \"linear\", \"out_features\": 4}, {\"op\": \"conv2d\", \"out_channels\": 4, \"kernel\": 9}").as_bytes());
    add(
        "a_hundred_errors",
        network(&list(100, &|i| format!("{{\"op\": \"relu\", \"kernel\": {i}}}"))).as_bytes(),
    );

    let mut add_cfg = |name: &str, text: &str| {
        let file = folder.join(format!("{name}.cfg"));
        fs::write(&file, text).unwrap();
        cfgs.push(Case {
            name: format!("made/{name}"),
            expected: expected.join(format!("made/{name}.stderr")),
            folder: folder.clone(),
            args: ["analyze".into(), format!("{name}.cfg").into()].into(),
        });
    };
    let net = "[net]\nwidth=32\nheight=32\nchannels=3\n";
    add_cfg("cfg_of_three_million_sections", &format!("{net}{}", "[empty]\n".repeat(3_000_000)));
    add_cfg("cfg_of_a_million_unknown_sections", &format!("{net}{}", "[x]\n".repeat(1_000_000)));
    add_cfg(
        "cfg_of_a_million_unknown_keys",
        &format!("{net}{}[avg]\n[max]\nsize=0\n", "x=1\n".repeat(1_000_000)),
    );
    add_cfg("cfg_of_a_million_equal_keys", &format!("{net}[max]\n{}", "size=0\n".repeat(1_000_000)));
    add_cfg(
        "cfg_of_a_million_lines_without_sign",
        &format!("{net}{}[max]\nsize=0\n", "x\n".repeat(1_000_000)),
    );
    add_cfg(
        "cfg_of_three_million_references",
        &format!("{net}[empty]\n[route]\nlayers=0{}\n", ",0".repeat(3_000_000)),
    );
    add_cfg(
        "cfg_of_a_million_empty_references",
        &format!("{net}[empty]\n[route]\nlayers={}\n", ",".repeat(1_000_000)),
    );
    add_cfg("cfg_line_of_megabytes", &format!("{net}[max]\nsize={}\n", "9".repeat(1 << 20)));
    add_cfg("cfg_header_of_megabytes", &format!("{net}[{}]\n", "x".repeat(1 << 20)));
    add_cfg(
        "cfg_of_blanks",
        &format!("{net}[{}max]\nsi{}ze={0}0\n", " ".repeat(1 << 20), "\t".repeat(1 << 20)),
    );
    add_cfg(
        "cfg_that_doubles",
        &format!(
            "{net}{}",
            "[route]\nlayers=-1,-1\n".repeat(100).replacen("[route]\nlayers=-1,-1", "[empty]", 1)
        ),
    );
    add_cfg(
        "cfg_that_adds_itself",
        &format!("{net}[empty]\n{}[max]\nsize=0\n", "[shortcut]\nfrom=-1\n".repeat(100)),
    );
    add_cfg("cfg_that_grows", &format!("{net}{}", "[upsample]\nstride=1000\n".repeat(10)));

    // Blocks that call blocks: 2^40 uses; 150 levels; names that grow with every level; widths that do.
    let chain = |levels: usize, body: &dyn Fn(usize) -> String, last: &str| {
        let inner = list(levels, &|i| {
            format!("\"b{i}\": {{\"arguments\": {{\"w\": 1}}, \"layers\": [{}]}}", body(i + 1))
        });
        format!(
            "\"blocks\": {{{inner}, \"b{levels}\": {{\"arguments\": {{\"w\": 1}}, \"layers\": [{last}]}}}}"
        )
    };
    let twice = |i: usize| format!("{{\"block\": \"b{i}\"}}, {{\"block\": \"b{i}\"}}");
    add("blocks_that_double", with(&chain(40, &twice, relu), "{\"block\": \"b0\"}").as_bytes());
    add("empty_blocks_that_double", with(&chain(40, &twice, ""), "{\"block\": \"b0\"}").as_bytes());
    add(
        "blocks_too_deep",
        with(&chain(500, &|i| format!("{{\"block\": \"b{i}\"}}"), relu), "{\"block\": \"b0\"}").as_bytes(),
    );
    let once =
        |i: usize| format!("{{\"block\": \"b{i}\", \"with\": {{\"w\": \"w\"}}, \"inputs\": [\"input\"]}}");
    add(
        "blocks_almost_too_deep",
        with(
            &chain(198, &once, "{\"op\": \"linear\", \"out_features\": \"w\"}"),
            "{\"block\": \"b0\", \"with\": {\"w\": 8}}",
        )
        .as_bytes(),
    );
    let sums = format!("{}w{}", "(".repeat(30), ")".repeat(30)) + &"+w".repeat(100);
    let wider = |i: usize| format!("{{\"block\": \"b{i}\", \"with\": {{\"w\": \"{sums}\"}}}}");
    add(
        "sizes_that_explode",
        with(
            &chain(190, &wider, "{\"op\": \"linear\", \"out_features\": \"w\"}"),
            "{\"block\": \"b0\", \"with\": {\"w\": \"channels(x)\"}}",
        )
        .as_bytes(),
    );
    let defaults = format!(
        "\"blocks\": {{\"b\": {{\"arguments\": {{\"a0\": \"channels(input)\", {}}}, \"layers\": [{{\"op\": \"linear\", \"out_features\": \"a200\"}}]}}}}",
        list(200, &|i| format!("\"a{}\": \"a{i} + a{i}\"", i + 1))
    );
    add("defaults_that_double", with(&defaults, "{\"block\": \"b\"}").as_bytes());
    let long = "n".repeat(190);
    let named = |i: usize| format!("{{\"block\": \"b{i}\", \"name\": \"{long}\"}}");
    add(
        "names_that_grow",
        with(&chain(190, &named, "{\"op\": \"relu\", \"repeat\": 1000000}"), "{\"block\": \"b0\"}")
            .as_bytes(),
    );

    // Repeats.
    add(
        "repeat_of_nothing",
        with("\"blocks\": {\"b\": {\"layers\": []}}", "{\"block\": \"b\", \"repeat\": 3000000}").as_bytes(),
    );
    add("repeat_of_a_group_of_nothing", network("{\"layers\": [], \"name\": \"g\", \"repeat\": 1900000}, {\"op\": \"linear\", \"out_features\": 1}, {\"op\": \"conv2d\", \"out_channels\": 1, \"kernel\": 3}").as_bytes());
    add("dense_repeat", network("{\"op\": \"add\", \"name\": \"a\", \"inputs\": [\"x\", \"a[..index]\", \"x\"], \"repeat\": 20000}").as_bytes());
    add("wide_inputs_read_often", with("\"blocks\": {\"b\": {\"layers\": [{\"op\": \"concat\", \"inputs\": \"input\", \"repeat\": 10000}]}}", "{\"op\": \"relu\", \"name\": \"r\", \"repeat\": 100000}, {\"block\": \"b\", \"inputs\": \"r[..]\"}").as_bytes());
    add("ranges_listed_often", network(&format!("{{\"op\": \"relu\", \"name\": \"r\", \"repeat\": 100000}}, {{\"op\": \"concat\", \"inputs\": [{}]}}", list(10_000, &|_| "\"r[..]\"".into()))).as_bytes());
    add("many_outputs", network("{\"op\": \"constant\", \"shape\": [1, 65535]}, {\"op\": \"split\", \"parts\": 65535, \"inputs\": \"constant\", \"repeat\": 100000}").as_bytes());
    add("long_lists_repeated", network(&format!("{{\"op\": \"constant\", \"shape\": [1, 65535]}}, {{\"op\": \"split\", \"sizes\": [{}], \"inputs\": \"constant\", \"repeat\": 100000}}", list(65_535, &|_| "1".into()))).as_bytes());
    add(
        "references_in_a_chain",
        network(&format!(
            "{}, {{\"op\": \"relu\", \"inputs\": \"g1\"}}",
            list(2000, &|i| format!(
                "{{\"name\": \"g{}\", \"layers\": [], \"inputs\": [\"g{}\"]}}",
                i + 1,
                i + 2
            ))
        ))
        .as_bytes(),
    );

    add(
        "utf16",
        &[
            &[0xff, 0xfe][..],
            &"{\"inputs\": {}}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
        ]
        .concat(),
    );
    add(
        "utf16_without_mark",
        &"{\"inputs\": {}}".encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>(),
    );
    add("latin1", b"{\n  \"description\": \"R\xe9seau\",\n  \"inputs\": {}}");
    add("bytes", &[0, 159, 146, 150, 0, 1, 2, 3]);
    unreadable(&folder, expected, &mut cases);
    cases.extend(cfgs);
    cases
}

/// ONNX files that are damaged, and other files under that name.
fn made_onnx(expected: &Path) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("made_onnx");
    fs::create_dir_all(&folder).unwrap();
    let conv = || node("Conv", &["x", "w"], &["y"]).named("/layer1/conv").with("pads", vec![1; 4]);
    let graph = || onnx::model::Graph::default().input("x", &[1, 3, 8, 8]).output("y").node(conv());
    let whole = encode(&model(17, graph().initializer(zeros("w", &[64, 3, 3, 3])))).to_vec();
    let in_conv = |name: &str, attribute: &[u8]| {
        let file = Message::write(Style::Raw, |out| {
            out.int(1, 8);
            out.text(2, "test");
            out.message(7, |out| {
                out.message(1, |out| {
                    out.text(3, name);
                    out.text(4, "Conv");
                    out.bytes(5, attribute);
                });
            });
        });
        file.to_vec()
    };
    let nested = (0..70).fold(onnx::model::Graph::default(), |inner, _| {
        onnx::model::Graph::default().node(node("If", &["c"], &["y"]).with("then_branch", inner))
    });
    let zip = b"PK\x03\x04\0\0\x08\x08\0\0model/data.pkl";
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 553437328\n";
    let graph_def = b"\x0a\x1c\x0a\x05input\x12\x0bPlaceholder*\x06\x0a\x01a\x12\x01b";
    let files: &[(&str, &[u8])] = &[
        ("empty", b""),
        ("zeros", &[0; 1000]),
        ("git_lfs_pointer", pointer),
        ("web_page", b"<!DOCTYPE html>\n<html><title>404</title></html>"),
        ("torch_save", zip),
        ("safetensors", b"\x12\0\0\0\0\0\0\0{\"w\":{\"shape\":[1]}}"),
        ("tensorflow", graph_def),
        (
            "textual",
            b"<\n  ir_version: 8,\n  opset_import: [\"\": 17]\n>\nagraph (float[N] x) => (float[N] y) {}",
        ),
        ("python", b"import torch\n"),
        ("cut_off_in_the_graph", &whole[..60]),
        ("cut_off_in_the_weights", &whole[..whole.len() - 1000]),
        ("without_graph", b"\x08\x08\x12\x04test"),
        ("garbage", b"\x08\x08\x12\x04test\x3a\x05\xff\xfe\xfd\xfc\xfb"),
        ("number_for_a_list", &in_conv("/layer1/conv", b"\x0a\x04pads\x45\0\0\0\0")),
        ("attribute_cut_off", &in_conv("/layer1/conv", b"\x0a\x04pads\x42\x09\x01")),
        ("name_that_steers", &in_conv("\u{1b}[31m\u{202e}conv\n", b"\x0a\x04pads\x42\x09\x01")),
        ("name_too_long", &in_conv(&"n".repeat(70_000), b"\x0a\x04pads")),
        ("name_not_utf8", &in_conv("conv", b"\x0a\x04pad\xff")),
        ("graphs_in_graphs", &encode(&model(17, nested)).to_vec()),
    ];
    let mut cases = Vec::new();
    for (name, bytes) in files {
        fs::write(folder.join(format!("{name}.onnx")), bytes).unwrap();
        cases.push(Case {
            name: format!("onnx/{name}"),
            expected: expected.join(format!("made_onnx/{name}.stderr")),
            folder: folder.clone(),
            args: ["analyze".into(), format!("{name}.onnx").into()].into(),
        });
    }
    cases
}

/// A file without permission. Root reads it all the same.
#[cfg(unix)]
fn unreadable(folder: &Path, expected: &Path, cases: &mut Vec<Case>) {
    use std::os::unix::fs::PermissionsExt as _;
    let file = folder.join("no_permission.json");
    drop(fs::remove_file(&file));
    fs::write(&file, "{}").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&file).is_ok() {
        println!("skipped: this user may read every file, so no_permission.json is not tried");
        return;
    }
    cases.push(Case {
        name: "made/no_permission".into(),
        expected: expected.join("made/no_permission.stderr"),
        folder: folder.to_owned(),
        args: ["analyze".into(), "no_permission.json".into()].into(),
    });
}

#[cfg(not(unix))]
fn unreadable(_: &Path, _: &Path, _: &mut Vec<Case>) {}

/// Whatever nests is read by functions that call themselves: the limits on nesting must come before the end of the stack,
/// in the test build and on the stack that a thread has by default.
#[test]
fn what_is_just_within_the_limits_fits_a_small_stack() {
    let file = |head: &str, layers: &str| {
        format!("{{\"inputs\": {{\"x\": [4, 8, 8]}}, {head} \"layers\": [{layers}]}}")
    };
    let relu = "{\"op\": \"relu\"}";
    let join =
        |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join(", ");
    let use_of = |i: usize| format!("{{\"block\": \"b{i}\", \"with\": {{\"w\": \"w + 1\"}}}}");
    let block = |i: usize| {
        let inner =
            if i == 198 { "{\"op\": \"linear\", \"out_features\": \"w\"}".into() } else { use_of(i + 1) };
        format!("\"b{i}\": {{\"arguments\": {{\"w\": null}}, \"layers\": [{inner}]}}")
    };
    let blocks = format!("\"blocks\": {{{}}},", join(199, &block));
    let group = |i: usize| format!("{{\"name\": \"g{}\", \"inputs\": \"g{}\", \"layers\": []}}", i, i + 1);
    let groups =
        format!("{}, {{\"op\": \"relu\", \"name\": \"g490\", \"inputs\": \"x\"}}", join(490, &group));
    let brackets = format!("{}1{}{}", "(".repeat(31), ")".repeat(31), "+1".repeat(100));
    let in_brackets = format!("{}x{}", "channels(a[".repeat(300), "])".repeat(300));
    let width = |text: &str| format!("{{\"op\": \"linear\", \"out_features\": \"{text}\"}}");
    let files = [
        (file(&blocks, "{\"block\": \"b0\", \"with\": {\"w\": \"channels(x)\"}}"), true),
        (
            file("", &format!("{}{relu}{}", "{\"name\": \"g\", \"layers\": [".repeat(60), "]}".repeat(60))),
            true,
        ),
        (file("", &groups), true),
        (file("", &width(&brackets)), true),
        (file("", &width(&format!("1{}", "^1".repeat(30)))), true),
        (file("", &width(&format!("1{}", "+1".repeat(127)))), true),
        (file("", &width(&in_brackets)), false),
    ];
    for (index, (text, accepted)) in files.into_iter().enumerate() {
        println!("file {index}");
        let read = move || {
            let (mut sources, mut sink) = (csp_profile::source::SourceMap::default(), Sink::default());
            let options = csp_profile::frontend::LoadOptions::default();
            let bytes = text.into_bytes();
            let loaded =
                csp_profile::frontend::load_bytes("t.json", "t", bytes, &options, &mut sources, &mut sink);
            assert_eq!(loaded.is_some(), accepted, "{index}: {:?}", sink.diagnostics());
        };
        std::thread::Builder::new().stack_size(2 << 20).spawn(read).unwrap().join().unwrap();
    }
}
