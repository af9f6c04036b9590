//! An operand of `compare`: a file, and after a colon its own parameters.

use std::path::{Path, PathBuf};

/// A file and the parameters that only it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::commands) struct Operand {
    pub(in crate::commands) file: PathBuf,
    pub(in crate::commands) set: Vec<(String, String)>,
}

impl Operand {
    /// Reads `FILE` or `FILE:NAME=VALUE,NAME=VALUE`. What is wholly the name of a file is that file; else it is cut at
    /// the last colon that has a file before and parameters behind, or, where no file is found, at the last colon that
    /// has parameters behind.
    pub(in crate::commands) fn parse(text: &Path, exists: impl Fn(&Path) -> bool) -> Self {
        let whole = || Self { file: text.to_owned(), set: Vec::new() };
        let Some(letters) = text.to_str().filter(|_| !exists(text)) else { return whole() };
        let cuts = letters.rmatch_indices(':').filter_map(|(at, _)| {
            let set = assignments(&letters[at + 1..])?;
            Some(Self { file: PathBuf::from(&letters[..at]), set })
        });
        let cuts: Vec<Self> = cuts.filter(|operand| !operand.file.as_os_str().is_empty()).collect();
        let found = cuts.iter().find(|operand| operand.file.as_os_str() == "-" || exists(&operand.file));
        found.or(cuts.first()).cloned().unwrap_or_else(whole)
    }
}

/// `NAME=VALUE,NAME=VALUE`: a comma that no `NAME=` follows belongs to the value.
fn assignments(text: &str) -> Option<Vec<(String, String)>> {
    let mut set: Vec<(String, String)> = Vec::new();
    for part in text.split(',') {
        match assignment(part) {
            Some(pair) => set.push(pair),
            None => {
                let (_, value) = set.last_mut()?;
                value.push(',');
                value.push_str(part);
            }
        }
    }
    Some(set)
}

fn assignment(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_name && !value.is_empty() && !value.starts_with('=')).then(|| (name.into(), value.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, files: &[&str]) -> (String, String) {
        let operand =
            Operand::parse(Path::new(text), |path| files.iter().any(|file| Path::new(file) == path));
        let set: Vec<String> = operand.set.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (operand.file.display().to_string(), set.join(" "))
    }

    #[test]
    fn files_and_parameters_are_told_apart() {
        for (text, files, file, set) in [
            ("a.json", &["a.json"][..], "a.json", ""),
            ("a.json:gamma=0.25", &["a.json"], "a.json", "gamma=0.25"),
            ("a.json:gamma=0.25,fusion=last", &["a.json"], "a.json", "gamma=0.25 fusion=last"),
            ("a.json:width=min(1,2),fusion=last", &["a.json"], "a.json", "width=min(1,2) fusion=last"),
            // Colons and equal signs in file names.
            ("a:x=1.json", &["a:x=1.json"], "a:x=1.json", ""),
            ("a:x=1.json", &["a"], "a", "x=1.json"),
            ("a:x=1.json:gamma=1", &["a:x=1.json"], "a:x=1.json", "gamma=1"),
            ("a.json:mode=x:y=1", &["a.json"], "a.json", "mode=x:y=1"),
            ("C:\\a.json", &[], "C:\\a.json", ""),
            ("-:gamma=1", &[], "-", "gamma=1"),
            ("missing.json:gamma=1", &[], "missing.json", "gamma=1"),
            ("a.json:gamma", &["a.json"], "a.json:gamma", ""),
        ] {
            assert_eq!(parsed(text, files), (file.to_owned(), set.to_owned()), "{text}");
        }
    }
}
