//! What a network costs, for those who will not read the tables.

use askama::Template;

use super::markup::Markup;
use super::shown;
use crate::analysis::Group;
use crate::analysis::gradient::paths;
use crate::published::Verdict;
use crate::report::Report;
use crate::report::measurement::Measured;
use crate::report::sheet::ratio_text;
use crate::units::{bytes, grouped, percent, seconds, si};

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<div class="prose">
{% for sentence in sentences %}<p>{{ sentence }}</p>
{% endfor %}</div>
<dl class="cards">
{% for card in cards %}<div class="card"><dt>{{ card.name }}</dt><dd><span class="figure">{{ card.value }}</span><span class="quiet"><bdi>{{ card.remark }}</bdi></span></dd></div>
{% endfor %}</dl>
"#
)]
pub(super) struct Summary {
    pub(super) sentences: Vec<String>,
    pub(super) cards: Vec<Card>,
}

/// A figure in large letters.
pub(super) struct Card {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) remark: String,
}

/// The sentences and figures of one network.
pub(super) fn summary(report: &Report<'_>) -> Markup {
    let sentences = [
        unknown(report),
        costs(report),
        bottleneck(report),
        stages(report),
        memory(report),
        gradient(report),
        published(report),
        measured(report),
        budget(report),
    ];
    Markup::of(&Summary {
        sentences: sentences.into_iter().flatten().map(|sentence| unbroken(&sentence)).collect(),
        cards: cards(report),
    })
}

/// A number and its unit stay on one line.
pub(super) fn unbroken(sentence: &str) -> String {
    let mut words = sentence.split(' ').peekable();
    let mut text = String::with_capacity(sentence.len());
    while let Some(word) = words.next() {
        text.push_str(word);
        let is_number = word.trim_start_matches('(').starts_with(|letter: char| letter.is_ascii_digit());
        match words.peek() {
            Some(unit) if is_number && is_unit(unit) => text.push('\u{a0}'),
            Some(_) => text.push(' '),
            None => {}
        }
    }
    text
}

/// Whether a word behind a number is its unit or prefix: `M`, `MiB;`, `%).`.
fn is_unit(word: &str) -> bool {
    let bare = word.trim_end_matches([',', '.', ';', ':', ')']);
    bare.len() == 1 && !bare.starts_with(|letter: char| letter.is_ascii_lowercase() && letter != 'k')
        || bare.ends_with("iB")
}

/// What one run takes in: `for an input of 1x3x224x224`.
fn run(report: &Report<'_>) -> String {
    let graph = report.graph;
    match graph.inputs() {
        [one] => {
            let shape = &graph.node(*one).outputs[0].shape;
            format!("for an input of {shape}")
        }
        several => format!("for its {} inputs and a batch of {}", several.len(), grouped(graph.batch)),
    }
}

fn learned(report: &Report<'_>) -> u64 {
    report.analysis.total.stored.learned().unwrap_or(u64::MAX)
}

/// Figures that miss something say so before any of them is read.
fn unknown(report: &Report<'_>) -> Option<String> {
    report.unknown_costs().map(|why| format!("Costs are lower bounds: {}.", shown(&why)))
}

fn costs(report: &Report<'_>) -> Option<String> {
    let total = &report.analysis.total;
    Some(format!(
        "{} learns {} parameters, which take {} with its buffers, and needs {} multiply-accumulates {}.",
        shown(&report.graph.name),
        si(learned(report)),
        bytes(total.stored.bytes),
        si(total.macs),
        run(report)
    ))
}

fn bottleneck(report: &Report<'_>) -> Option<String> {
    let layer = report.analysis.largest_layer.as_ref()?;
    let meaning = match (layer.max_over_mean, layer.share) {
        (_, share) if share >= 1.0 => "No other layer computes.",
        (ratio, share) if ratio < 3.0 && share < 0.2 => "The work is spread evenly: no layer stands out.",
        (ratio, _) if ratio < 3.0 => "There are few layers to share the work.",
        (_, share) if share >= 0.2 => "It is a bottleneck: making this one layer cheaper pays most.",
        (ratio, _) if ratio >= 8.0 => {
            "It stands out: a computational bottleneck, as the CSPNet paper calls it."
        }
        _ => "It is the first place to look at, though it does not dominate.",
    };
    Some(format!(
        "Its costliest layer, {}, does {:.1} % of the computation, {} times as much as the mean layer. {meaning}",
        shown(&report.graph.node(layer.node).name),
        layer.share * 100.0,
        ratio_text(layer.max_over_mean),
    ))
}

/// Where the computation and the parameters are.
fn stages(report: &Report<'_>) -> Option<String> {
    let outer = || report.analysis.stages.iter().filter(|stage| stage.depth == 0);
    let most = |get: fn(&Group) -> u64| {
        outer().fold(None, |best: Option<&Group>, stage| match best {
            Some(best) if get(best) >= get(stage) => Some(best),
            _ => Some(stage),
        })
    };
    let macs = most(|stage| stage.sum.macs)?;
    let parameters = most(|stage| stage.sum.stored.learned().unwrap_or(u64::MAX))?;
    let total = &report.analysis.total;
    let equals = outer().filter(|stage| stage.sum.macs == macs.sum.macs).count();
    if outer().count() < 2 || equals > 1 || total.macs == 0 || learned(report) == 0 {
        return None;
    }
    let share = percent(macs.sum.macs, total.macs);
    let held = percent(parameters.sum.stored.learned().unwrap_or(u64::MAX), learned(report));
    Some(match macs.name == parameters.name {
        true => format!(
            "The stage {} does {share} of the computation and holds {held} of the parameters, more than any other.",
            shown(&macs.name)
        ),
        false => format!(
            "The largest part of the computation, {share}, is in the stage {}; that of the parameters, {held}, is in {}.",
            shown(&macs.name),
            shown(&parameters.name)
        ),
    })
}

fn memory(report: &Report<'_>) -> Option<String> {
    let memory = report.memory?;
    let (plain, in_place) = (memory.models[0].peak, memory.models[1].peak);
    let [eager, minimal, ..] = &memory.training;
    let in_place = match in_place < plain {
        true => format!(", or {} where layers overwrite what nobody reads again", bytes(in_place)),
        false => String::new(),
    };
    let minimal = match minimal.saved_bytes < eager.saved_bytes {
        true => format!("; {} would do", bytes(minimal.saved_bytes)),
        false => String::new(),
    };
    Some(format!(
        "A run holds at most {} of activations at a time{in_place}. Training in PyTorch keeps {} for the backward \
         pass{minimal}.",
        bytes(plain),
        bytes(eager.saved_bytes),
    ))
}

fn gradient(report: &Report<'_>) -> Option<String> {
    let gradient = report.gradient?;
    let layers = gradient.h.layers().len();
    if layers == 0 {
        return None;
    }
    let paths = gradient.paths_to_input().map(|count| match u64::try_from(&count) {
        Ok(count) if count < 1 << 24 => grouped(count),
        _ => format!("2^{}", format!("{:.1}", paths::log2(&count)).trim_end_matches(".0")),
    });
    let over = paths
        .map_or(String::new(), |paths| format!(" over {paths} path{}", if paths == "1" { "" } else { "s" }));
    let shortest = match layers {
        1 => String::new(),
        _ => format!(
            " On the shortest path to any of the {} weight layers there are at most {}.",
            grouped(layers as u64),
            grouped(gradient.longest_shortest_path())
        ),
    };
    Some(format!("The gradient of the loss reaches the input{over}.{shortest}"))
}

fn published(report: &Report<'_>) -> Option<String> {
    let count = |verdict: Verdict| report.applying().filter(|fact| report.judge(fact) == verdict).count();
    let (holds, differs, fails) =
        (count(Verdict::Holds), count(Verdict::DiffersAsStated), count(Verdict::Fails));
    let judged = holds + differs + fails;
    if judged == 0 {
        return None;
    }
    let accuracy = report.applying().find(|fact| fact.metric == "accuracy.top1");
    let accuracy = accuracy.map_or(String::new(), |fact| {
        format!(" Its published top-1 accuracy is {} % ({}).", shown(&fact.value.text), shown(&fact.source))
    });
    let rest = match (differs, fails) {
        (0, 0) => String::new(),
        (differs, 0) => format!(", {differs} differ for a stated reason"),
        (0, fails) => format!(", {fails} do not"),
        (differs, fails) => format!(", {differs} differ for a stated reason and {fails} do not hold"),
    };
    Some(format!(
        "Of {judged} published figures about this network, {holds} agree with ours to every printed digit{rest}.{accuracy}"
    ))
}

/// Whether what was measured is what was predicted, and how long a pass takes.
fn measured(report: &Report<'_>) -> Option<String> {
    let measured = Measured::new(report)?;
    let measurement = measured.measurement;
    let count = |name: &str| measurement.checks.iter().filter(|check| check.verdict.name() == name).count();
    let held = measurement.checks.len() - count("unchecked");
    let within = match count("within") {
        0 => String::new(),
        within => format!(", {within} of them within what it allows"),
    };
    let checks = match (held, count("off")) {
        (0, _) => "It was run, and no predicted figure could be checked.".to_owned(),
        (held, 0) => format!("It was run: all {held} predicted figures that could be checked hold{within}."),
        (held, off) => {
            let differ = if off == 1 { "differs" } else { "differ" };
            format!(
                "It was run: of {held} predicted figures that could be checked {off} {differ} from what was measured."
            )
        }
    };
    let time = measured.forward().map_or(String::new(), |pace| {
        let time = |nanoseconds: f64| seconds(nanoseconds / 1e9);
        let (median, deviation) = (time(pace.timing.median), time(pace.timing.deviation));
        let device = shown(&measurement.provenance.device);
        format!(" A forward pass took {median} ± {deviation} on {device}.")
    });
    Some(format!("{checks}{time}"))
}

/// Whether the budget holds.
fn budget(report: &Report<'_>) -> Option<String> {
    let verdict = report.budget?;
    let fails = verdict.rows.iter().filter(|row| row.status.fails()).count();
    Some(match (fails, verdict.rows.len()) {
        (0, 1) => "It keeps to the one limit of its budget.".into(),
        (0, count) => format!("It keeps to all {count} limits of its budget."),
        (fails, count) => format!("It breaks {fails} of the {count} limits of its budget."),
    })
}

fn cards(report: &Report<'_>) -> Vec<Card> {
    let (analysis, total) = (report.analysis, &report.analysis.total);
    let bound = |text: String| if total.unknown > 0 { format!("≥ {text}") } else { text };
    let mut cards = vec![
        Card {
            name: "Parameters",
            value: si(learned(report)),
            remark: format!("{} exactly", grouped(learned(report))),
        },
        Card {
            name: "Compute",
            value: bound(format!("{}MACs", si_unit(total.macs))),
            remark: format!("{}FLOPs", si_unit(total.flops)),
        },
    ];
    if let Some(layer) = &analysis.largest_layer {
        cards.push(Card {
            name: "Largest layer",
            value: format!("{:.1} %", layer.share * 100.0),
            remark: format!("{} times the mean layer", ratio_text(layer.max_over_mean)),
        });
    }
    if let Some(memory) = report.memory {
        cards.push(Card {
            name: "Peak activations",
            value: bound(bytes(memory.models[0].peak)),
            remark: format!("{} in place", bytes(memory.models[1].peak)),
        });
        cards.push(Card {
            name: "Kept for training",
            value: bound(bytes(memory.training[0].saved_bytes)),
            remark: format!("of activations, batch {}", grouped(report.graph.batch)),
        });
    }
    #[expect(clippy::cast_precision_loss, reason = "a ratio is approximate by nature")]
    let intensity = (total.traffic.fused > 0).then(|| total.macs as f64 / total.traffic.fused as f64);
    cards.push(Card {
        name: "Bytes moved",
        value: bound(bytes(total.traffic.fused)),
        remark: intensity.map_or(String::new(), |ratio| format!("{} MACs for each byte", ratio_text(ratio))),
    });
    if let Some(gradient) = report.gradient {
        cards.push(Card {
            name: "Weight layers",
            value: grouped(gradient.h.layers().len() as u64),
            remark: format!("{} gradient edges", grouped(gradient.ratios.edges)),
        });
    }
    let judged: Vec<Verdict> = report.applying().map(|fact| report.judge(fact)).collect();
    let holds = judged.iter().filter(|verdict| **verdict == Verdict::Holds).count();
    let judged = judged.iter().filter(|verdict| **verdict != Verdict::Recorded).count();
    if judged > 0 {
        cards.push(Card {
            name: "Published figures",
            value: format!("{holds} of {judged}"),
            remark: "hold to every printed digit".into(),
        });
    }
    cards
}

/// `4.291 G`, or `512 ` without a prefix: a unit may follow.
fn si_unit(count: u64) -> String {
    let text = si(count);
    if text.ends_with(|letter: char| letter.is_ascii_digit()) { format!("{text} ") } else { text }
}
