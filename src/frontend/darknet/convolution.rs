//! Sections with weights: convolutional, local, connected, batchnorm.

use std::num::NonZeroU64;

use super::activation;
use super::network::{Layer, Network, Shared};
use super::options::Options;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::{NodeId, Outlet};
use crate::ops::attribute::{Padding, Pair};
use crate::ops::{BatchNorm, BlurPool2d, Conv2d, Linear, LocallyConnected2d, Op, XnorConv2d};

/// A size that was checked to be at least 1.
pub(super) fn nonzero(size: u64) -> NonZeroU64 {
    NonZeroU64::new(size).unwrap_or(NonZeroU64::MIN)
}

/// The same for height and width.
pub(super) fn square(size: u64) -> Pair {
    Pair { height: nonzero(size), width: nonzero(size) }
}

/// `stride`, or what `stride_x` and `stride_y` say instead; those below 1 say nothing.
fn strides(options: &mut Options<'_>) -> Pair {
    let [x, y] = ["stride_x", "stride_y"].map(|key| u64::try_from(options.int(key, -1)).unwrap_or(0));
    let both = if x == 0 || y == 0 { options.at_least("stride", 1, 1) } else { 1 };
    let or_both = |stride: u64| nonzero(if stride == 0 { both } else { stride });
    Pair { height: or_both(y), width: or_both(x) }
}

/// Padding that gives darknet's size, `⌊(h + 2·pad − size) / stride⌋ + 1`, whatever the dilation.
///
/// darknet sizes the output as if nothing were dilated, and reads from `−pad·dilation` on. So the whole padding is
/// `2·pad + (size − 1)·(dilation − 1)`, of which `pad·dilation` lie before.
fn padding(pad: u64, size: u64, dilation: u64) -> Padding {
    // Products of 32-bit numbers.
    let total = 2 * pad + (size - 1) * (dilation - 1);
    let before = (pad * dilation).min(total);
    Padding::Explicit { top: before, left: before, bottom: total - before, right: total - before }
}

pub(super) fn normalization() -> BatchNorm {
    // The ε of darknet's normalize_cpu.
    BatchNorm { epsilon: 1e-5, affine: true, track_running_stats: true }
}

/// The blur behind a convolution or pool with `antialiasing`, which takes its stride.
pub(super) fn blur(
    kind: i64,
    stride: Pair,
    input: Outlet,
    options: &mut Options<'_>,
    network: &mut Network,
) -> Option<Outlet> {
    let (size, padding) = if kind == 2 { (2, 0) } else { (3, 1) };
    let op = BlurPool2d { kernel: nonzero(size), stride, padding: Padding::all(padding) };
    network.add("blur", op, &[input], options)
}

pub(super) fn convolutional(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let filters = options.at_least("filters", 1, 1);
    let size = options.at_least("size", 1, 1);
    let asked = strides(options);
    let xnor = options.flag("xnor");
    let groups = match options.int("groups", 1) {
        _ if xnor => 1,
        groups => u64::try_from(groups).unwrap_or(1).max(1),
    };
    let dilation = match options.at_least("dilation", 1, 1) {
        _ if size == 1 => 1,
        dilation => dilation,
    };
    let given = options.at_least("padding", 0, 0);
    let pad = if options.flag("pad") { size / 2 } else { given };
    let norm = options.flag("batch_normalize") | options.flag("cbn");
    let antialiasing = options.int("antialiasing", 0);
    let activation = activation::read(options, "logistic");
    let shared = share(options, network);
    let input = network.previous_map(options)?;
    let stride = if antialiasing == 0 { asked } else { square(1) };
    let (kernel, padding, out_channels) = (square(size), padding(pad, size, dilation), nonzero(filters));
    let (dilation, bias) = (square(dilation), !norm);
    let op: Op = if xnor {
        XnorConv2d { out_channels, kernel, stride, padding, dilation, bias }.into()
    } else {
        Conv2d { out_channels, kernel, stride, padding, dilation, groups: nonzero(groups), bias, dtype: None }
            .into()
    };
    let shared = shared?;
    let conv = network.add_sharing("", op, &[input], shared.conv, options)?;
    check_shared(conv, shared.conv, options, network)?;
    let mut output = conv;
    let mut own = Shared { conv: Some(shared.conv.unwrap_or(conv.node)), norm: None };
    if norm {
        output = network.add_sharing("batch_norm", normalization(), &[conv], shared.norm, options)?;
        own.norm = Some(shared.norm.unwrap_or(output.node));
    }
    output = activation::add(activation, output, options, network)?;
    if antialiasing != 0 {
        output = blur(antialiasing, asked, output, options, network)?;
    }
    Some(Layer { shared: own, ..Layer::map(output) })
}

/// The layer whose weights `share_index` asks for; `None` where there is an error.
fn share(options: &mut Options<'_>, network: &mut Network) -> Option<Shared> {
    if !options.has("share_index") {
        return Some(Shared::default());
    }
    let items = options.list("share_index");
    let index = *network.references(items.get(..1)?, options)?.first()?;
    let shared = network.layer(index)?.shared;
    if shared.conv.is_none() {
        let name = network.name(index);
        let error =
            Diagnostic::error(Code::WrongType, format!("`{name}` has no weights of a convolution to share"))
                .at(options.span("share_index"), "not a convolution");
        options.fail(match network.header(index) {
            Some(header) => error.at(header, format!("`{name}`")),
            None => error,
        });
        return None;
    }
    let norm = options.flag("batch_normalize") | options.flag("cbn");
    if norm && shared.norm.is_none() {
        let name = network.name(index);
        options.fail(
            Diagnostic::error(Code::ShapeMismatch, format!("`{name}` has no normalization to share"))
                .at(options.span("share_index"), "normalized here, and not there"),
        );
        return None;
    }
    Some(shared)
}

fn check_shared(
    conv: Outlet,
    shared: Option<NodeId>,
    options: &mut Options<'_>,
    network: &Network,
) -> Option<()> {
    // A convolution with a bias shares the kernel of one that has a normalization in its place all the same; but the
    // weights are then not the same, and darknet would read the other's bias.
    if shared.is_some_and(|shared| !network.same_weights(conv.node, shared)) {
        options.fail(
            Diagnostic::error(
                Code::ShapeMismatch,
                "the weights of the two layers differ, so they cannot be shared",
            )
            .at(options.span("share_index"), "does not fit")
            .help("size, filters, input channels and batch_normalize must be equal"),
        );
        return None;
    }
    Some(())
}

pub(super) fn local(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let filters = options.at_least("filters", 1, 1);
    let size = options.at_least("size", 1, 1);
    let stride = square(options.at_least("stride", 1, 1));
    // With `pad` the map is sized as if the kernel were 1.
    let total = if options.flag("pad") { size - 1 } else { 0 };
    let (before, after) = (total / 2, total - total / 2);
    let activation = activation::read(options, "logistic");
    let input = network.previous_map(options)?;
    let op = LocallyConnected2d {
        out_channels: nonzero(filters),
        kernel: square(size),
        stride,
        padding: Padding::Explicit { top: before, left: before, bottom: after, right: after },
        bias: true,
    };
    let output = network.add("", op, &[input], options)?;
    activation::add(activation, output, options, network).map(Layer::map)
}

pub(super) fn connected(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let outputs = options.at_least("output", 1, 1);
    let norm = options.flag("batch_normalize");
    let activation = activation::read(options, "logistic");
    let input = network.previous()?.outlet;
    let input = network.flat(input, "flatten", options)?;
    let op = Linear { out_features: nonzero(outputs), bias: !norm, dtype: None };
    let mut output = network.add("", op, &[input], options)?;
    if norm {
        output = network.add("batch_norm", normalization(), &[output], options)?;
    }
    activation::add(activation, output, options, network).map(Layer::map)
}

pub(super) fn batchnorm(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let input = network.previous_map(options)?;
    network.add("", normalization(), &[input], options).map(Layer::map)
}
