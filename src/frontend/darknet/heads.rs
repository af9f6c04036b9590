//! What stands at the end: detectors, softmax, cost; and sections that pass their input on.

use std::num::NonZeroU64;

use super::network::{Layer, Network, Role};
use super::options::Options;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::Outlet;
use crate::ops::{Affine, Concat, Flatten, Identity, Op, Reshape, Sigmoid, Slice, Softmax, Split};

/// A detector's layer.
fn detected(outlet: Outlet, is_map: bool) -> Layer {
    Layer { is_map, role: Role::Detector, ..Layer::map(outlet) }
}

/// The layer of a loss: darknet leaves its height and width unset.
fn lost(outlet: Outlet) -> Layer {
    Layer { is_map: false, role: Role::Loss, ..Layer::map(outlet) }
}

/// What becomes of some of the numbers that a detector gives for each anchor.
#[derive(Clone, Copy, PartialEq)]
enum Turn {
    /// Passed on.
    Plain,
    /// Through the logistic function.
    Logistic,
    /// The same, then spread around its middle by `scale_x_y`.
    Spread,
    /// Only spread.
    OnlySpread,
    /// Through a softmax.
    Softmax,
}

/// `n` numbers each.
type Turns = Vec<(u64, Turn)>;

pub(super) fn yolo(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let classes = options.at_least("classes", 0, 20);
    let turns = match options.flag("new_coords") {
        false => vec![(2, Turn::Spread), (2, Turn::Plain), (1, Turn::Logistic), (classes, Turn::Logistic)],
        true => vec![(2, Turn::OnlySpread), (3, Turn::Plain), (classes, Turn::Plain)],
    };
    masked(turns, options, network)
}

pub(super) fn gaussian_yolo(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let classes = options.at_least("classes", 0, 20);
    // Means and deviations of x, y, w and h; the means of w and h stay.
    use Turn::{Logistic, Plain, Spread};
    let turns = vec![
        (1, Spread),
        (1, Logistic),
        (1, Spread),
        (1, Logistic),
        (1, Plain),
        (1, Logistic),
        (1, Plain),
        (2, Logistic),
        (classes, Logistic),
    ];
    masked(turns, options, network)
}

fn masked(turns: Turns, options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let total = options.at_least("num", 1, 1);
    let anchors = options.count("mask").unwrap_or(total);
    let scale = options.float("scale_x_y", 1.0);
    detector(anchors, turns, scale, options, network)
}

pub(super) fn region(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let coords = options.at_least("coords", 0, 4);
    let classes = options.at_least("classes", 0, 20);
    let anchors = options.at_least("num", 1, 1);
    let softmax = options.flag("softmax");
    if options.has("tree") {
        options.warn(
            Diagnostic::warning(Code::Unsupported, "the tree of classes is not read")
                .at(options.span("tree"), "counted as one softmax over all classes"),
        );
    }
    let of_classes = if softmax || options.has("tree") { Turn::Softmax } else { Turn::Plain };
    let turns = vec![(coords, Turn::Plain), (1, Turn::Logistic), (classes, of_classes)];
    detector(anchors, turns, 1.0, options, network)
}

/// A map of `anchors` times the turns' channels; each turn acts on its own channels of each anchor.
fn detector(
    anchors: u64,
    turns: Turns,
    scale: f64,
    options: &mut Options<'_>,
    network: &mut Network,
) -> Option<Layer> {
    let input = network.previous_map(options)?;
    let numbers: u64 = turns.iter().map(|(count, _)| count).sum();
    let [_, channels, height, width] = network.sizes(input);
    let needed = anchors.saturating_mul(numbers);
    if channels != needed {
        options.fail(
            Diagnostic::error(
                Code::ShapeMismatch,
                format!(
                    "{anchors} anchors of {numbers} numbers need {needed} channels, and there are {channels}"
                ),
            )
            .at(options.header, "does not fit")
            .help(format!(
                "write `filters={needed}` in the layer before, or change `classes`, `mask` or `num`"
            )),
        );
        return None;
    }
    let turns = merged(turns, scale);
    if let [(_, Turn::Plain)] = turns[..] {
        return network.add("", Identity {}, &[input], options).map(|outlet| detected(outlet, true));
    }
    let signed =
        |sizes: &[u64]| sizes.iter().map(|&size| i64::try_from(size).ok()).collect::<Option<Vec<i64>>>();
    let apart = Reshape { shape: signed(&[0, anchors, numbers, height, width])? };
    let apart = network.add("anchors", apart, &[input], options)?;
    let sizes: Option<Vec<NonZeroU64>> = turns.iter().map(|(count, _)| NonZeroU64::new(*count)).collect();
    let split = Split { axis: 2, sizes, parts: None };
    let split = network.add("split", split, &[apart], options)?;
    let mut parts = Vec::with_capacity(turns.len());
    for (port, (_, turn)) in (0..).zip(&turns) {
        let part = Outlet { node: split.node, port };
        parts.push(turned(*turn, part, scale, port, options, network)?);
    }
    let joined = network.add("concat", Concat { axis: 2 }, &parts, options)?;
    let together = Reshape { shape: signed(&[0, channels, height, width])? };
    network.add("", together, &[joined], options).map(|outlet| detected(outlet, true))
}

/// Turns without numbers left out, a spread by 1 as none, equal neighbours joined.
#[expect(clippy::float_cmp, reason = "exactly 1 spreads nothing")]
fn merged(turns: Turns, scale: f64) -> Turns {
    let mut merged: Turns = Vec::new();
    for (count, turn) in turns.into_iter().filter(|(count, _)| *count > 0) {
        let turn = match turn {
            Turn::Spread if scale == 1.0 => Turn::Logistic,
            Turn::OnlySpread if scale == 1.0 => Turn::Plain,
            turn => turn,
        };
        match merged.last_mut() {
            Some((before, last)) if *last == turn && turn != Turn::Softmax => *before += count,
            _ => merged.push((count, turn)),
        }
    }
    merged
}

fn turned(
    turn: Turn,
    part: Outlet,
    scale: f64,
    number: u32,
    options: &mut Options<'_>,
    network: &mut Network,
) -> Option<Outlet> {
    let mut node =
        |name: &str, op: Op, input: Outlet| network.add(&format!("{name}{number}"), op, &[input], options);
    let spread = Affine { scale, shift: -0.5 * (scale - 1.0) };
    match turn {
        Turn::Plain => Some(part),
        Turn::Logistic => node("logistic", Sigmoid {}.into(), part),
        Turn::Spread => {
            let logistic = node("logistic", Sigmoid {}.into(), part)?;
            node("spread", spread.into(), logistic)
        }
        Turn::OnlySpread => node("spread", spread.into(), part),
        Turn::Softmax => node("softmax", Softmax { axis: 2 }.into(), part),
    }
}

/// The first YOLO's head, over a vector.
pub(super) fn detection(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let coords = options.at_least("coords", 0, 1);
    let classes = options.at_least("classes", 0, 1);
    let boxes = options.at_least("num", 1, 1);
    let side = options.at_least("side", 1, 7);
    let softmax = options.flag("softmax");
    let input = network.previous()?.outlet;
    let input = network.flat(input, "flatten", options)?;
    let given = network.tensor(input).channels();
    let cells = side * side;
    let needed = (1 + coords).saturating_mul(boxes).saturating_add(classes).saturating_mul(cells);
    if given != needed {
        options.fail(
            Diagnostic::error(
                Code::ShapeMismatch,
                format!("`[detection]` needs {side}·{side}·((1+{coords})·{boxes}+{classes}) = {needed} numbers, and there are {given}"),
            )
            .at(options.header, "does not fit"),
        );
        return None;
    }
    if !softmax || classes == 0 {
        return network.add("", Identity {}, &[input], options).map(|outlet| detected(outlet, false));
    }
    let of_classes = cells.saturating_mul(classes);
    let cut = |start: u64, end: u64| Slice { axis: 1, start, end: Some(end), step: NonZeroU64::MIN };
    let scores = network.add("classes", cut(0, of_classes), &[input], options)?;
    let signed = |size: u64| i64::try_from(size).ok();
    let cells = Reshape { shape: vec![0, signed(cells)?, signed(classes)?] };
    let scores = network.add("cells", cells, &[scores], options)?;
    let scores = network.add("softmax", Softmax { axis: 2 }, &[scores], options)?;
    let scores = network.add("flat", Flatten { axis: 1 }, &[scores], options)?;
    let rest = network.add("boxes", cut(of_classes, given), &[input], options)?;
    network.add("", Concat { axis: 1 }, &[scores, rest], options).map(|outlet| detected(outlet, false))
}

pub(super) fn softmax(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let groups = options.at_least("groups", 1, 1);
    let temperature = options.float("temperature", 1.0);
    let by_position = options.float("spatial", 0.0) != 0.0;
    if options.has("tree") {
        options.warn(
            Diagnostic::warning(Code::Unsupported, "the tree of classes is not read")
                .at(options.span("tree"), "counted as one softmax over all classes"),
        );
    }
    if temperature == 0.0 {
        options.fail(
            Diagnostic::error(Code::OutOfRange, "`temperature` is 0")
                .at(options.span("temperature"), "divides by 0"),
        );
    }
    let mut input = network.previous()?.outlet;
    #[expect(clippy::float_cmp, reason = "exactly 1 divides nothing")]
    if temperature != 1.0 {
        let cool = Affine { scale: 1.0 / temperature, shift: 0.0 };
        input = network.add("temperature", cool, &[input], options)?;
    }
    let shape = network.tensor(input).shape.axes().to_vec();
    let elements: u64 = shape.iter().skip(1).product();
    let is_vector = shape.iter().skip(2).all(|&size| size == 1);
    if !elements.is_multiple_of(groups) {
        options.fail(
            Diagnostic::error(Code::Indivisible, format!("{groups} groups do not divide {elements} numbers"))
                .at(options.span("groups"), "does not fit"),
        );
        return None;
    }
    let output = if groups > 1 {
        let signed = |size: u64| i64::try_from(size).ok();
        let apart = Reshape { shape: vec![0, signed(groups)?, signed(elements / groups)?] };
        let apart = network.add("groups", apart, &[input], options)?;
        let each = network.add("softmax", Softmax { axis: 2 }, &[apart], options)?;
        network.add("", Flatten { axis: 1 }, &[each], options)?
    } else {
        if !is_vector && !by_position {
            input = network.flat(input, "flatten", options)?;
        }
        network.add("", Softmax { axis: 1 }, &[input], options)?
    };
    Some(lost(output))
}

/// Sections that only matter in training: cost, contrastive.
pub(super) fn loss(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let input = network.previous()?.outlet;
    network.add("", Identity {}, &[input], options).map(lost)
}

/// Sections that do nothing: empty, silence.
pub(super) fn empty(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let layer = network.previous()?;
    let outlet = network.add("", Identity {}, &[layer.outlet], options)?;
    Some(Layer { is_map: layer.is_map, ..Layer::map(outlet) })
}
