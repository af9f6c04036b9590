//! Sections that read other layers: route, shortcut, scale_channels, sam; and implicit, which reads none.

use std::num::NonZeroU64;

use super::activation;
use super::network::{Layer, Network};
use super::options::{Item, Options};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::Outlet;
use crate::ops::{
    Add, AddChannels, AddNormalization, AddWeights, Concat, Constant, Expand, Identity, Mul, Op, Slice,
    WeightedAdd,
};
use crate::source::Span;
use crate::tensor::TensorShape;

/// The items of a key that must be given.
fn required(key: &'static str, options: &mut Options<'_>) -> Vec<Item> {
    if !options.has(key) {
        options.fail(
            Diagnostic::error(Code::Missing, format!("the section needs `{key}`"))
                .at(options.header, format!("`{key}` is not given"))
                .help(format!("write `{key}=-2`, or a list; negative numbers count back from this layer")),
        );
    }
    options.list(key)
}

/// The one layer that `from` names, as a map; of a list darknet reads the first.
fn from_map(options: &mut Options<'_>, network: &mut Network) -> Option<(usize, Outlet)> {
    let items = required("from", options);
    let index = *network.references(items.get(..1)?, options)?.first()?;
    let layer = network.layer(index)?;
    Some((index, network.map_of(layer, Some(index), "from", options)?))
}

pub(super) fn route(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let items = required("layers", options);
    let groups = options.at_least("groups", 1, 1);
    let group = options.at_least("group_id", 0, 0);
    if group >= groups {
        options.fail(
            Diagnostic::error(Code::OutOfRange, format!("there is no group {group} of {groups}"))
                .at(options.span("group_id"), "too large")
                .help("groups are counted from 0"),
        );
    }
    let indices = network.references(&items, options)?;
    let layers: Vec<Layer> = indices.iter().map(|&index| network.layer(index)).collect::<Option<_>>()?;
    let mut outlets: Vec<Outlet> = layers.iter().map(|layer| layer.outlet).collect();
    let shape = |network: &Network, outlet: Outlet| network.tensor(outlet).shape.axes().to_vec();
    let is_map = layers.iter().all(|layer| layer.is_map);
    let rest = |shape: &[u64]| shape.iter().skip(2).copied().collect::<Vec<u64>>();
    let first = rest(&shape(network, *outlets.first()?));
    let alike = outlets.iter().all(|&outlet| rest(&shape(network, outlet)) == first);
    let is_one = outlets.iter().all(|&outlet| rest(&shape(network, outlet)).iter().all(|&size| size == 1));
    if !alike {
        if !is_one {
            options.warn(sizes_differ(&indices, &items, &outlets, options.header, network));
        }
        for (number, outlet) in outlets.iter_mut().enumerate() {
            *outlet = network.flat(*outlet, &format!("flatten{number}"), options)?;
        }
    }
    if groups > 1 {
        for (number, outlet) in outlets.iter_mut().enumerate() {
            let part = if indices.len() == 1 { String::new() } else { format!("slice{number}") };
            *outlet = slice(*outlet, groups, group, &part, items[number].span, options, network)?;
        }
    }
    let output = match outlets[..] {
        [_] if groups > 1 => outlets[0],
        [one] => network.add("", Identity {}, &[one], options)?,
        _ => network.add("", Concat { axis: 1 }, &outlets, options)?,
    };
    Some(Layer { is_map: is_map && (alike || is_one), ..Layer::map(output) })
}

/// darknet cuts each source by itself: a part of its elements, which is a range of channels where these divide.
fn slice(
    input: Outlet,
    groups: u64,
    group: u64,
    part: &str,
    place: Span,
    options: &mut Options<'_>,
    network: &mut Network,
) -> Option<Outlet> {
    let channels = network.tensor(input).channels();
    if !channels.is_multiple_of(groups) {
        options.fail(
            Diagnostic::error(
                Code::Indivisible,
                format!("{groups} groups do not divide {channels} channels"),
            )
            .at(options.span("groups"), "does not fit")
            .at(place, format!("this layer makes {channels} channels")),
        );
        return None;
    }
    let width = channels / groups;
    let op = Slice { axis: 1, start: group * width, end: Some((group + 1) * width), step: NonZeroU64::MIN };
    network.add(part, op, &[input], options)
}

fn sizes_differ(
    indices: &[usize],
    items: &[Item],
    outlets: &[Outlet],
    header: Span,
    network: &Network,
) -> Diagnostic {
    let mut warning = Diagnostic::warning(
        Code::ShapeMismatch,
        "the maps differ in height or width, so darknet only strings their elements together",
    )
    .at(header, "its output has no height and width");
    for ((item, index), outlet) in items.iter().zip(indices).zip(outlets).take(4) {
        let text = format!("`{}`: this is {}", network.name(*index), network.tensor(*outlet).shape);
        warning = warning.at(item.span, text);
    }
    warning
}

pub(super) fn shortcut(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let activation = activation::read(options, "linear");
    let weights = word(
        "weights_type",
        &[
            ("none", None),
            ("per_feature", Some(AddWeights::PerInput)),
            ("per_layer", Some(AddWeights::PerInput)),
            ("per_channel", Some(AddWeights::PerChannel)),
        ],
        options,
    );
    let normalization = word(
        "weights_normalization",
        &[
            ("none", AddNormalization::None),
            ("relu", AddNormalization::Relu),
            ("avg_relu", AddNormalization::Relu),
            ("softmax", AddNormalization::Softmax),
        ],
        options,
    );
    let items = required("from", options);
    let first = network.previous_map(options);
    let indices = network.references(&items, options)?;
    let first = first?;
    let mut inputs = vec![first];
    for (number, &index) in indices.iter().enumerate() {
        let layer = network.layer(index)?;
        inputs.push(network.map_of(layer, Some(index), &format!("from{number}"), options)?);
    }
    let [_, channels, height, width] = network.sizes(first);
    let (mut equal, mut subsample) = (true, false);
    for (item, &outlet) in items.iter().zip(&inputs[1..]) {
        let [_, c, h, w] = network.sizes(outlet);
        equal &= c == channels;
        subsample |= (h, w) != (height, width);
        // The original reads the larger map at one stride; the sizes must be multiples by the same number.
        if h % height != 0 || w % width != 0 || h / height != w / width {
            options.fail(
                Diagnostic::error(
                    Code::ShapeMismatch,
                    format!("a map of {h}x{w} cannot be added to one of {height}x{width}"),
                )
                .at(item.span, format!("this is {}", network.tensor(outlet).shape))
                .at(options.header, format!("the layer before is {}", network.tensor(first).shape))
                .help("the maps must be equal, or this one larger by a whole factor"),
            );
        }
    }
    let channels = if equal { AddChannels::Equal } else { AddChannels::FirstMin };
    let op: Op = match weights? {
        None => Add { channels, subsample }.into(),
        Some(weights) => WeightedAdd { weights, normalization: normalization?, channels, subsample }.into(),
    };
    let output = network.add("", op, &inputs, options)?;
    activation::add(activation, output, options, network).map(Layer::map)
}

/// One of some words; the first is the default.
fn word<T: Copy>(key: &'static str, words: &[(&'static str, T)], options: &mut Options<'_>) -> Option<T> {
    let Some(given) = options.text(key) else { return words.first().map(|(_, value)| *value) };
    let found = words.iter().find(|(word, _)| *word == given).map(|(_, value)| *value);
    if found.is_none() {
        let names = || words.iter().map(|(word, _)| *word);
        options.fail(
            Diagnostic::error(Code::UnknownName, format!("`{key}` cannot be `{given}`"))
                .at(options.span(key), "unknown")
                .did_you_mean(&given, names())
                .help(format!("write one of: {}", names().collect::<Vec<_>>().join(", "))),
        );
    }
    found
}

pub(super) fn scale_channels(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let by_position = options.flag("scale_wh");
    let activation = activation::read(options, "linear");
    let gate = network.previous_map(options);
    let (index, from) = from_map(options, network)?;
    let gate = gate?;
    let ([_, c, h, w], [_, gc, gh, gw]) = (network.sizes(from), network.sizes(gate));
    let (fits, needed) = match by_position {
        false => ((gc, gh, gw) == (c, 1, 1), format!("{c}x1x1")),
        true => ((gc, gh, gw) == (1, h, w), format!("1x{h}x{w}")),
    };
    if !fits {
        misfit(&needed, gate, index, from, options, network);
    }
    let output = network.add("", Mul {}, &[from, gate], options)?;
    activation::add(activation, output, options, network).map(Layer::map)
}

pub(super) fn sam(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let activation = activation::read(options, "linear");
    let gate = network.previous_map(options);
    let (index, from) = from_map(options, network)?;
    let gate = gate?;
    let ([_, c, h, w], theirs) = (network.sizes(from), network.sizes(gate));
    if theirs[1..] != [c, h, w] {
        misfit(&format!("{c}x{h}x{w}"), gate, index, from, options, network);
    }
    let output = network.add("", Mul {}, &[from, gate], options)?;
    activation::add(activation, output, options, network).map(Layer::map)
}

fn misfit(
    needed: &str,
    gate: Outlet,
    index: usize,
    from: Outlet,
    options: &mut Options<'_>,
    network: &Network,
) {
    let [_, c, h, w] = network.sizes(gate);
    let message = format!("the layer before gives {c}x{h}x{w}, and {needed} is needed to scale this map");
    let error = Diagnostic::error(Code::ShapeMismatch, message)
        .at(
            options.span("from"),
            format!("`{}`: this is {}", network.name(index), network.tensor(from).shape),
        )
        .at(options.header, "does not fit");
    options.fail(error);
}

/// A learned tensor of `filters` channels and `atoms` rows, the same for each image.
pub(super) fn implicit(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let filters = options.at_least("filters", 1, 128);
    let atoms = options.at_least("atoms", 1, 1);
    let shape = TensorShape::new([1, filters, atoms, 1]);
    let op = Constant { shape, dtype: network.dtype(), trainable: true };
    let batch = network.batch();
    let part = if batch == 1 { "" } else { "value" };
    let value = network.add(part, op, &[], options)?;
    if batch == 1 {
        return Some(Layer::map(value));
    }
    let Ok(images) = i64::try_from(batch) else { return Some(Layer::map(value)) };
    let expand = Expand { shape: vec![images, -1, -1, -1] };
    network.add("", expand, &[value], options).map(Layer::map)
}
