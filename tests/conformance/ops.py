"""Operators and attributes that the nets leave out."""

import numpy
from onnx import TensorProto

from builder import Builder

def ops(_scale):
    """No net: operators and attributes that the nets above leave out, one small case each, every result an output."""
    g = Builder("ops", 18, [1, 3, 11, 14])
    leaves = []

    def leaf(value):
        leaves.append(value)

    def ints(m, *values):
        return g.constant(m, list(values))

    def real(m, value):
        return g.constant(m, value, numpy.float32)

    x = g.norm("base.norm", g.conv("base.conv", "input", 4, 3, 2, [0, 1, 1, 0], bias=True))  # 1x4x5x7, padded unevenly
    positive = g.op("Add", "positive", g.op("Abs", "positive", x), real("positive", 0.1))

    # Convolutions.
    leaf(g.conv("conv_1x7", x, 6, (1, 7)))
    leaf(g.conv("conv_7x1", x, 6, (7, 1)))
    leaf(g.conv("conv_even_kernel", x, 4, 2, 1, [1, 0, 0, 1]))
    leaf(g.conv("conv_dilated", x, 4, 3, 1, [2, 3, 2, 1], dilation=(2, 3)))
    leaf(g.conv("conv_stride_2_1", x, 4, 3, (2, 1), bias=True))
    leaf(g.conv("conv_grouped", x, 6, 3, group=2, bias=True))
    leaf(g.conv("conv_depthwise_multiplier", x, 8, 3, group=4))
    for mode in ("SAME_UPPER", "SAME_LOWER"):
        m = f"conv_{mode.lower()}"
        leaf(g.op("Conv", m, x, g.weight(f"{m}.weight", 4, 4, 2, 4), auto_pad=mode, strides=[2, 2]))
    line = g.op("Reshape", "conv_1d", x, ints("conv_1d", 0, 4, -1))
    leaf(g.op("Conv", "conv_1d", line, g.weight("conv_1d.weight", 3, 4, 5), strides=[3], pads=[2, 1]))

    def transposed(m, out, group, kernel, **attributes):
        weights = [g.weight(f"{m}.weight", 4, out // group, *kernel), g.weight(f"{m}.bias", out)]
        leaf(g.op("ConvTranspose", m, x, *weights, group=group, kernel_shape=kernel, **attributes))

    transposed("conv_transpose", 3, 1, [2, 2], strides=[2, 2])
    transposed("conv_transpose_grouped", 6, 2, [3, 3], strides=[2, 3], pads=[1, 1, 1, 1], output_padding=[1, 2])
    transposed("conv_transpose_dilated", 4, 4, [3, 2], dilations=[2, 1], pads=[0, 1, 2, 0])

    # Pools.
    for include in (0, 1):
        m = f"average_pool_include_{include}"
        leaf(g.op("AveragePool", m, x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, count_include_pad=include))
    leaf(g.pool("AveragePool", "average_pool_ceil", x, 2, 2, ceil_mode=1))
    leaf(g.op("AveragePool", "average_pool_uneven", x, kernel_shape=[2, 3], strides=[1, 2], pads=[0, 1, 1, 1]))
    leaf(g.pool("MaxPool", "max_pool_ceil", x, 2, 2, ceil_mode=1))
    leaf(g.op("MaxPool", "max_pool_dilated", x, kernel_shape=[2, 3], dilations=[2, 2], pads=[0, 1, 1, 2]))
    leaf(g.op("GlobalMaxPool", "global_max_pool", x))

    # Normalizations.
    leaf(g.op("LRN", "lrn", x, size=3, alpha=0.5, beta=0.75, bias=1.5))
    weights = [g.weight(f"instance_norm.{role}", 4) for role in ("weight", "bias")]
    leaf(g.op("InstanceNormalization", "instance_norm", x, *weights, epsilon=1e-5))
    m = "group_norm"  # as exporters write it: instance normalization of the groups, then scale and shift
    y = g.op("Reshape", m, x, ints(m, 0, 2, -1))
    y = g.op("InstanceNormalization", m, y, real(m, [1.0, 1.0]), real(m, [0.0, 0.0]), epsilon=1e-5)
    y = g.op("Mul", m, g.op("Reshape", m, y, g.op("Shape", m, x)), g.weight(f"{m}.weight", 4, 1, 1))
    leaf(g.op("Add", m, y, g.weight(f"{m}.bias", 4, 1, 1)))
    weights = [g.weight(f"layer_norm.{role}", 5, 7) for role in ("weight", "bias")]
    leaf(g.op("LayerNormalization", "layer_norm", x, *weights, axis=2))

    # Activations and other elementwise operators.
    leaf(g.op("PRelu", "prelu", x, g.weight("prelu.slope", 4, 1, 1)))
    leaf(g.op("HardSwish", "hard_swish", x))
    leaf(g.op("HardSigmoid", "hard_sigmoid", x, alpha=0.3, beta=0.4))
    leaf(g.op("Elu", "elu", x, alpha=0.7))
    leaf(g.op("Celu", "celu", x, alpha=0.7))
    leaf(g.op("Clip", "clip_above", x, "", real("clip_above", 0.5)))
    for op_type in ("Selu", "Softsign", "Softplus", "Erf", "Exp", "Neg", "Sin", "Cos", "Floor", "Ceil", "Round"):
        leaf(g.op(op_type, op_type.lower(), x))
    for op_type in ("Sqrt", "Log", "Reciprocal"):
        leaf(g.op(op_type, op_type.lower(), positive))
    leaf(g.op("Pow", "pow", positive, real("pow", 2.5)))
    leaf(g.op("Pow", "pow_square", x, real("pow_square", 2.0)))
    leaf(g.op("Sub", "broadcast", g.weight("broadcast.column", 4, 1, 7), x))
    leaf(g.op("Max", "max", x, g.op("Neg", "max", x), real("max", 0.2)))
    leaf(g.op("Min", "min", x, real("min", 0.2)))
    leaf(g.op("Where", "where", g.op("Greater", "where", x, real("where", 0.0)), x, positive))
    leaf(g.op("Cast", "cast", g.op("Cast", "cast", x, to=TensorProto.INT64), to=TensorProto.FLOAT))

    # Resizing: scales, then odd sizes.
    doubled = real("resize", [1.0, 1.0, 2.0, 2.0])
    nearest = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    leaf(g.op("Resize", "resize_nearest", x, "", doubled, mode="nearest", **nearest))
    odd, small = ints("resize", 1, 4, 11, 9), ints("resize", 1, 4, 3, 4)
    leaf(g.op("Resize", "resize_nearest_odd", x, "", "", odd, mode="nearest", **nearest))
    leaf(g.op("Resize", "resize_nearest_half_pixel", x, "", "", odd, mode="nearest",
              coordinate_transformation_mode="half_pixel", nearest_mode="round_prefer_floor"))
    for mode in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"):
        m = f"resize_linear_{mode}"
        attributes = {"mode": "linear", "coordinate_transformation_mode": mode}
        leaf(g.op("Resize", m, x, "", doubled, **attributes))
        leaf(g.op("Resize", m, x, "", "", odd, **attributes))
    leaf(g.op("Resize", "resize_linear_down", x, "", "", small, mode="linear",
              coordinate_transformation_mode="half_pixel"))

    # Moving elements.
    deep = g.conv("depth_to_space", x, 8, 1)
    for mode in ("DCR", "CRD"):
        leaf(g.op("DepthToSpace", "depth_to_space", deep, blocksize=2, mode=mode))
    m = "space_to_depth"
    even = g.op("Slice", m, x, ints(m, 0, 1), ints(m, 4, 7), ints(m, 2, 3))
    leaf(g.op("SpaceToDepth", m, even, blocksize=2))
    leaf(g.op("Gather", "gather", x, g.constant("gather", [[2, -1], [0, 2]]), axis=3))
    m = "slice_steps"
    leaf(g.op("Slice", m, x, ints(m, 4, 1), ints(m, -6, 2**63 - 1), ints(m, 2, 3), ints(m, -2, 3)))
    amounts = ints("pad", 0, 0, 1, 2, 0, 0, 2, 1)
    leaf(g.op("Pad", "pad_constant", x, amounts, real("pad_constant", 0.25), mode="constant"))
    leaf(g.op("Pad", "pad_reflect", x, amounts, mode="reflect"))
    leaf(g.op("Pad", "pad_edge", x, amounts, mode="edge"))
    y = g.op("MaxPool", "tile", x, kernel_shape=[3, 3], strides=[3, 3])
    leaf(g.op("Tile", "tile", y, ints("tile", 1, 1, 3, 2)))
    leaf(g.op("Expand", "expand", g.weight("expand.column", 4, 1, 7), ints("expand", 1, 1, 5, 1)))
    for part in g.op("Split", "split_uneven", x, outputs=3, axis=3, num_outputs=3):
        leaf(part)
    leaf(g.op("Concat", "concat_last", x, positive, axis=-1))
    leaf(g.op("Transpose", "transpose", x, perm=[0, 3, 1, 2]))
    leaf(g.op("Flatten", "flatten", x, axis=2))

    # Reductions and their kin.
    for op_type, axes, keep in (("ReduceMean", (1, 3), 1), ("ReduceMax", (2,), 0), ("ReduceMin", (-1,), 1),
                                ("ReduceSum", (1, 2), 0), ("ReduceL2", (2, 3), 1), ("ReduceProd", (1,), 0)):
        m = op_type.lower()
        leaf(g.op(op_type, m, x, ints(m, *axes), keepdims=keep))
    leaf(g.op("ArgMax", "argmax", x, axis=1, keepdims=0))
    leaf(g.op("TopK", "top_k", x, ints("top_k", 3), outputs=2, axis=3, largest=1, sorted=1)[0])
    leaf(g.op("CumSum", "cum_sum", x, g.constant("cum_sum", 3)))
    leaf(g.op("CumSum", "cum_sum_reverse", x, g.constant("cum_sum_reverse", 2), exclusive=1, reverse=1))
    leaf(g.op("Softmax", "softmax_channels", x, axis=1))
    leaf(g.op("LogSoftmax", "log_softmax", x, axis=2))

    # Products.
    leaf(g.op("Einsum", "einsum_channels", x, g.weight("einsum_channels.matrix", 6, 4), equation="bchw,dc->bdhw"))
    leaf(g.op("Einsum", "einsum_rows", x, positive, equation="bchw,bckw->bhk"))
    leaf(g.op("MatMul", "matmul_batched", x, g.op("Transpose", "matmul_batched", positive, perm=[0, 1, 3, 2])))
    leaf(g.op("MatMul", "matmul_left", g.weight("matmul_left.matrix", 3, 5), x))
    m = "gemm"
    tall = g.op("Reshape", m, x, ints(m, 4, 35))
    weights = [g.weight(f"{m}.weight", 4, 6), g.weight(f"{m}.bias", 6)]
    leaf(g.op("Gemm", m, tall, *weights, alpha=0.5, beta=2.0, transA=1))
    return g.model(leaves)
