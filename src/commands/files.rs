//! Files that a command writes: beside their place first, then renamed. Neither a crash nor a full disk leaves one by
//! halves, and what stood there before stays until its successor is complete.

use std::fmt;
use std::fs::Permissions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file or folder could not be written.
#[derive(Debug)]
pub(crate) struct Error {
    path: PathBuf,
    error: io::Error,
}

impl Error {
    /// Whether the file is there already and was not to be replaced.
    pub(crate) fn exists(&self) -> bool {
        self.error.kind() == io::ErrorKind::AlreadyExists
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.error.kind() {
            io::ErrorKind::AlreadyExists => write!(f, "`{path}` exists already"),
            io::ErrorKind::NotADirectory => {
                write!(f, "cannot write `{path}`: a file is in the way of a folder")
            }
            _ => write!(f, "cannot write `{path}`: {}", self.error),
        }
    }
}

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It is replaced, at once and whole.
    Replace,
    /// It stays, and the write fails.
    Keep,
}

/// A folder in which files can be written: tried when it is opened, before any work is done for them.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder where it is missing and tries to write in it.
    ///
    /// # Errors
    /// Where no file can be written there.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |error| Error { path: path.into(), error };
        std::fs::create_dir_all(path).map_err(|error| match error.kind() {
            // A file has the name of the folder.
            io::ErrorKind::AlreadyExists => failed(io::ErrorKind::NotADirectory.into()),
            _ => failed(error),
        })?;
        temporary(path).map_err(failed)?;
        Ok(Self(path.into()))
    }

    /// Its path as it was given.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it, in place of an older one.
    ///
    /// # Errors
    /// Where it cannot be written completely; an older one is then still there.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        write(&self.0.join(name), bytes, Existing::Replace)
    }
}

/// A file that can be written: tried when it is opened, before any work is done for it.
#[derive(Debug)]
pub(crate) struct Target(PathBuf);

impl Target {
    /// Makes the file's folder where it is missing and tries to write in it.
    ///
    /// # Errors
    /// Where the file could not be written.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            return Err(Error { path: path.into(), error: io::ErrorKind::IsADirectory.into() });
        }
        Folder::open(folder(path)).map_err(|Error { error, .. }| Error { path: path.into(), error })?;
        Ok(Self(path.into()))
    }

    /// Writes the file, in place of an older one.
    ///
    /// # Errors
    /// Where it cannot be written completely; an older one is then still there.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Error> {
        write(&self.0, bytes, Existing::Replace)
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Writes one file.
///
/// # Errors
/// Where it cannot be written completely; what stood there before is then untouched.
pub(crate) fn write(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), Error> {
    let failed = |error| Error { path: path.into(), error };
    let mut file = temporary(folder(path)).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    match existing {
        Existing::Replace => file.persist(path),
        Existing::Keep => file.persist_noclobber(path),
    }
    .map(|_| ())
    .map_err(|persist| failed(persist.error))
}

/// A file of no name that anyone waits for; dropped, it is gone.
fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".csp-profile-").suffix(".part");
    // As any new file: readable by those whom the process's mask allows, not by its owner alone.
    #[cfg(unix)]
    builder.permissions(<Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder was made by the test")
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_or_kept() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::open(&place.path().join("a/b")).expect("it is made");
        folder.write("x", b"one").expect("written");
        folder.write("x", b"two").expect("replaced");
        let path = folder.path().join("x");
        assert_eq!(std::fs::read(&path).expect("there"), b"two");
        let refused = write(&path, b"three", Existing::Keep).expect_err("it is there already");
        assert!(refused.exists());
        assert_eq!(std::fs::read(&path).expect("there"), b"two");
        assert_eq!(entries(folder.path()), ["x"], "nothing half is left");
    }

    #[test]
    fn a_file_in_the_way_is_told_before_any_work() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let file = place.path().join("file");
        std::fs::write(&file, b"mine").expect("written");
        assert!(Folder::open(&file).is_err());
        assert!(Folder::open(&file.join("below")).is_err());
        assert_eq!(std::fs::read(&file).expect("there"), b"mine");
    }

    /// The disk is full: `/dev/full` cannot be renamed over, so a folder on a tiny file system stands for it where
    /// there is one; what can be tried everywhere is a folder where a file should be.
    #[test]
    fn a_failed_rename_leaves_nothing() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::open(place.path()).expect("it is there");
        std::fs::create_dir(place.path().join("page.html")).expect("made");
        assert!(folder.write("page.html", b"text").is_err());
        assert_eq!(entries(place.path()), ["page.html"]);
    }
}
