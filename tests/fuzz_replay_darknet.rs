//! What `tests/fuzz` looks for in cfgs, on stable and within seconds: whatever the bytes, a network or diagnostics.
//!
//! `FUZZ_SECONDS=1800 cargo test --release --test fuzz_replay_darknet random` looks for longer; see `fuzz::search`.
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod common;

use std::path::Path;

use common::fuzz::{self, Random};

fn run(bytes: &[u8]) -> bool {
    fuzz::run("fuzz.cfg", bytes)
}

/// The corpus, our own cfgs and those that must be refused.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = fuzz::corpus("darknet_cfg");
    seeds.extend(fuzz::folder(Path::new("tests/darknet"), ".cfg"));
    seeds.extend(fuzz::folder(Path::new("tests/bad_input/darknet"), ".cfg"));
    seeds
}

/// Whole lines that stand in such files.
const LINES: &[&str] = &[
    "[conv]",
    "[maxpool]",
    "[local_avg]",
    "[avgpool]",
    "[upsample]",
    "[reorg]",
    "[reorg3d]",
    "[crop]",
    "[lrn]",
    "[activation]",
    "[dropout]",
    "[route]",
    "[shortcut]",
    "[scale_channels]",
    "[sam]",
    "[implicit]",
    "[yolo]",
    "[Gaussian_yolo]",
    "[region]",
    "[detection]",
    "[softmax]",
    "[cost]",
    "[contrastive]",
    "[empty]",
    "[local]",
    "[connected]",
    "[batchnorm]",
    "[rnn]",
    "[net]",
    "layers=-1",
    "layers=-1,-2",
    "layers=0",
    "from=-2",
    "from=0,-1",
    "groups=2",
    "group_id=1",
    "stride=2",
    "stride=-2",
    "stride_x=3",
    "size=3",
    "pad=1",
    "padding=2",
    "dilation=3",
    "filters=8",
    "filters=255",
    "batch_normalize=1",
    "xnor=1",
    "antialiasing=1",
    "antialiasing=2",
    "share_index=-1",
    "share_index=0",
    "maxpool_depth=1",
    "out_channels=3",
    "weights_type=per_channel",
    "weights_type=per_feature",
    "weights_normalization=softmax",
    "scale_wh=1",
    "reverse=1",
    "noadjust=1",
    "crop_width=2",
    "spatial=1",
    "temperature=0.5",
    "classes=1",
    "num=2",
    "mask=0,1,2",
    "scale_x_y=2",
    "new_coords=1",
    "softmax=1",
    "tree=x",
    "side=2",
    "coords=2",
    "activation=stair",
    "activation=plse",
    "activation=normalize_channels",
    "activation=lhtan",
    "activation=hard_mish",
    "scale=3",
    "probability=nan",
    "output=5",
    "atoms=16",
    "width=0",
    "height=1",
    "channels=1",
    "inputs=9",
    "#",
    ";",
    "=",
    "x",
    "",
];

/// Numbers at bounds.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "-2",
    "7",
    "16",
    "255",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483648",
    "1e9",
    "0.5",
    "99999999999999999999",
    "",
];

/// One cfg made of others: lines put in, taken out, doubled and exchanged; numbers and bytes changed.
fn mutated(random: &mut Random, seeds: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].1.clone();
    for _ in 0..=random.below(4) {
        let mut lines: Vec<Vec<u8>> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        let at = random.below(lines.len());
        match random.below(12) {
            0 => drop(lines.remove(at)),
            1..=3 => lines.insert(at, LINES[random.below(LINES.len())].into()),
            4 => {
                let end = (at + 1 + random.below(12)).min(lines.len());
                let part = lines[at..end].to_vec();
                lines.splice(at..at, part);
            }
            5 => {
                let other = &seeds[random.below(seeds.len())].1;
                let other: Vec<&[u8]> = other.split(|&byte| byte == b'\n').collect();
                let from = random.below(other.len());
                let to = (from + 1 + random.below(12)).min(other.len());
                lines.splice(at..at, other[from..to].iter().map(|line| line.to_vec()));
            }
            6 => {
                let other = random.below(lines.len());
                lines.swap(at, other);
            }
            7 | 8 => {
                // The value of some line is another number, or another line's value.
                let keyed: Vec<usize> =
                    (0..lines.len()).filter(|&line| lines[line].contains(&b'=')).collect();
                if !keyed.is_empty() {
                    let line = keyed[random.below(keyed.len())];
                    let sign = lines[line].iter().position(|&byte| byte == b'=').unwrap();
                    let value = NUMBERS[random.below(NUMBERS.len())];
                    lines[line].truncate(sign + 1);
                    lines[line].extend_from_slice(value.as_bytes());
                }
            }
            _ => {}
        }
        bytes = lines.join(&b'\n');
        if bytes.is_empty() {
            continue;
        }
        let at = random.below(bytes.len());
        match random.below(8) {
            0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            1 => drop(bytes.drain(at..(at + random.below(20)).min(bytes.len()))),
            2 | 3 => {
                let digits: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at].is_ascii_digit()).collect();
                if !digits.is_empty() {
                    bytes[digits[random.below(digits.len())]] = b"0123456789"[random.below(10)];
                }
            }
            4 => bytes.insert(at, b" \t\r\n=,[]#;-.\0"[random.below(13)]),
            _ => {}
        }
    }
    bytes
}

#[test]
fn the_corpus_is_harmless() {
    let corpus = fuzz::corpus("darknet_cfg");
    let good = corpus.iter().filter(|(_, bytes)| run(bytes)).count();
    assert!(good >= 6 && corpus.len() > good, "{good} of {} are networks", corpus.len());
}

#[test]
fn random_changes_are_harmless() {
    // Those at a bound take their time, which is fine once.
    let seeds: Vec<_> = seeds().into_iter().filter(|(name, _)| !name.starts_with("bound_")).collect();
    let (networks, rounds) = fuzz::search("fuzz.cfg", 3000, |seed| mutated(&mut Random(seed), &seeds));
    assert!(
        rounds < 1000 || networks * 20 > rounds,
        "only {networks} of {rounds} were networks: the changes are too wild"
    );
}
