//! Files are whole or not there, and what cannot be written is told before any work.

use std::process::Command;

use super::{Place, ran};

fn names(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.0.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn what_cannot_be_written_is_told_before_any_work() {
    let place = Place::with("");
    // The budget is wrong, and that is never found out.
    place.write("file", "mine");
    std::fs::create_dir(place.path("folder.md")).unwrap();
    for out in ["file/budget.md", "folder.md"] {
        let ran = place.run(&["check", "net.json", "--out", out]);
        assert_eq!((ran.code, &*ran.out), (3, ""), "{}", ran.err);
        assert!(ran.err.starts_with(&format!("error: cannot write `{out}`")), "{}", ran.err);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
    let mut summary = place.command(&["check", "net.json"]);
    let ran = ran(summary.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", "file/x"));
    assert_eq!((ran.code, ran.err.contains("cannot write `file/x`")), (3, true), "{}", ran.err);
    assert_eq!(place.read("file"), "mine");
}

#[test]
fn several_files_at_once() {
    let place = Place::with(r#"{"metric": "macs", "max": "0.21 M"}"#);
    let ran = place.run(&["check", "--out", "a/b.json", "--out", "b.md", "--out", "b.xml", "--out", "b.txt"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(place.read("a/b.json").starts_with("{\n  \"schema_version\": 1"));
    assert!(place.read("b.md").starts_with("## ✅ csp-profile: 1 budget, 1 limit: all hold\n"));
    assert!(place.read("b.xml").contains("<testsuites"));
    assert_eq!(place.read("b.txt"), ran.out);
    assert_eq!(names(&place), ["a", "b.md", "b.txt", "b.xml", "net.budget.json", "net.json"]);
}

/// A file size limit stands for a full disk: writes fail in the middle. Where the signal is not ignored it stands for a
/// crash, for then the process dies there.
#[cfg(unix)]
#[test]
fn neither_a_full_disk_nor_a_crash_leaves_half_a_file() {
    let limits: Vec<String> =
        (0..200).map(|index| format!(r#"{{"metric": "macs", "max": "1 M", "reason": "{index}"}}"#)).collect();
    let place = Place::with(&limits.join(",\n"));
    let budget = place.read("net.budget.json");
    assert!(budget.len() > 4096);
    place.write("old.json", "old");
    for (crash, trap) in [(false, "trap '' XFSZ; "), (true, "")] {
        for arguments in ["check net.json --out old.json", "budget update net.json"] {
            let script = format!("{trap}ulimit -f 1; ulimit -c 0; exec \"$0\" {arguments} >/dev/null 2>&1");
            let mut command = Command::new("bash");
            command.args(["-c", &script, env!("CARGO_BIN_EXE_csp-profile")]).current_dir(place.0.path());
            let ran = ran(&mut command);
            // A process that a signal ended has no code.
            assert_eq!(ran.code, if crash { -1 } else { 3 }, "{arguments}");
            assert_eq!(place.read("old.json"), "old", "{arguments}");
            assert_eq!(place.read("net.budget.json"), budget, "{arguments}");
            let left = names(&place).iter().filter(|name| name.ends_with(".part")).count();
            assert!(crash || left == 0, "{:?}", names(&place));
        }
    }
}

#[test]
fn init_keeps_a_budget_that_is_there() {
    let place = Place::with(r#"{"metric": "macs", "max": "1 M"}"#);
    let before = place.read("net.budget.json");
    let ran = place.run(&["budget", "init", "net.json"]);
    assert_eq!((ran.code, ran.err.contains("`net.budget.json` exists already")), (2, true), "{}", ran.err);
    assert_eq!(place.read("net.budget.json"), before);
    assert_eq!(place.run(&["budget", "init", "net.json", "--force"]).code, 0);
    assert_ne!(place.read("net.budget.json"), before);
}

#[cfg(unix)]
#[test]
fn update_writes_through_a_link() {
    let place = Place::with("");
    place.write("kept/real.json", r#"{"limits": [{"metric": "macs", "max": "1 M"}]}"#);
    std::fs::remove_file(place.path("net.budget.json")).unwrap();
    std::os::unix::fs::symlink("kept/real.json", place.path("net.budget.json")).unwrap();
    let ran = place.run(&["budget", "update", "net.json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(place.path("net.budget.json").is_symlink());
    assert_eq!(place.read("kept/real.json"), r#"{"limits": [{"metric": "macs", "max": "0.213 M"}]}"#);
}
