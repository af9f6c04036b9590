//! Sections that change a map without weights: pools, upsample, reorg, crop, normalization, activation, dropout.

use super::activation;
use super::convolution::{blur, nonzero, square};
use super::network::{Layer, Network};
use super::options::Options;
use crate::diagnostic::{Code, Diagnostic};
use crate::ops::attribute::{Padding, Pair};
use crate::ops::{
    Affine, AvgPool2d, BlockOrder, ChannelMaxPool, ChannelOrder, DepthToSpace, Dropout, GlobalAvgPool,
    Identity, Lrn, MaxPool2d, Op, ReduceSum, Reshape, Resize, ResizeMode, Slice, SpaceToDepth,
};

/// A window that slides over a map.
struct Window {
    kernel: Pair,
    size: u64,
    stride: Pair,
    padding: Padding,
}

/// `size`, `stride` and `padding` as maxpool and local_avgpool have them: the padding is that of both sides together.
fn window(options: &mut Options<'_>) -> Window {
    let stride = options.at_least("stride", 1, 1);
    let [width, height] = ["stride_x", "stride_y"].map(|key| nonzero(options.at_least(key, 1, stride)));
    let size = options.at_least("size", 1, stride);
    let total = options.at_least("padding", 0, size - 1);
    let (before, after) = (total / 2, total - total / 2);
    Window {
        kernel: square(size),
        size,
        stride: Pair { height, width },
        padding: Padding::Explicit { top: before, left: before, bottom: after, right: after },
    }
}

pub(super) fn maxpool(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let Window { kernel, size, stride: asked, padding } = window(options);
    let depth = options.flag("maxpool_depth");
    let channels = options.at_least("out_channels", 1, 1);
    let antialiasing = options.int("antialiasing", 0);
    let input = network.previous_map(options)?;
    let stride = if antialiasing == 0 { asked } else { square(1) };
    let op: Op = if depth {
        ChannelMaxPool { out_channels: nonzero(channels), size: nonzero(size) }.into()
    } else {
        MaxPool2d { kernel, stride: Some(stride), padding, dilation: square(1), ceil_mode: false }.into()
    };
    let mut output = network.add("", op, &[input], options)?;
    // darknet leaves a pool over channels before it comes to the blur.
    if antialiasing != 0 && !depth {
        output = blur(antialiasing, asked, output, options, network)?;
    }
    Some(Layer::map(output))
}

pub(super) fn local_avgpool(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let Window { kernel, stride, padding, .. } = window(options);
    let input = network.previous_map(options)?;
    let op = AvgPool2d {
        kernel,
        stride: Some(stride),
        padding,
        ceil_mode: false,
        count_include_pad: false,
        dilation: Pair::both(1),
    };
    network.add("", op, &[input], options).map(Layer::map)
}

pub(super) fn avgpool(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let input = network.previous_map(options)?;
    network.add("", GlobalAvgPool {}, &[input], options).map(Layer::map)
}

/// Enlarges a map, or with a negative stride adds up its blocks.
pub(super) fn upsample(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let stride = options.int("stride", 2);
    let scale = options.float("scale", 1.0);
    if stride == 0 {
        options.fail(
            Diagnostic::error(Code::OutOfRange, "`stride` is 0").at(options.span("stride"), "too small"),
        );
    }
    let mut output = network.previous_map(options)?;
    let factor = stride.unsigned_abs();
    if stride > 0 {
        let op = Resize::scaled(square(factor), ResizeMode::Nearest);
        output = network.add("", op, &[output], options)?;
    } else {
        let [_, channels, height, width] = network.sizes(output);
        if height % factor != 0 || width % factor != 0 {
            options.fail(
                Diagnostic::error(
                    Code::Indivisible,
                    format!("{factor} does not divide a map of {height}x{width}"),
                )
                .at(options.span("stride"), "does not fit"),
            );
            return None;
        }
        let blocks =
            [channels, height / factor, factor, width / factor, factor].map(|size| i64::try_from(size).ok());
        let blocks = blocks.into_iter().collect::<Option<Vec<i64>>>()?;
        let shape = std::iter::once(0).chain(blocks).collect();
        output = network.add("blocks", Reshape { shape }, &[output], options)?;
        output = network.add("", ReduceSum { axes: vec![3, 5], keep_dims: false }, &[output], options)?;
    }
    scaled(output, scale, options, network)
}

#[expect(clippy::float_cmp, reason = "exactly 1 leaves a map as it is")]
fn scaled(
    output: crate::graph::Outlet,
    scale: f64,
    options: &mut Options<'_>,
    network: &mut Network,
) -> Option<Layer> {
    if scale == 1.0 {
        return Some(Layer::map(output));
    }
    network.add("scale", Affine { scale, shift: 0.0 }, &[output], options).map(Layer::map)
}

/// `[reorg]`: darknet's first, which reads its input as if it were enlarged already.
pub(super) fn reorg(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    reorganized(BlockOrder::Darknet, options, network)
}

/// `[reorg3d]`
pub(super) fn reorg3d(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    reorganized(BlockOrder::Dcr, options, network)
}

fn reorganized(mode: BlockOrder, options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let block_size = nonzero(options.at_least("stride", 1, 1));
    let reverse = options.flag("reverse");
    let input = network.previous_map(options)?;
    let op: Op = match reverse {
        false => SpaceToDepth { block_size, mode }.into(),
        true => DepthToSpace { block_size, mode: ChannelOrder::Dcr }.into(),
    };
    network.add("", op, &[input], options).map(Layer::map)
}

/// The middle of a map; darknet also brings an image from 0…1 to −1…1 here.
pub(super) fn crop(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let asked = ["crop_height", "crop_width"].map(|key| options.at_least(key, 1, 1));
    let noadjust = options.flag("noadjust");
    let mut output = network.previous_map(options)?;
    let [_, _, height, width] = network.sizes(output);
    for (axis, key, part, size, all) in
        [(2, "crop_height", "rows", asked[0], height), (3, "crop_width", "columns", asked[1], width)]
    {
        let Some(rest) = all.checked_sub(size) else {
            options.fail(
                Diagnostic::error(Code::OutOfRange, format!("{size} {part} cannot be cut out of {all}"))
                    .at(options.span(key), "too large"),
            );
            continue;
        };
        let op = Slice { axis, start: rest / 2, end: Some(rest / 2 + size), step: std::num::NonZeroU64::MIN };
        let part = if noadjust && axis == 3 { "" } else { part };
        if let Some(cut) = network.add(part, op, &[output], options) {
            output = cut;
        }
    }
    if options.failed() {
        return None;
    }
    if !noadjust {
        output = network.add("", Affine { scale: 2.0, shift: -1.0 }, &[output], options)?;
    }
    Some(Layer::map(output))
}

pub(super) fn normalization(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let size = options.at_least("size", 1, 5);
    let (alpha, beta, k) =
        (options.float("alpha", 0.0001), options.float("beta", 0.75), options.float("kappa", 1.0));
    let input = network.previous_map(options)?;
    // Ours divides alpha by the size, as AlexNet's paper does not.
    #[expect(clippy::cast_precision_loss, reason = "a size of 32 bits is exact")]
    let alpha = alpha * size as f64;
    network.add("", Lrn { size: nonzero(size), alpha, beta, k }, &[input], options).map(Layer::map)
}

pub(super) fn activation(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let name = activation::read(options, "linear");
    let layer = network.previous()?;
    let outlet = match name {
        "linear" => network.add("", Identity {}, &[layer.outlet], options)?,
        name => activation::add(name, layer.outlet, options, network)?,
    };
    Some(Layer { is_map: layer.is_map, ..Layer::map(outlet) })
}

pub(super) fn dropout(options: &mut Options<'_>, network: &mut Network) -> Option<Layer> {
    let p = options.float("probability", 0.2);
    let layer = network.previous()?;
    let outlet = network.add("", Dropout { p }, &[layer.outlet], options)?;
    Some(Layer { is_map: layer.is_map, ..Layer::map(outlet) })
}
