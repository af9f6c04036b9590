//! The files that `analyze`, `compare` and `sweep` write.

#![expect(clippy::unwrap_used, reason = "a test's helpers are tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs the binary in a folder, on copies of architectures if they are named `a/…`.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    let arguments =
        arguments.iter().map(|argument| argument.replace("a/", &format!("{ROOT}/architectures/")));
    Command::new(env!("CARGO_BIN_EXE_csp-profile")).current_dir(folder).args(arguments).output().unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn analyze_writes_a_report_by_default() {
    let place = tempfile::tempdir().unwrap();
    let output = run(place.path(), &["analyze", "a/darknet_resnet10.json", "--device", "gtx_1080_ti"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(
        err(&output),
        "report: reports/darknet_resnet10/ (index.html, report.json, 9 charts as SVG and PNG)\n"
    );
    let charts = [
        "layers",
        "memory",
        "ops",
        "path_counts",
        "path_lengths",
        "reuse",
        "reuse_by_stage",
        "roofline",
        "stages",
    ];
    let mut expected: Vec<String> = charts
        .iter()
        .flat_map(|chart| ["png", "svg"].map(|format| format!("reports/darknet_resnet10/{chart}.{format}")))
        .chain(["index.html", "report.json"].map(|name| format!("reports/darknet_resnet10/{name}")))
        .collect();
    expected.sort();
    assert_eq!(files(place.path()), expected);
    // The page has the command as it was typed and no path that was not.
    let page = fs::read_to_string(place.path().join("reports/darknet_resnet10/index.html")).unwrap();
    assert!(page.contains("<code>csp-profile analyze ") && page.contains(" --device gtx_1080_ti</code>"));
    assert!(!page.contains(&*place.path().to_string_lossy()));
    let written = fs::read(place.path().join("reports/darknet_resnet10/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&written).unwrap();
    let printed = run(place.path(), &["analyze", "a/darknet_resnet10.json", "--format", "json"]);
    assert_eq!(report, serde_json::from_slice::<serde_json::Value>(&printed.stdout).unwrap());

    // A second run gives the same bytes, and what others put there stays.
    let own = place.path().join("reports/darknet_resnet10/notes.txt");
    fs::write(&own, "mine").unwrap();
    let chart = place.path().join("reports/darknet_resnet10/memory.png");
    let before = fs::read(&chart).unwrap();
    fs::write(&chart, "broken").unwrap();
    run(place.path(), &["analyze", "a/darknet_resnet10.json"]);
    assert_eq!(fs::read(&chart).unwrap(), before);
    assert_eq!(fs::read_to_string(&own).unwrap(), "mine");
}

#[test]
fn formats_write_no_report_unless_a_folder_is_named() {
    let place = tempfile::tempdir().unwrap();
    for arguments in [
        &["analyze", "a/vgg16.json", "--format", "json"][..],
        &["analyze", "a/vgg16.json", "--format", "csv"],
        &["analyze", "a/vgg16.json", "--format", "markdown"],
        &["analyze", "a/vgg16.json", "--no-report"],
        &["compare", "a/vgg16.json", "a/resnet18.json", "--no-report"],
        &["compare", "a/vgg16.json", "a/resnet18.json", "--format", "json"],
        &["sweep", "a/csp_densenet121.json", "--set", "gamma=0.25,0.5"],
    ] {
        let output = run(place.path(), arguments);
        assert_eq!((output.status.code(), err(&output)), (Some(0), String::new()), "{arguments:?}");
        assert_eq!(files(place.path()), [""; 0], "{arguments:?}");
    }
    let output = run(place.path(), &["analyze", "a/vgg16.json", "--format", "csv", "--out", "x/y"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(place.path().join("x/y/layers.svg").exists());
    // What goes to standard output is not asked of the report: it is whole.
    assert!(place.path().join("x/y/memory.png").exists());
    let both = run(place.path(), &["analyze", "a/vgg16.json", "--no-report", "--out", "x"]);
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn comparisons_and_sweeps_write_theirs() {
    let place = tempfile::tempdir().unwrap();
    let output =
        run(place.path(), &["compare", "a/darknet_resnet10.json", "a/vgg16.json", "--size", "640x400"]);
    assert!(
        err(&output).starts_with("report: reports/darknet_resnet10-vs-vgg16/ (index.html, report.json, "),
        "{}",
        err(&output)
    );
    let svg = fs::read_to_string(place.path().join("reports/darknet_resnet10-vs-vgg16/layers.svg")).unwrap();
    assert!(
        svg.starts_with("<svg width=\"640\" height=\"400\"") && svg.contains("darknet_resnet10 and vgg16")
    );
    let sets = ["--set", "gamma=0.25,0.5,0.75", "--set", "fusion=csp,last"];
    let output = run(place.path(), &[&["sweep", "a/csp_peleenet.json", "--out", "s"], &sets[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(
        files(&place.path().join("s")),
        ["report.json", "sweep.png", "sweep.svg", "trade_off.png", "trade_off.svg"]
    );
    // Table 1 of the paper over γ.
    let svg = fs::read_to_string(place.path().join("s/trade_off.svg")).unwrap();
    assert!(svg.contains("top1 (published) against MACs") && svg.contains("gamma = 0.75"), "{svg}");
}

#[test]
fn where_nothing_can_be_written_is_told_first() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("file"), "mine").unwrap();
    for command in [
        &["analyze", "a/vgg16.json"][..],
        &["compare", "a/vgg16.json", "a/resnet18.json"],
        &["sweep", "a/csp_densenet121.json", "--set", "gamma=0.25,0.5"],
    ] {
        let output = run(place.path(), &[command, &["--out", "file/x"]].concat());
        assert_eq!(output.status.code(), Some(3));
        assert!(
            err(&output).contains("cannot write `file/x`: a file is in the way of a folder"),
            "{}",
            err(&output)
        );
        assert!(output.stdout.is_empty(), "no work was done");
    }
    fs::write(place.path().join("reports"), "mine").unwrap();
    let output = run(place.path(), &["analyze", "a/vgg16.json"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(err(&output).contains("--no-report"), "{}", err(&output));
    assert_eq!(files(place.path()), ["file", "reports"]);
}

#[test]
fn a_name_stays_within_its_folder() {
    let place = tempfile::tempdir().unwrap();
    let inside = place.path().join("work");
    fs::create_dir(&inside).unwrap();
    let long = "n".repeat(300);
    for (name, folder) in
        [("../../x", "_.._x"), ("a/b", "a_b"), ("..", "network"), (long.as_str(), &"n".repeat(70))]
    {
        let text = serde_json::json!({
            "name": name, "inputs": {"x": [3, 8, 8]}, "layers": [{"op": "relu"}],
        });
        fs::write(inside.join("t.json"), text.to_string()).unwrap();
        let output = run(&inside, &["analyze", "t.json"]);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        assert!(inside.join("reports").join(folder).join("report.json").exists(), "{name}");
    }
    assert!(files(place.path()).iter().all(|file| file.starts_with("work/")));
}

#[test]
fn sizes_have_limits() {
    let place = tempfile::tempdir().unwrap();
    for size in ["100x100", "9000x100", "x", "1200", "-1x5"] {
        let output = run(place.path(), &["analyze", "a/vgg16.json", &format!("--size={size}")]);
        assert_eq!(output.status.code(), Some(2), "{size}");
        assert!(err(&output).contains("240x180"), "{}", err(&output));
    }
}

/// `reports/` in the repository shows a DenseNet against its CSP variant: the page, every chart and two of them as
/// bitmaps. It is what the program writes today; `UPDATE_EXPECT=1` writes it anew.
#[test]
fn the_gallery_is_up_to_date() {
    const GALLERY: &str = "reports/densenet121-vs-csp_densenet121";
    /// Bitmaps that are kept; of vectors all are.
    const BITMAPS: [&str; 2] = ["reuse.png", "stages.png"];
    let place = tempfile::tempdir().unwrap();
    // The page has the command as it was typed, and nobody else's folders.
    let networks = ["architectures/densenet121.json", "architectures/csp_densenet121.json"];
    fs::create_dir(place.path().join("architectures")).unwrap();
    for network in networks {
        fs::copy(Path::new(ROOT).join(network), place.path().join(network)).unwrap();
    }
    let output = run(place.path(), &["compare", networks[0], networks[1]]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let (written, kept) = (place.path().join(GALLERY), Path::new(ROOT).join(GALLERY));
    let is_kept =
        |name: &String| name == "index.html" || name.ends_with(".svg") || BITMAPS.contains(&name.as_str());
    let expected: Vec<String> = files(&written).into_iter().filter(is_kept).collect();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::create_dir_all(&kept).unwrap();
        for name in &expected {
            fs::copy(written.join(name), kept.join(name)).unwrap();
        }
    }
    assert_eq!(files(&kept).into_iter().filter(is_kept).collect::<Vec<_>>(), expected);
    let mut size = 0;
    for name in &expected {
        let bytes = fs::read(kept.join(name)).unwrap();
        assert!(
            bytes == fs::read(written.join(name)).unwrap(),
            "{GALLERY}/{name} is out of date: UPDATE_EXPECT=1"
        );
        size += bytes.len();
    }
    assert!(size < 1_500_000, "{size} bytes are too many for a gallery");
}

/// `analyze … | head`: the report is written and the exit code tells what was found, whoever stops reading.
#[cfg(unix)]
#[test]
fn a_reader_who_stops_early_changes_nothing_else() {
    use std::process::Stdio;
    let place = tempfile::tempdir().unwrap();
    let budget = place.path().join("budget.json");
    fs::write(&budget, r#"{"limits": [{"metric": "macs", "max": "1 M"}]}"#).unwrap();
    let vgg16 = format!("{ROOT}/architectures/vgg16.json");
    for (arguments, code) in [
        (&["analyze", &vgg16, "--out", "r"][..], 0),
        (&["check", &vgg16, "--budget", "budget.json", "--out", "r/check.json"], 1),
        (&["analyze", &vgg16, "--format", "csv", "--budget=budget.json"], 1),
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_csp-profile"))
            .current_dir(place.path())
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", err(&output));
    }
    for file in ["index.html", "report.json", "layers.png", "check.json"] {
        assert!(place.path().join("r").join(file).exists(), "{file}");
    }
}
