//! Nodes whose cost is not known: collected, and told once for each op and reason.

use indexmap::IndexMap;

use crate::diagnostic::{Code, Diagnostic};

#[derive(Clone, Debug)]
struct Entry {
    op: String,
    reason: String,
    index: u32,
    name: String,
}

/// All of them, in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Unknowns(Vec<Entry>);

/// Findings that are told in full; the rest is a number.
const MOST_TOLD: usize = 8;

impl Unknowns {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }

    pub(super) fn add(&mut self, op: &str, reason: &str, index: u32, name: &str) {
        self.0.push(Entry { op: op.into(), reason: reason.into(), index, name: name.into() });
    }

    /// Warnings, or errors where unknown ops are denied. What is only unknown because something before it is comes
    /// last, in one.
    pub(super) fn report(&self, deny: bool, path: &str) -> Vec<Diagnostic> {
        let follows = |entry: &&Entry| entry.reason.contains("no known size");
        let mut groups: IndexMap<(&str, &str), Vec<&Entry>> = IndexMap::new();
        for entry in self.0.iter().filter(|entry| !follows(entry)) {
            groups.entry((&entry.op, &entry.reason)).or_default().push(entry);
        }
        let make = if deny { Diagnostic::error } else { Diagnostic::warning };
        let mut told = Vec::new();
        for ((op, reason), entries) in groups.iter().take(MOST_TOLD) {
            let count = match entries.len() {
                1 => format!("the cost of `{op}` is unknown"),
                count => format!("the cost of {count} nodes `{op}` is unknown"),
            };
            let place = format!("node {} `{}`", entries[0].index, entries[0].name);
            let message = format!("{count}: {reason}");
            told.push(make(Code::UnknownOp, message).in_file(path, None, place));
        }
        if let Some(left) = groups.len().checked_sub(MOST_TOLD + 1) {
            let message = format!("the cost of {} other kinds of nodes is unknown", left + 1);
            told.push(make(Code::UnknownOp, message).in_file(path, None, "the graph"));
        }
        let mut behind = self.0.iter().filter(follows);
        if let Some(first) = behind.next() {
            let message = match (1 + behind.count(), groups.is_empty()) {
                (1, true) => format!("the cost of `{}` is unknown: {}", first.op, first.reason),
                (count, true) => format!(
                    "the cost of {count} nodes is unknown, the first of them `{}`: {}",
                    first.op, first.reason
                ),
                (1, false) => "a node behind those has no known size, and so no known cost".into(),
                (count, false) => {
                    format!("{count} nodes behind those have no known size, and so no known cost")
                }
            };
            let place = format!("node {} `{}`", first.index, first.name);
            told.push(make(Code::UnknownOp, message).in_file(path, None, place));
        }
        if let Some(last) = told.pop() {
            told.push(if deny {
                last.help("`--unknown warn` counts what is known and says \"at least\"")
            } else {
                last.help(
                    "every total that misses them says \"at least\"; `--unknown deny` makes this an error",
                )
            });
        }
        told
    }
}
