//! The claims as one table, and a function each.

use num::BigUint;

use super::{Finding, Network, Pair, Rule, StageFigure, Value, Verdict, stages};
use crate::analysis::conventions::CONVENTIONS;

/// "10 %": the least saving of computation that counts.
const COMPUTATION: f64 = 0.90;
/// "20 %": a greater saving is more than was claimed.
const COMPUTATION_MOST: f64 = 0.80;
/// "Nearly half": PeleeNet's own −44 % counts.
const NEARLY_HALF: f64 = 0.60;
/// "At most half".
const AT_MOST_HALF: f64 = 0.50;

/// All claims, in the order of tables.
pub const CLAIMS: &[Rule] = &[
    Rule {
        key: "computation",
        name: "10-20 % less computation",
        quote: "computation falls by 10 to 20 %",
        formula: "MACs(CSP) / MACs(base) <= 0.90",
        source: "CSPNet v1, sections 1 and 4",
        judge: computation,
    },
    Rule {
        key: "paths",
        name: "gradient paths doubled",
        quote: "\"the number of gradient paths can be doubled\"",
        formula: "paths of every changed stage (CSP) / (base) >= 2; per stage: its branches (CSP) / (base) >= 2",
        source: "CSPNet v1, section 3, partial dense block (1)",
        judge: gradient_paths,
    },
    Rule {
        key: "cross_side",
        name: "no reuse across the sides",
        quote: "\"both sides do not contain duplicate gradient information that belongs to other sides\"",
        formula: "Dx of every changed stage with Dx(base) > 0 is 0",
        source: "CSPNet v1, section 3, equations 3 and 4",
        judge: cross_side,
    },
    Rule {
        key: "inside_block",
        name: "no duplicates in the block",
        quote: "the duplicates of equation 2 (\"large amount of gradient information are reused\") are gone",
        formula: "1 - producers / reads of the block's layers is 0 in every changed stage",
        source: "a reading of CSPNet v1, section 3; the paper claims the sides alone",
        judge: inside_block,
    },
    Rule {
        key: "bottleneck",
        name: "bottleneck nearly halved",
        quote: "\"nearly half of the computational bottleneck\"",
        formula: "MACs of the largest layer (CSP) / (base) <= 0.60; per stage alike",
        source: "CSPNet v1, section 3, partial dense block (2), and figure 7",
        judge: bottleneck,
    },
    Rule {
        key: "traffic",
        name: "memory traffic saved",
        quote: "\"save at most half\" of the memory traffic",
        formula: "0.50 <= CIO of the blocks' layers (CSP) / (base) < 1; per stage alike",
        source: "CSPNet v1, section 3, partial dense block (3)",
        judge: traffic,
    },
    Rule {
        key: "peak_memory",
        name: "memory peak 2/3",
        quote: "memory peak, \"the sum of input and output feature map\", \"2/3 of the original\"",
        formula: "peak_memory_bytes.inference (CSP) / (base) <= 2/3; per stage alike",
        source: "ELAN, section 3.2",
        judge: peak_memory,
    },
    Rule {
        key: "shortest_path",
        name: "shortest paths grow",
        quote: "transitions lengthen the shortest gradient path of all layers",
        formula: "longest shortest path (CSP) > (base)",
        source: "ELAN, sections 2.4 and 3.3: a criticism of CSP",
        judge: shortest_path,
    },
    Rule {
        key: "parameters",
        name: "fewer parameters",
        quote: "fewer parameters: 20.50 M of 22.19 M in CSPResNeXt-50, 2.83 M of 2.79 M in CSPPeleeNet",
        formula: "learned parameters (CSP) < (base)",
        source: "CSPNet v1, table 3",
        judge: parameters,
    },
];

/// Judges two values where both networks have them.
fn compared(
    pair: &Pair<'_>,
    get: impl Fn(Network<'_>) -> Option<u64>,
    holds: fn(u64, u64) -> bool,
) -> Option<bool> {
    Some(holds(get(pair.base)?, get(pair.csp)?))
}

/// A ratio of counts is at most a bound.
#[expect(clippy::cast_precision_loss, reason = "thresholds are approximate by nature")]
pub(super) fn at_most(base: u64, csp: u64, bound: f64) -> bool {
    csp as f64 <= bound * base as f64
}

pub(super) fn is_less_computation(base: u64, csp: u64) -> bool {
    at_most(base, csp, COMPUTATION)
}

pub(super) fn is_nearly_half(base: u64, csp: u64) -> bool {
    at_most(base, csp, NEARLY_HALF)
}

/// Something is saved, and no more than half.
pub(super) fn saves_at_most_half(base: u64, csp: u64) -> bool {
    csp < base && !(at_most(base, csp, AT_MOST_HALF) && u128::from(csp) * 2 != u128::from(base))
}

/// In whole numbers: two thirds are no float.
pub(super) fn is_two_thirds(base: u64, csp: u64) -> bool {
    u128::from(csp) * 3 <= u128::from(base) * 2
}

pub(super) fn is_doubled(base: &BigUint, csp: &BigUint) -> bool {
    *csp >= base * 2u32
}

/// `stage2, stage3`: where a claim holds, or does not.
fn names(stages: &[StageFigure], holds: bool) -> String {
    let chosen = stages.iter().filter(|stage| stage.holds == Some(holds));
    chosen.map(|stage| stage.stage.as_str()).collect::<Vec<_>>().join(", ")
}

/// What a partial verdict is partial in.
fn where_it_holds(verdict: Verdict, stages: &[StageFigure]) -> String {
    match verdict {
        Verdict::HoldsPerStage => format!("Holds in {}.", names(stages, true)),
        _ => String::new(),
    }
}

fn convention(network: Network<'_>, name: &str) -> Option<u64> {
    let index = CONVENTIONS.iter().position(|convention| convention.name == name)?;
    *network.analysis.conventions.get(index)?
}

fn computation(pair: &Pair<'_>) -> Finding {
    let macs = |network: Network<'_>| Some(network.analysis.total.macs);
    let figures = vec![
        pair.figure("MACs", |network| macs(network).map(Value::Count)),
        pair.figure("FLOPs (cspnet_paper)", |network| convention(network, "cspnet_paper").map(Value::Count)),
    ];
    let stages = pair.by_stage(
        "MACs",
        |network, stage| Some(network.analysis.stages[stage].sum.macs),
        Value::Count,
        |&base, &csp| (base > 0).then(|| is_less_computation(base, csp)),
    );
    let verdict = Verdict::of(compared(pair, macs, is_less_computation), &stages);
    let is_more = compared(pair, macs, |base, csp| !at_most(csp, base, 1.0 / COMPUTATION_MOST));
    let remark = match (verdict, is_more) {
        (Verdict::Holds, Some(true)) => "The saving is greater than the 20 % claimed.".into(),
        _ => where_it_holds(verdict, &stages),
    };
    Finding { figures, stages, verdict, remark }
}

fn gradient_paths(pair: &Pair<'_>) -> Finding {
    let figures = vec![
        pair.figure("paths to the input", |network| network.gradient.paths_to_input().map(Value::Paths)),
    ];
    let doubled = |base: &BigUint, csp: &BigUint| Some(is_doubled(base, csp));
    let stages = pair.by_stage("paths", stages::paths, Value::Paths, doubled);
    let branches = pair.by_stage("branches", stages::branches, Value::Count, |&base, &csp| {
        (base > 0).then(|| csp >= 2 * base)
    });
    // The branches of the stages whose layers' paths are not doubled already.
    let verdict = match (Verdict::of_stages(&stages), Verdict::of_stages(&branches)) {
        (Verdict::Holds, _) => Verdict::Holds,
        (Verdict::HoldsPerStage, _) | (_, Verdict::Holds | Verdict::HoldsPerStage) => Verdict::HoldsPerStage,
        (Verdict::NotJudged, Verdict::NotJudged) => Verdict::NotJudged,
        _ => Verdict::DoesNotHold,
    };
    let mut remarks = Vec::new();
    if verdict == Verdict::HoldsPerStage {
        let count = branches.iter().filter(|stage| stage.holds == Some(true)).count();
        let all = branches.iter().filter(|stage| stage.holds.is_some()).count();
        if count > 0 {
            remarks.push(format!("One branch becomes two in {count} of {all} changed stages."));
        }
        match names(&stages, true) {
            doubled if doubled.is_empty() => {
                remarks.push(
                    "Counted by layers, no stage has twice the paths: the second branch adds few.".into(),
                );
            }
            doubled => remarks.push(format!("Counted by layers, paths double only in {doubled}.")),
        }
    }
    let all = stages.into_iter().chain(branches).collect();
    Finding { figures, stages: all, verdict, remark: remarks.join(" ") }
}

fn cross_side(pair: &Pair<'_>) -> Finding {
    let stages =
        pair.by_stage("Dx", stages::overlap, Value::Ratio, |&base, &csp| (base > 0.0).then_some(csp <= 0.0));
    let figure = pair.over_stages("Dx, all changed stages", |network, indices| {
        stages::overlaps(network, indices).map(Value::Ratio)
    });
    let verdict = Verdict::of_stages(&stages);
    Finding { figures: vec![figure], remark: where_it_holds(verdict, &stages), stages, verdict }
}

fn inside_block(pair: &Pair<'_>) -> Finding {
    let figures = vec![
        pair.figure("set ratio", |network| Some(Value::Ratio(network.gradient.ratios.set()))),
        pair.figure("element ratio", |network| Some(Value::Ratio(network.gradient.ratios.element()))),
    ];
    let stages = pair.by_stage("reuse in block", stages::block_reuse, Value::Ratio, |&base, &csp| {
        (base > 0.0).then_some(csp <= 0.0)
    });
    let verdict = Verdict::of_stages(&stages);
    let remark = match verdict {
        Verdict::DoesNotHold => "In every changed block some features are still read more than once.".into(),
        _ => where_it_holds(verdict, &stages),
    };
    Finding { figures, stages, verdict, remark }
}

fn bottleneck(pair: &Pair<'_>) -> Finding {
    let largest = |network: Network<'_>| {
        let layer = network.analysis.largest_layer?;
        Some(network.analysis.nodes[layer.node.index()].macs)
    };
    let figures = vec![
        pair.figure("MACs of the largest layer", |network| largest(network).map(Value::Count)),
        pair.figure("largest / mean layer", |network| {
            Some(Value::Ratio(network.analysis.largest_layer?.max_over_mean))
        }),
    ];
    let stages = pair.by_stage("largest layer", stages::largest, Value::Count, |&base, &csp| {
        Some(is_nearly_half(base, csp))
    });
    let verdict = Verdict::of(compared(pair, largest, is_nearly_half), &stages);
    let name = |network: Network<'_>| {
        network
            .analysis
            .largest_layer
            .map_or_else(String::new, |layer| network.graph.node(layer.node).name.to_string())
    };
    let same = compared(pair, largest, |base, csp| base == csp) == Some(true);
    let remark = format!(
        "The largest layers are {} and {}{}. {}",
        name(pair.base),
        name(pair.csp),
        if same { ", of the same MACs" } else { "" },
        where_it_holds(verdict, &stages)
    );
    Finding { figures, stages, verdict, remark: remark.trim_end().to_owned() }
}

fn traffic(pair: &Pair<'_>) -> Finding {
    let figures = vec![
        pair.over_stages("CIO of the blocks", |network, indices| {
            stages::blocks_cio(network, indices).map(Value::Count)
        }),
        pair.figure("CIO of all convolutions", |network| Some(Value::Count(network.analysis.total.cio))),
        pair.figure("CIO with pools", |network| Some(Value::Count(network.analysis.total.cio_with_pools))),
        pair.figure("bytes moved, fused", |network| Some(Value::Bytes(network.analysis.total.traffic.fused))),
    ];
    let stages = pair.by_stage("block CIO", stages::block_cio, Value::Count, |&base, &csp| {
        Some(saves_at_most_half(base, csp))
    });
    let whole = match (&figures[0].base, &figures[0].csp) {
        (Some(Value::Count(base)), Some(Value::Count(csp))) => Some(saves_at_most_half(*base, *csp)),
        _ => None,
    };
    let verdict = Verdict::of(whole, &stages);
    let cio = |network: Network<'_>| Some(network.analysis.total.cio);
    let mut remark = where_it_holds(verdict, &stages);
    if compared(pair, cio, |base, csp| csp >= base) == Some(true) {
        remark.push_str(" Over all convolutions nothing is saved: what CSP adds moves more.");
    }
    Finding { figures, stages, verdict, remark: remark.trim_start().to_owned() }
}

fn peak_memory(pair: &Pair<'_>) -> Finding {
    let peak = |network: Network<'_>| Some(network.memory.models[0].peak);
    let figures = vec![
        pair.figure("peak, inference", |network| peak(network).map(Value::Bytes)),
        pair.figure("peak, in place", |network| Some(Value::Bytes(network.memory.models[1].peak))),
    ];
    let stages =
        pair.by_stage("peak", stages::peak, Value::Bytes, |&base, &csp| Some(is_two_thirds(base, csp)));
    let verdict = Verdict::of(compared(pair, peak, is_two_thirds), &stages);
    let remark = format!(
        "{} The paper's 75 % of memory is about feature pyramids (EFM), not CSP: not judged.",
        where_it_holds(verdict, &stages)
    );
    Finding { figures, stages, verdict, remark: remark.trim_start().to_owned() }
}

fn shortest_path(pair: &Pair<'_>) -> Finding {
    let shortest = |network: Network<'_>| Some(network.gradient.longest_shortest_path());
    let figures = vec![
        pair.figure("longest shortest path", |network| shortest(network).map(Value::Count)),
        pair.figure("longest path", |network| Some(Value::Count(network.gradient.longest_path()))),
    ];
    let verdict = Verdict::of(compared(pair, shortest, |base, csp| csp > base), &[]);
    Finding { figures, stages: Vec::new(), verdict, remark: String::new() }
}

fn parameters(pair: &Pair<'_>) -> Finding {
    let learned = |network: Network<'_>| network.analysis.total.stored.learned().ok();
    let figures = vec![
        pair.figure("parameters", |network| learned(network).map(Value::Count)),
        pair.figure("as in the paper's tables", |network| {
            convention(network, "cspnet_paper_parameters").map(Value::Count)
        }),
    ];
    let stages = pair.by_stage(
        "parameters",
        |network, stage| network.analysis.stages[stage].sum.stored.learned().ok(),
        Value::Count,
        |&base, &csp| Some(csp < base),
    );
    let verdict = Verdict::of(compared(pair, learned, |base, csp| csp < base), &stages);
    Finding { figures, remark: where_it_holds(verdict, &stages), stages, verdict }
}
