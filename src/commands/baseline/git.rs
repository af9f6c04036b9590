//! A file at another revision, read by `git` from what is in the repository; nothing is fetched.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::commands::check::one::Fault;
use crate::frontend::MAX_FILE_BYTES;

/// What a file was at a revision, with a name for it; `None` where the revision does not have it. `path` is one from the
/// repository's root, in place of the file's own.
pub(super) fn file(
    file: &Path,
    revision: &str,
    path: Option<&str>,
) -> Result<Option<(String, Vec<u8>)>, Fault> {
    let label = |path: &str| format!("git:{revision}:{path}");
    if revision.is_empty() || revision.starts_with('-') {
        return Err(Fault::usage(
            format!("`{revision}` is no revision"),
            Some("git:origin/main, git:HEAD~1".into()),
        ));
    }
    // Of a link the file itself is what the repository keeps.
    let file = file
        .canonicalize()
        .map_err(|error| Fault::world(format!("cannot read `{}`: {error}", file.display())))?;
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
        return Err(Fault::usage(format!("`{}` is no file in a repository", file.display()), None));
    };
    let inside = git(folder, &["rev-parse".as_ref(), "--show-prefix".as_ref()])?;
    let prefix = inside.map_err(|reason| {
        let message = format!("`git:{revision}` needs a git repository around the architecture: {reason}");
        Fault::usage(message, None)
    })?;
    let commit = format!("{revision}^{{commit}}");
    let found =
        git(folder, &["rev-parse".as_ref(), "--verify".as_ref(), "--quiet".as_ref(), commit.as_ref()])?;
    let commit = found.map_err(|_| {
        let branch = revision.strip_prefix("origin/").unwrap_or(revision);
        let help = format!(
            "nothing is fetched for you: `git fetch origin {branch}`; in GitHub Actions, `fetch-depth: 0` of \
             actions/checkout brings all revisions"
        );
        Fault::usage(format!("the repository has no revision `{revision}`"), Some(help))
    })?;
    let commit = String::from_utf8_lossy(&commit).trim().to_owned();
    let mut list: Vec<&OsStr> = vec!["ls-tree".as_ref(), "-z".as_ref(), "-l".as_ref()];
    if path.is_some() {
        list.push("--full-tree".as_ref());
    }
    list.extend([commit.as_ref(), "--".as_ref(), path.map_or(name, OsStr::new)]);
    let entry = git(folder, &list)?
        .map_err(|reason| Fault::usage(format!("git cannot list `{revision}`: {reason}"), None))?;
    let prefix = String::from_utf8_lossy(&prefix);
    let shown =
        path.map_or_else(|| format!("{}{}", prefix.trim_end(), name.to_string_lossy()), str::to_owned);
    // MODE TYPE OBJECT SIZE TAB PATH NUL
    let entry = String::from_utf8_lossy(&entry).into_owned();
    let words: Vec<&str> = entry.split('\t').next().unwrap_or("").split_whitespace().collect();
    let (mode, object, size) = match words[..] {
        [] => return Ok(None),
        [mode, "blob", object, size] => (mode, object, size.parse::<u64>().unwrap_or(u64::MAX)),
        _ => return Err(Fault::usage(format!("`{}` is no file", label(&shown)), None)),
    };
    if mode == "120000" {
        return Err(Fault::usage(
            format!("`{}` is a symbolic link", label(&shown)),
            Some(format!("name the file itself: --baseline git:{revision}:PATH")),
        ));
    }
    if size > MAX_FILE_BYTES {
        return Err(Fault::usage(
            format!("`{}` is larger than {} MiB", label(&shown), MAX_FILE_BYTES >> 20),
            None,
        ));
    }
    let bytes = git(folder, &["cat-file".as_ref(), "blob".as_ref(), object.as_ref()])?.map_err(|reason| {
        let help =
            "the repository may be a partial clone, and nothing is fetched for you: `git fetch --refetch`";
        Fault::usage(format!("git cannot read `{}`: {reason}", label(&shown)), Some(help.into()))
    })?;
    Ok(Some((label(&shown), bytes)))
}

/// What a git command prints, or the first line of why it does not.
fn git(folder: &Path, args: &[&OsStr]) -> Result<Result<Vec<u8>, String>, Fault> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).arg("--literal-pathspecs").args(args).stdin(Stdio::null());
    // A hook runs with these; the folder says which repository is meant.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(name);
    }
    command.env("GIT_NO_LAZY_FETCH", "1").env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0");
    command.env("LC_ALL", "C");
    let output = command.output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Fault::world("a baseline from git needs the program `git`, which is not installed")
        }
        _ => Fault::world(format!("cannot run git: {error}")),
    })?;
    if output.status.success() {
        return Ok(Ok(output.stdout));
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().next().unwrap_or("it says nothing");
    Ok(Err(line.trim_start_matches("fatal: ").to_owned()))
}
