//! Which budgets are checked, and of which architectures.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// How the name of a budget file ends.
const ENDING: &str = ".budget.json";
/// Endings of architecture files, in this order.
const FORMATS: [&str; 3] = ["json", "cfg", "onnx"];
/// Folders that hold what others made.
const SKIPPED: [&str; 2] = ["target", "node_modules"];

/// Whether a path is that of a budget file.
pub(in crate::commands) fn is_budget(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ENDING))
}

/// The budget of an architecture: `net.json` has `net.budget.json`.
pub(in crate::commands) fn budget_of(architecture: &Path) -> PathBuf {
    let mut name = architecture.file_stem().map_or_else(Default::default, OsStr::to_os_string);
    name.push(ENDING);
    architecture.with_file_name(name)
}

/// The architectures that a budget's name may mean, those that are there.
pub(in crate::commands) fn architectures_of(budget: &Path) -> Vec<PathBuf> {
    let name = budget.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let stem = name.strip_suffix(ENDING).unwrap_or(&name);
    let paths = FORMATS.iter().map(|format| budget.with_file_name(format!("{stem}.{format}")));
    paths.filter(|path| path.is_file()).collect()
}

/// Every budget file below a folder, in the order of their paths. Hidden folders, build outputs and linked folders are
/// left out, so that no loop of links is walked.
pub(in crate::commands) fn budgets(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", folder.display()));
        for entry in std::fs::read_dir(&folder).map_err(named)? {
            let entry = entry?;
            let (name, path) = (entry.file_name(), entry.path());
            let name = name.to_string_lossy();
            if entry.file_type()?.is_dir() {
                if !name.starts_with('.') && !SKIPPED.contains(&&*name) {
                    folders.push(path);
                }
            } else if is_budget(&path) && path.is_file() {
                found.push(path.strip_prefix(".").map_or(path.clone(), Path::to_owned));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_belong_together() {
        assert_eq!(budget_of(Path::new("a/net.v2.json")), Path::new("a/net.v2.budget.json"));
        assert_eq!(budget_of(Path::new("net.onnx")), Path::new("net.budget.json"));
        assert!(is_budget(Path::new("a/net.budget.json")) && !is_budget(Path::new("budget.json")));
    }

    #[test]
    fn folders_are_walked_in_order_and_without_loops() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let root = place.path();
        for path in ["b/n.budget.json", "a.budget.json", "b/c/z.budget.json", ".git/x.budget.json"] {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, "").expect("written");
        }
        for path in ["target/t.budget.json", "b/node_modules/m.budget.json", "n.json"] {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, "").expect("written");
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(root, root.join("b/loop")).expect("linked");
        let found = budgets(root).expect("readable");
        let names: Vec<_> = found.iter().map(|path| path.strip_prefix(root).expect("below")).collect();
        assert_eq!(names, ["a.budget.json", "b/c/z.budget.json", "b/n.budget.json"].map(Path::new));
        assert_eq!(architectures_of(&root.join("n.budget.json")), [root.join("n.json")]);
    }
}
