//! What is wrong with a user's file: data only; `report/diagnostics.rs` draws it.

use crate::source::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; the result stands.
    Warning,
    /// There is no result.
    Error,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal,)*) => {
        /// The kind of a diagnostic: stable, kebab-case, to search for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $($(#[doc = $doc])* $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as it is printed.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// One sentence on what it means.
            pub fn description(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*).trim_ascii(),)* }
            }
        }
    };
}

codes! {
    /// The text does not follow its format's grammar.
    Syntax = "syntax",
    /// The file is not UTF-8 text.
    NotUtf8 = "not-utf8",
    /// The file is empty or holds only white space.
    EmptyFile = "empty-file",
    /// The file is larger than the reader accepts.
    FileTooLarge = "file-too-large",
    /// The format of the file is not known.
    UnknownFormat = "unknown-format",
    /// The bytes of a binary file do not follow its format.
    Malformed = "malformed",
    /// The file ends before its content does.
    Truncated = "truncated",
    /// The operating system stopped giving the file's bytes.
    Unreadable = "unreadable",
    /// A key stands twice in one object.
    DuplicateKey = "duplicate-key",
    /// Two things in one scope have the same name.
    DuplicateName = "duplicate-name",
    /// A name has characters that references cannot spell.
    InvalidName = "invalid-name",
    /// A key that this object does not have.
    UnknownKey = "unknown-key",
    /// An op that is not in the list of ops.
    UnknownOp = "unknown-op",
    /// A section that the format does not have.
    UnknownSection = "unknown-section",
    /// Something that the format has and this program does not analyse.
    Unsupported = "unsupported",
    /// An attribute that the op does not have.
    UnknownAttribute = "unknown-attribute",
    /// A reference to a tensor that does not exist.
    UnknownReference = "unknown-reference",
    /// A block that is not defined.
    UnknownBlock = "unknown-block",
    /// A parameter, argument or function that does not exist.
    UnknownName = "unknown-name",
    /// A parameter given on the command line that the file does not have.
    UnknownParameter = "unknown-parameter",
    /// A required key, attribute or argument is absent.
    Missing = "missing",
    /// A value of the wrong type.
    WrongType = "wrong-type",
    /// A value outside what is allowed.
    OutOfRange = "out-of-range",
    /// A value that is not whole where a whole one is needed.
    NotWhole = "not-whole",
    /// An expression that cannot be read.
    Expression = "expression",
    /// A division by zero.
    DivisionByZero = "division-by-zero",
    /// A number or count that does not fit.
    Overflow = "overflow",
    /// Layers that depend on each other in a circle.
    Cycle = "cycle",
    /// A block that contains itself.
    RecursiveBlock = "recursive-block",
    /// More nodes, edges or nesting than the limits allow.
    TooLarge = "too-large",
    /// Inputs whose shapes do not fit the op or each other.
    ShapeMismatch = "shape-mismatch",
    /// Channels that the number of groups does not divide.
    Indivisible = "indivisible",
    /// An output of no elements.
    VanishingSize = "vanishing-size",
    /// The wrong number of inputs or outputs.
    WrongCount = "wrong-count",
    /// A size that the file leaves open and the command line must give.
    DynamicSize = "dynamic-size",
    /// A cost that depends on data.
    DataDependent = "data-dependent",
    /// Something that is defined and never used.
    Unused = "unused",
    /// A published figure that the file itself does not meet.
    PublishedFact = "published-fact",
    /// A limit's number or unit that cannot be read, or that does not fit its figure.
    Amount = "amount",
    /// A path that leads to no figure of the report.
    UnknownMetric = "unknown-metric",
    /// A limit that is about no part of the network.
    MatchesNothing = "matches-nothing",
    /// A limit on a change, with nothing to compare with.
    NoBaseline = "no-baseline",
    /// A figure that violates a limit.
    OverBudget = "over-budget",
    /// A figure that misses ops without a known cost, so that nobody knows whether it keeps to a limit.
    UnknownCost = "unknown-cost",
    /// A limit that lies far from its figure.
    LooseLimit = "loose-limit",
    /// A Git LFS pointer, where the file itself is needed.
    GitLfsPointer = "git-lfs-pointer",
}

/// A place in a source with a few words about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there; may be empty for the primary label.
    pub text: String,
}

/// A place in a binary file, which has no lines to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlace {
    /// The file's path.
    pub path: String,
    /// The offset of a byte, where one is known.
    pub byte: Option<u64>,
    /// The part of the file: "node 17 `/layer1/conv` of the graph"; may be empty.
    pub part: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its kind.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence, lower case, without a full stop.
    pub message: String,
    /// Places; the first is the primary one.
    pub labels: Vec<Label>,
    /// Where in a binary file, which no label can point into.
    pub place: Option<Box<FilePlace>>,
    /// The ways out.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: Vec::new(),
            place: None,
            help: Vec::new(),
        }
    }

    /// A warning without a place yet.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds a place; the first one added is the primary one.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Says where in a binary file.
    #[must_use]
    pub fn in_file(self, path: impl Into<String>, byte: Option<u64>, part: impl Into<String>) -> Self {
        let place = FilePlace { path: path.into(), byte, part: part.into() };
        Self { place: Some(Box::new(place)), ..self }
    }

    /// Adds a way out.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Adds "did you mean", where a candidate is near enough to the word.
    #[must_use]
    pub fn did_you_mean<'a>(self, word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(word, candidates) {
            Some(candidate) => self.help(format!("did you mean `{candidate}`?")),
            None => self,
        }
    }
}

/// What is wrong where a file is a Git LFS pointer: a few lines that stand for a file which was not fetched.
pub fn git_lfs_pointer(path: &str, bytes: &[u8]) -> Option<Diagnostic> {
    bytes.starts_with(b"version https://git-lfs.github.com/spec/").then(|| {
        Diagnostic::error(Code::GitLfsPointer, format!("`{path}` is a Git LFS pointer, not the file itself"))
            .help("`git lfs pull` fetches it; in GitHub Actions, `lfs: true` of actions/checkout does")
    })
}

/// The candidate nearest to a word, if it is near: at most a third of the letters differ, or one contains the other.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Long words make the distance quadratic; nobody mistypes 100 letters.
    const LONGEST: usize = 100;
    // Pairs of letters that are compared before the search ends.
    const MOST_WORK: usize = 2_000_000;
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let mut work = 0;
    let plain = |text: &str| text.to_lowercase().replace(['_', '-', ' '], "");
    let sought = plain(word);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .take_while(|candidate| {
            work += word.len() * candidate.len();
            work <= MOST_WORK
        })
        .map(|candidate| {
            let spelled = plain(candidate);
            let distance = strsim::damerau_levenshtein(&sought, &spelled);
            let contained = spelled.len() >= 3
                && sought.len() >= 3
                && (spelled.starts_with(&sought) || sought.starts_with(&spelled));
            (if contained { distance.min(1) } else { distance }, candidate)
        })
        .filter(|(distance, _)| *distance * 3 <= sought.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Whether a letter does something to a terminal instead of being seen.
pub fn is_steering(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl Extend<Diagnostic> for Sink {
    fn extend<T: IntoIterator<Item = Diagnostic>>(&mut self, diagnostics: T) {
        diagnostics.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }
}

/// Collects diagnostics: each distinct one once, a bounded number of them.
#[derive(Clone, Debug, Default)]
pub struct Sink {
    diagnostics: Vec<Diagnostic>,
    seen: rustc_hash::FxHashSet<(&'static str, Option<Span>, Option<String>)>,
    errors: usize,
    warnings: usize,
}

impl Sink {
    /// The most errors that are kept, and the most warnings; the rest are only counted.
    pub const LIMIT: usize = 50;

    /// Adds one, unless the same code at the same place is there already: a block that is used many times is wrong
    /// once, even where its sizes differ. Several things may be missing at one place.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let place = diagnostic.labels.first().map(|label| label.span);
        let words = matches!(
            diagnostic.code,
            Code::Missing | Code::PublishedFact | Code::OverBudget | Code::UnknownCost | Code::LooseLimit
        )
        .then(|| diagnostic.message.clone());
        if place.is_some() && !self.seen.insert((diagnostic.code.name(), place, words)) {
            return;
        }
        // Apart, so that no number of warnings hides an error.
        let count = match diagnostic.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count <= Self::LIMIT {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Whether this was said already, so that its words need not be made.
    pub fn has(&self, code: Code, place: Span) -> bool {
        self.is_full() || self.seen.contains(&(code.name(), Some(place), None))
    }

    /// Whether further errors are only counted: a reader may stop.
    pub fn is_full(&self) -> bool {
        self.errors > Self::LIMIT
    }

    /// Whether any error was added.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        self.warnings
    }

    /// How many were left out beyond [`Sink::LIMIT`].
    pub fn dropped(&self) -> usize {
        self.errors.saturating_sub(Self::LIMIT) + self.warnings.saturating_sub(Self::LIMIT)
    }

    /// All that were kept, in the order of their finding.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found() {
        assert_eq!(nearest("conv2", ["concat", "conv2d", "conv1d"]), Some("conv2d"));
        assert_eq!(nearest("out_chanels", ["out_channels", "kernel"]), Some("out_channels"));
        assert_eq!(nearest("BatchNorm", ["batch_norm", "layer_norm"]), Some("batch_norm"));
        assert_eq!(nearest("zebra", ["conv2d", "relu"]), None);
        assert_eq!(nearest("", ["conv2d"]), None);
    }

    #[test]
    fn codes_are_kebab_case_and_described() {
        for code in Code::ALL {
            assert!(
                code.name().chars().all(|c| c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit()),
                "{}",
                code.name()
            );
            assert!(code.description().ends_with('.'), "{}", code.name());
        }
    }
}
