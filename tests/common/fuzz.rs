//! What the replays of fuzzing share.
#![allow(clippy::print_stdout, reason = "a long run tells what was slow")]
#![allow(dead_code, clippy::unwrap_used, reason = "every test file uses a part of it; tests may unwrap")]

use std::path::Path;
use std::time::{Duration, Instant};

use csp_profile::analysis::gradient::Gradient;
use csp_profile::analysis::{analyze, memory};
use csp_profile::diagnostic::Sink;
use csp_profile::frontend::{LoadOptions, Loaded, load_bytes};
use csp_profile::report::Report;
use csp_profile::report::diagnostics::render;
use csp_profile::source::SourceMap;

/// Runs what is made of one number after the other, and panics with the number and the bytes that fail. How many of
/// how many were networks.
///
/// `FUZZ_ROUNDS` sets how many rounds there are, `FUZZ_SECONDS` for how long instead, and `FUZZ_FIRST` where they begin.
/// Rounds that take long or much memory are named; whether they do so alone is found by hand. With `FUZZ_KEEP` their
/// bytes are kept in that folder.
pub(crate) fn search(name: &str, rounds: u64, make: impl Fn(u64) -> Vec<u8>) -> (u64, u64) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("FUZZ_FIRST").unwrap_or(1);
    let seconds = number("FUZZ_SECONDS").map(Duration::from_secs);
    let rounds = if seconds.is_some() { u64::MAX } else { number("FUZZ_ROUNDS").unwrap_or(rounds) };
    let keep = |seed: u64, bytes: &[u8]| {
        if let Some(folder) = std::env::var_os("FUZZ_KEEP") {
            std::fs::write(Path::new(&folder).join(format!("{seed}-{name}")), bytes).unwrap();
        }
    };
    let (start, mut done, mut networks, mut peak) = (Instant::now(), 0, 0, peak_kib());
    while done < rounds && seconds.is_none_or(|seconds| start.elapsed() < seconds) {
        let seed = first + done;
        let bytes = make(seed);
        let round = processor_time(start);
        let outcome = std::panic::catch_unwind(|| run(name, &bytes));
        let (took, now) = (processor_time(start) - round, peak_kib());
        if took > Duration::from_millis(500) || now > peak + (64 << 10) {
            println!("{name}: seed {seed} took {took:?} and {} MiB more than any before", (now - peak) >> 10);
            keep(seed, &bytes);
        }
        let Ok(network) = outcome else {
            keep(seed, &bytes);
            panic!("{name}: seed {seed}, {} bytes:\n{}", bytes.len(), String::from_utf8_lossy(&bytes));
        };
        (done, networks, peak) = (done + 1, networks + u64::from(network), now);
    }
    println!(
        "{name}: {networks} of {done} were networks, in {:?}, at most {} MiB",
        start.elapsed(),
        peak >> 10
    );
    (networks, done)
}

/// The processor time of this thread, which other work of the machine does not change; else what has passed.
fn processor_time(start: Instant) -> Duration {
    let said = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let time = said.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse().ok());
    time.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// The most memory that this process has had at once; 0 where the system does not say.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// What the fuzz target does; small parts are rendered, so that places within a text are tried as well.
pub(crate) fn run(name: &str, bytes: &[u8]) -> bool {
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let options = LoadOptions::default();
    let loaded = load_bytes(name, "fuzz", bytes.to_vec(), &options, &mut sources, &mut sink);
    assert_ne!(
        loaded.is_some(),
        sink.has_errors(),
        "a network or a reason: {}",
        String::from_utf8_lossy(bytes)
    );
    for diagnostic in sink.diagnostics() {
        for label in &diagnostic.labels {
            let text = &sources.get(label.span.source).text;
            let place = label.span.start as usize..label.span.end as usize;
            assert!(text.get(place).is_some(), "{diagnostic:?} cuts a letter or ends behind the text");
        }
    }
    // Drawing is slow, and the first few have all there is to draw.
    sink.diagnostics().iter().take(3).for_each(|diagnostic| drop(render(diagnostic, &sources)));
    if let Some(loaded) = &loaded {
        profile(loaded, &sources);
    }
    loaded.is_some()
}

/// All that `analyze` does with a network; an overflow of a sum is an answer too.
fn profile(loaded: &Loaded, sources: &SourceMap) {
    let graph = &loaded.graph;
    let Ok(analysis) = analyze(graph) else { return };
    // Memory and gradients of large networks take their time; the bounds are for the rest.
    let small = graph.len() < 1000;
    let memory = small.then(|| memory::analyze(graph).ok()).flatten();
    let gradient = small.then(|| Gradient::new(graph).ok()).flatten();
    let report = Report {
        graph,
        analysis: &analysis,
        parameters: &loaded.parameters,
        facts: &loaded.facts,
        sources,
        format: loaded.format,
        memory: memory.as_ref(),
        gradient: gradient.as_ref(),
        budget: None,
        measurement: None,
        prediction: None,
        roofline: None,
    };
    if small {
        serde_json::to_writer(std::io::sink(), &report).unwrap();
    }
}

/// The files of a corpus: name and bytes, in the order of their names.
pub(crate) fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    folder(&Path::new("tests/fuzz/corpus").join(name), "")
}

/// The files of a folder of ours whose names end so.
pub(crate) fn folder(path: &Path, ending: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path))
        .filter(|(name, path)| name.ends_with(ending) && path.is_file())
        .map(|(name, path)| (name, std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// xorshift64*: the same numbers everywhere, and no crate for them.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let wide = u128::from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)) * bound as u128;
        usize::try_from(wide >> 64).unwrap()
    }
}
