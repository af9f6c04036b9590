//! Every section that darknet has: its names, its keys, and how it is read or why it is refused.

use super::network::{Layer, Network};
use super::options::Options;
use super::{convolution, heads, joining, pooling};

/// Reads one section; `None` where the sink says why.
type Reader = fn(&mut Options<'_>, &mut Network) -> Option<Layer>;

/// What becomes of a section.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    /// It is the network's own section.
    Network,
    /// It becomes nodes.
    Read(Reader),
    /// It is refused, for this reason.
    Refused(&'static str),
}

/// One kind of section.
pub(super) struct Kind {
    /// The name that nodes bear, then its aliases.
    pub(super) names: &'static [&'static str],
    /// What becomes of it.
    pub(super) fate: Fate,
    /// Keys that its figures depend on.
    pub(super) read: &'static [&'static str],
    /// Keys that darknet reads for training, drawing or speed.
    pub(super) passed_over: &'static [&'static str],
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.names[0])
    }
}

impl Kind {
    /// The kind of that name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.names.contains(&name))
    }

    /// Whether it is `[net]`.
    pub(super) fn is_network(&self) -> bool {
        matches!(self.fate, Fate::Network)
    }

    /// All names of all sections.
    pub(super) fn all_names() -> impl Iterator<Item = &'static str> {
        KINDS.iter().flat_map(|kind| kind.names).copied()
    }
}

const STATE: &str =
    "it keeps a state from one step to the next, and a network is analysed as a graph without circles";

const fn read(
    names: &'static [&'static str],
    reader: Reader,
    read: &'static [&'static str],
    passed_over: &'static [&'static str],
) -> Kind {
    Kind { names, fate: Fate::Read(reader), read, passed_over }
}

const fn refused(names: &'static [&'static str], why: &'static str) -> Kind {
    Kind { names, fate: Fate::Refused(why), read: &[], passed_over: &[] }
}

/// Keys of detectors that say how boxes are matched, weighed, drawn or followed.
const OF_DETECTORS: &[&str] = &[
    "absolute",
    "anchors",
    "beta1",
    "beta_nms",
    "bias_match",
    "class_scale",
    "classfix",
    "cls_normalizer",
    "coord_scale",
    "counters_per_class",
    "delta_normalizer",
    "dets_for_show",
    "dets_for_track",
    "embedding_layer",
    "focal_loss",
    "forced",
    "ignore_thresh",
    "iou_loss",
    "iou_normalizer",
    "iou_thresh",
    "iou_thresh_kind",
    "jitter",
    "label_smooth_eps",
    "log",
    "map",
    "mask_scale",
    "max",
    "max_delta",
    "nms_kind",
    "noobject_scale",
    "obj_normalizer",
    "object_scale",
    "objectness_smooth",
    "random",
    "reorg",
    "rescore",
    "resize",
    "show_details",
    "sim_thresh",
    "sqrt",
    "thresh",
    "track_ciou_norm",
    "track_history_size",
    "truth_thresh",
    "uc_normalizer",
    "yolo_point",
];

/// Keys of `[net]` for training, augmentation and memory.
const OF_TRAINING: &[&str] = &[
    "B1",
    "B2",
    "adam",
    "adversarial_lr",
    "angle",
    "aspect",
    "attention",
    "augment_speed",
    "badlabels_rejection_percentage",
    "batch",
    "blur",
    "burn_in",
    "contrastive",
    "contrastive_color",
    "contrastive_jit_flip",
    "cutmix",
    "decay",
    "dynamic_minibatch",
    "ema_alpha",
    "eps",
    "equidistant_point",
    "exposure",
    "flip",
    "gamma",
    "gaussian_noise",
    "hue",
    "label_smooth_eps",
    "learning_rate",
    "learning_rate_min",
    "letter_box",
    "loss_scale",
    "max_batches",
    "max_chart_loss",
    "max_crop",
    "min_crop",
    "mixup",
    "momentum",
    "mosaic",
    "mosaic_bound",
    "num_sigmas_reject_badlabels",
    "optimized_memory",
    "policy",
    "power",
    "resize_step",
    "saturation",
    "scale",
    "scales",
    "seq_scales",
    "sequential_subdivisions",
    "sgdr_cycle",
    "sgdr_mult",
    "show_receptive_field",
    "step",
    "steps",
    "subdivisions",
    "time_steps",
    "track",
    "try_fix_nan",
    "unsupervised",
    "use_cuda_graph",
    "weights_reject_freq",
    "workspace_size_limit_MB",
];

static KINDS: &[Kind] = &[
    Kind {
        names: &["net", "network"],
        fate: Fate::Network,
        read: &["channels", "height", "inputs", "width"],
        passed_over: OF_TRAINING,
    },
    read(
        &["convolutional", "conv"],
        convolution::convolutional,
        &[
            "activation",
            "antialiasing",
            "batch_normalize",
            "cbn",
            "dilation",
            "filters",
            "groups",
            "pad",
            "padding",
            "share_index",
            "size",
            "stride",
            "stride_x",
            "stride_y",
            "xnor",
        ],
        &[
            "angle",
            "assisted_excitation",
            "bin_output",
            "binary",
            "coordconv",
            "dot",
            "flipped",
            "grad_centr",
            "reverse",
            "rotate",
            "stream",
            "stretch",
            "stretch_sway",
            "sway",
            "wait_stream",
        ],
    ),
    read(&["local"], convolution::local, &["activation", "filters", "pad", "size", "stride"], &[]),
    read(&["connected", "conn"], convolution::connected, &["activation", "batch_normalize", "output"], &[]),
    read(&["batchnorm"], convolution::batchnorm, &[], &[]),
    read(
        &["maxpool", "max"],
        pooling::maxpool,
        &[
            "antialiasing",
            "maxpool_depth",
            "out_channels",
            "padding",
            "size",
            "stride",
            "stride_x",
            "stride_y",
        ],
        &["maxpool_zero_nonmax"],
    ),
    read(
        &["local_avgpool", "local_avg"],
        pooling::local_avgpool,
        &["padding", "size", "stride", "stride_x", "stride_y"],
        &[],
    ),
    read(&["avgpool", "avg"], pooling::avgpool, &[], &[]),
    read(&["upsample"], pooling::upsample, &["scale", "stride"], &[]),
    read(&["reorg"], pooling::reorg, &["reverse", "stride"], &[]),
    read(&["reorg3d"], pooling::reorg3d, &["reverse", "stride"], &[]),
    read(
        &["crop"],
        pooling::crop,
        &["crop_height", "crop_width", "noadjust"],
        &["angle", "exposure", "flip", "saturation", "shift"],
    ),
    read(&["normalization", "lrn"], pooling::normalization, &["alpha", "beta", "kappa", "size"], &[]),
    read(&["activation"], pooling::activation, &["activation"], &[]),
    read(
        &["dropout"],
        pooling::dropout,
        &["probability"],
        &["dropblock", "dropblock_size_abs", "dropblock_size_rel"],
    ),
    read(&["route"], joining::route, &["group_id", "groups", "layers"], &["stream", "wait_stream"]),
    read(
        &["shortcut"],
        joining::shortcut,
        &["activation", "from", "weights_normalization", "weights_type"],
        &[],
    ),
    read(&["scale_channels"], joining::scale_channels, &["activation", "from", "scale_wh"], &[]),
    read(&["sam"], joining::sam, &["activation", "from"], &[]),
    read(&["implicit"], joining::implicit, &["atoms", "filters"], &["mean", "std"]),
    read(&["yolo"], heads::yolo, &["classes", "mask", "new_coords", "num", "scale_x_y"], OF_DETECTORS),
    read(&["Gaussian_yolo"], heads::gaussian_yolo, &["classes", "mask", "num", "scale_x_y"], OF_DETECTORS),
    read(&["region"], heads::region, &["classes", "coords", "num", "softmax", "tree"], OF_DETECTORS),
    read(&["detection"], heads::detection, &["classes", "coords", "num", "side", "softmax"], OF_DETECTORS),
    read(&["softmax", "soft"], heads::softmax, &["groups", "spatial", "temperature", "tree"], &["noloss"]),
    read(&["cost"], heads::loss, &[], &["ratio", "scale", "type"]),
    read(
        &["contrastive"],
        heads::loss,
        &[],
        &["classes", "contrastive_neg_max", "temperature", "yolo_layer"],
    ),
    read(&["empty", "silence"], heads::empty, &[], &[]),
    refused(&["rnn"], STATE),
    refused(&["gru"], STATE),
    refused(&["lstm"], STATE),
    refused(&["crnn"], STATE),
    refused(&["conv_lstm"], STATE),
    refused(&["history"], STATE),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys_stand_once() {
        let mut names: Vec<&str> = Kind::all_names().collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        for kind in KINDS {
            let mut keys: Vec<&str> = kind.read.iter().chain(kind.passed_over).copied().collect();
            keys.sort_unstable();
            assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "[{}]: {keys:?}", kind.names[0]);
        }
    }
}
