//! What `tests/fuzz` looks for, on stable and within seconds: whatever the bytes, a network or diagnostics come out.
//!
//! `FUZZ_ROUNDS=1000000 cargo test --release --test fuzz_replay` looks for longer; a seed is printed with what it finds.
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod common;

use common::files;
use common::fuzz::{self, Random};

fn run(bytes: &[u8]) -> bool {
    fuzz::run("fuzz.json", bytes)
}

fn corpus() -> Vec<(String, Vec<u8>)> {
    fuzz::corpus("architecture_json")
}

/// What stands in such files, so that changes often make another file and not only rubbish.
const PIECES: &[&str] = &[
    "0",
    "1",
    "-1",
    "0.5",
    "1e9",
    "9223372036854775807",
    "18446744073709551616",
    "1e38",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    ",",
    ":",
    "\"op\": \"concat\"",
    "\"repeat\": 3",
    "\"repeat\": \"channels(image)\"",
    "\"when\": false",
    "\"inputs\": []",
    "\"inputs\": \"input\"",
    "previous",
    "input",
    "layer[..index]",
    "layer[..]",
    "layer[0]",
    "channels(previous)",
    " / 0",
    " ^ 99",
    " % ",
    "index",
    "(",
    ")",
    "'",
    "\"name\": \"previous\"",
    "\"stage\": \"s\"",
    "\"share\": \"conv1\"",
    "\"called_as\": \"function\"",
    "same",
    "/",
    "\u{e9}",
    "\u{1f600}",
    "\\u0041",
    "\\\"",
    "if(",
    "make_divisible(",
    "\"outputs\": \"x\"",
    "\"with\": {}",
    "\"groups\": 3",
    "\"axis\": -9",
];

/// One file made of others: bytes changed, pieces put in, parts removed, doubled and exchanged.
fn mutated(random: &mut Random, seeds: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].1.clone();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(40)).min(bytes.len());
        match random.below(10) {
            0 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            3 => {
                let other = &seeds[random.below(seeds.len())].1;
                let from = random.below(other.len() + 1);
                let to = (from + random.below(80)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            4 | 5 => swap_words(random, &mut bytes),
            6..=8 => {
                let digits: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at].is_ascii_digit()).collect();
                if !digits.is_empty() {
                    bytes[digits[random.below(digits.len())]] = b"0123456789"[random.below(10)];
                }
            }
            _ => {
                let piece = PIECES[random.below(PIECES.len())];
                let end = if random.below(2) == 0 { at } else { (at + piece.len()).min(bytes.len()) };
                bytes.splice(at..end, piece.bytes());
            }
        }
    }
    bytes
}

/// Puts one text of the file, or a piece, in the place of another text or number: still JSON.
fn swap_words(random: &mut Random, bytes: &mut Vec<u8>) {
    let words: Vec<(usize, usize)> = {
        let quotes: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] == b'"').collect();
        quotes.chunks_exact(2).map(|pair| (pair[0], pair[1] + 1)).collect()
    };
    if words.is_empty() {
        return;
    }
    let (to, from) = (words[random.below(words.len())], words[random.below(words.len())]);
    let word = if random.below(3) == 0 {
        format!("\"{}\"", PIECES[random.below(PIECES.len())].replace('"', "")).into_bytes()
    } else {
        bytes[from.0..from.1].to_vec()
    };
    bytes.splice(to.0..to.1, word);
}

#[test]
fn the_corpus_is_harmless() {
    let corpus = corpus();
    let good = corpus.iter().filter(|(_, bytes)| run(bytes)).count();
    // A corpus of rubbish alone would find nothing.
    assert!(good >= 4 && corpus.len() > good, "{good} of {} are networks", corpus.len());
}

#[test]
fn a_file_may_end_anywhere() {
    for (_, bytes) in
        corpus().iter().filter(|(name, _)| ["everything.json", "dense.json"].contains(&name.as_str()))
    {
        let whole = bytes.trim_ascii_end().len();
        for end in 0..whole {
            assert!(!run(&bytes[..end]), "the first {end} bytes are a network");
        }
        assert!(run(bytes));
    }
}

#[test]
fn random_changes_are_harmless() {
    // Those at a bound take their time, which is fine once.
    let quick = |(name, _): &(String, Vec<u8>)| !name.starts_with("bound_");
    let architectures = files().into_iter().map(|(name, text)| (name, text.into_bytes()));
    let seeds: Vec<_> = architectures.chain(corpus().into_iter().filter(quick)).collect();
    let (networks, rounds) = fuzz::search("fuzz.json", 3000, |seed| mutated(&mut Random(seed), &seeds));
    assert!(
        rounds < 1000 || networks * 20 > rounds,
        "only {networks} of {rounds} were networks: the changes are too wild"
    );
}
