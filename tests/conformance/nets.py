"""The architectures, each as exporters write the real net, BatchNormalization not folded."""

import math

import numpy
from onnx import TensorProto, numpy_helper

from builder import Builder

# Of every normalization in nets whose blocks end in a shortcut after wide layers. Seeded statistics don't fit the
# data, so each block more than doubles the power; after 23 of them values reach 1e5 and no shift counts any more. A
# large epsilon holds them back, and is itself under test. Two other nets have one of their own.
LARGE_EPSILON = 0.5


def resnet50(scale):
    """torchvision's: bottlenecks, stride on the 3x3."""
    g = Builder("resnet50", 17, [1, 3, scale.side, scale.side], epsilon=LARGE_EPSILON)
    x = g.conv("conv1", "input", scale(64), 7, 2)
    x = g.pool("MaxPool", "maxpool", g.relu("relu", g.norm("bn1", x)), 3, 2, 1, dilations=[1, 1])
    for stage, (width, depth) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
        for block in range(depth):
            m, stride, shortcut = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1, x
            y = g.relu(f"{m}.relu", g.norm(f"{m}.bn1", g.conv(f"{m}.conv1", x, scale(width), 1)))
            y = g.relu(f"{m}.relu", g.norm(f"{m}.bn2", g.conv(f"{m}.conv2", y, scale(width), 3, stride)))
            y = g.norm(f"{m}.bn3", g.conv(f"{m}.conv3", y, 4 * scale(width), 1))
            if block == 0:
                shortcut = g.conv(f"{m}.downsample.0", x, 4 * scale(width), 1, stride)
                shortcut = g.norm(f"{m}.downsample.1", shortcut)
            x = g.relu(f"{m}.relu", g.op("Add", m, y, shortcut))
    g.classifier("fc", x, scale(1000), "avgpool")
    return g.model()


def densenet121(scale):
    """torchvision's: BN, ReLU, convolution; every layer concatenates the outputs of all before it."""
    g = Builder("densenet121", 17, [1, 3, scale.side, scale.side])
    growth = scale(32)
    x = g.conv("features.conv0", "input", scale(64), 7, 2)
    x = g.relu("features.relu0", g.norm("features.norm0", x))
    x = g.pool("MaxPool", "features.pool0", x, 3, 2, 1, dilations=[1, 1])
    for block, depth in enumerate((6, 12, 24, 16), 1):
        features = [x]
        for layer in range(1, depth + 1):
            m = f"features.denseblock{block}.denselayer{layer}"
            y = g.concat(m, features)  # of one value in the first layer, as exporters write it
            y = g.conv(f"{m}.conv1", g.relu(f"{m}.relu1", g.norm(f"{m}.norm1", y)), 4 * growth, 1)
            features.append(g.conv(f"{m}.conv2", g.relu(f"{m}.relu2", g.norm(f"{m}.norm2", y)), growth, 3))
        x = g.concat(f"features.denseblock{block}", features)
        if block < 4:
            m = f"features.transition{block}"
            x = g.conv(f"{m}.conv", g.relu(f"{m}.relu", g.norm(f"{m}.norm", x)), g.channels[x] // 2, 1)
            x = g.pool("AveragePool", f"{m}.pool", x, 2, 2, count_include_pad=1)
    x = g.relu("", g.norm("features.norm5", x))
    g.classifier("classifier", x, scale(1000))
    return g.model()


def csp_stage(g, m, x, expand, out, blocks, act, linear):
    """timm's cross stage: expand, split, blocks on one half, transition, concatenate, transition."""
    def conv_norm(module, x, *size, activation=act):
        x = g.norm(f"{module}.bn", g.conv(f"{module}.conv", x, *size))
        return activation(f"{module}.bn.act", x) if activation else x

    x = conv_norm(f"{m}.conv_exp", x, expand, 1, activation=None if linear else act)
    bypass, x = g.split(m, x, expand // 2, expand // 2)
    for index, block in enumerate(blocks):
        x = block(f"{m}.blocks.{index}", x, conv_norm)
    x = conv_norm(f"{m}.conv_transition_b", x, expand // 2, 1)
    return conv_norm(f"{m}.conv_transition", g.concat(m, [bypass, x]), out, 1)


def cspresnext50(scale):
    """timm's: grouped bottlenecks, the expansion without activation."""
    g = Builder("cspresnext50", 17, [1, 3, scale.side, scale.side], epsilon=LARGE_EPSILON)
    groups = scale(32)
    act = g.leaky_relu

    def block(m, x, conv_norm):
        y = conv_norm(f"{m}.conv1", x, g.channels[x], 1)
        y = conv_norm(f"{m}.conv2", y, g.channels[x], 3, 1, None, groups)
        y = conv_norm(f"{m}.conv3", y, g.channels[x], 1, activation=None)
        return act(f"{m}.act3", g.op("Add", m, y, x))

    x = g.norm("stem.conv1.bn", g.conv("stem.conv1.conv", "input", scale(64), 7, 2))
    x = g.pool("MaxPool", "stem.pool", act("stem.conv1.bn.act", x), 3, 2, 1, dilations=[1, 1])
    for stage, (out, depth) in enumerate(((256, 3), (512, 3), (1024, 5), (2048, 2))):
        m, out = f"stages.{stage}", scale(out, multiple=2 * groups)
        if stage:
            x = g.conv(f"{m}.conv_down.conv", x, g.channels[x], 3, 2, group=groups)
            x = act(f"{m}.conv_down.bn.act", g.norm(f"{m}.conv_down.bn", x))
        x = csp_stage(g, m, x, out, out, [block] * depth, act, linear=True)
    g.classifier("head.fc", x, scale(1000), "head.global_pool.pool", "head.global_pool.flatten")
    return g.model()


def cspdarknet53(scale):
    """timm's layout; Mish in the stem and the first three stages, leaky ReLU of slope 0.1 in the last two, so that
    both of the activations this net is trained with are here. The large epsilon: see `LARGE_EPSILON`."""
    g = Builder("cspdarknet53", 17, [1, 3, scale.side, scale.side], epsilon=LARGE_EPSILON)
    x = g.norm("stem.conv1.bn", g.conv("stem.conv1.conv", "input", scale(32), 3))
    x = g.mish("stem.conv1.bn.act", x)
    for stage, (out, depth) in enumerate(((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4))):
        m, out = f"stages.{stage}", scale(out)
        act = g.mish if stage < 3 else g.leaky_relu
        x = g.conv(f"{m}.conv_down.conv", x, out, 3, 2)
        x = act(f"{m}.conv_down.bn.act", g.norm(f"{m}.conv_down.bn", x))
        # The first stage expands to twice its width and squeezes inside its block.
        expand, squeeze = (2 * out, 2) if stage == 0 else (out, 1)

        def block(m, x, conv_norm):
            y = conv_norm(f"{m}.conv1", x, g.channels[x] // squeeze, 1)
            return g.op("Add", m, conv_norm(f"{m}.conv2", y, g.channels[x], 3), x)

        x = csp_stage(g, m, x, expand, out, [block] * depth, act, linear=False)
    g.classifier("head.fc", x, scale(1000), "head.global_pool.pool", "head.global_pool.flatten")
    return g.model()


def mobilenet_v2(scale):
    """torchvision's: inverted residuals, ReLU6 as Clip. At this epsilon half of the elements are cut at 0 and a twentieth
    at 6."""
    g = Builder("mobilenet_v2", 17, [1, 3, scale.side, scale.side], epsilon=0.2)

    def conv_norm_act(m, x, *size, **attributes):
        return g.relu6(f"{m}.2", g.norm(f"{m}.1", g.conv(f"{m}.0", x, *size, **attributes)))

    x, index = conv_norm_act("features.0", "input", scale(32), 3, 2), 0
    for expand, out, depth, first in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                      (6, 160, 3, 2), (6, 320, 1, 1)):
        for repeat in range(depth):
            index += 1
            m, part, stride, y = f"features.{index}", 0, first if repeat == 0 else 1, x
            if expand > 1:
                y, part = conv_norm_act(f"{m}.conv.0", x, expand * g.channels[x], 1), 1
            y = conv_norm_act(f"{m}.conv.{part}", y, g.channels[y], 3, stride, group=g.channels[y])
            y = g.norm(f"{m}.conv.{part + 2}", g.conv(f"{m}.conv.{part + 1}", y, scale(out), 1))
            x = g.op("Add", m, x, y) if repeat else y
    x = conv_norm_act("features.18", x, scale(1280), 1)
    g.classifier("classifier.1", x, scale(1000))
    return g.model()


def efficientnet_b0(scale):
    """torchvision's: inverted residuals with squeeze and excitation, SiLU as Sigmoid and Mul. At this epsilon no pooled
    mean is so near zero that f32 rounding shows."""
    g = Builder("efficientnet_b0", 17, [1, 3, scale.side, scale.side], epsilon=0.05)

    def conv_norm_act(m, x, *size, **attributes):
        return g.silu(f"{m}.2", g.norm(f"{m}.1", g.conv(f"{m}.0", x, *size, **attributes)))

    def excite(m, x, squeeze):
        y = g.op("GlobalAveragePool", f"{m}.avgpool", x)
        y = g.silu(f"{m}.activation", g.conv(f"{m}.fc1", y, squeeze, 1, bias=True))
        y = g.op("Sigmoid", f"{m}.scale_activation", g.conv(f"{m}.fc2", y, g.channels[x], 1, bias=True))
        return g.op("Mul", m, y, x)

    x = conv_norm_act("features.0", "input", scale(32), 3, 2)
    stages = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3),
              (6, 5, 2, 192, 4), (6, 3, 1, 320, 1))
    for stage, (expand, kernel, first, out, depth) in enumerate(stages, 1):
        for repeat in range(depth):
            m, part, y = f"features.{stage}.{repeat}.block", 0, x
            if expand > 1:
                y, part = conv_norm_act(f"{m}.0", x, expand * g.channels[x], 1), 1
            stride = first if repeat == 0 else 1
            y = conv_norm_act(f"{m}.{part}", y, g.channels[y], kernel, stride, group=g.channels[y])
            y = excite(f"{m}.{part + 1}", y, max(2, g.channels[x] // 4))
            y = g.norm(f"{m}.{part + 2}.1", g.conv(f"{m}.{part + 2}.0", y, scale(out), 1))
            x = g.op("Add", f"features.{stage}.{repeat}", y, x) if repeat else y
    x = conv_norm_act("features.8", x, scale(1280), 1)
    g.classifier("classifier.1", x, scale(1000), "avgpool")
    return g.model()


def vovnet39a(scale):
    """timm's: one-shot aggregation, pools with ceil_mode; with the effective squeeze and excitation and the identity
    shortcuts of its successor (timm's ese_vovnet39b), as they add operators and change no other layer."""
    g = Builder("vovnet39a", 17, [1, 3, scale.side, scale.side])

    def conv_norm_act(m, x, *size):
        return g.relu(f"{m}.bn.act", g.norm(f"{m}.bn", g.conv(f"{m}.conv", x, *size)))

    def excite(m, x):
        gate = g.op("ReduceMean", m, x, axes=[2, 3], keepdims=1)
        gate = g.conv(f"{m}.fc", gate, g.channels[x], 1, bias=True)
        return g.op("Mul", m, x, g.op("HardSigmoid", f"{m}.gate", gate, alpha=1 / 6, beta=0.5))

    x = conv_norm_act("stem.0", "input", scale(64), 3, 2)
    x = conv_norm_act("stem.1", x, scale(64), 3, 1)
    x = conv_norm_act("stem.2", x, scale(128), 3, 2)
    for stage, (width, out, depth) in enumerate(((128, 256, 1), (160, 512, 1), (192, 768, 2), (224, 1024, 2))):
        if stage:
            x = g.pool("MaxPool", f"stages.{stage}.pool", x, 3, 2, ceil_mode=1, dilations=[1, 1])
        for block in range(depth):
            m, parts = f"stages.{stage}.blocks.{block}", [x]
            for layer in range(5):
                parts.append(conv_norm_act(f"{m}.conv_mid.{layer}", parts[-1], scale(width), 3))
            y = conv_norm_act(f"{m}.conv_concat", g.concat(m, parts), scale(out), 1)
            y = excite(f"{m}.attn", y) if block == depth - 1 else y
            x = g.op("Add", m, y, x) if block else y
    g.classifier("head.fc", x, scale(1000), "head.global_pool.pool", "head.global_pool.flatten")
    return g.model()


def attention_packed(g, m, x, tokens, width, heads):
    """Attention as torchvision's is exported: axes swapped, the shape of the unflattened projection computed from
    Shape, Mod and Slice, query, key and value taken by Gather."""
    one = lambda value: g.constant(m, [value])
    x = g.linear(f"{m}.in_proj", g.op("Transpose", m, x, perm=[1, 0, 2]), 3 * width)
    last = g.op("Mod", m, one(2), one(3))
    shape = g.op("Shape", m, x)
    before = g.op("Slice", m, shape, one(0), g.op("Reshape", m, last, one(1)))
    after = g.op("Reshape", m, g.op("Add", m, last, one(1)), one(1))
    after = g.op("Slice", m, shape, after, one(2**63 - 1))
    shape = g.op("Concat", m, before, g.constant(m, [3, width]), after, axis=0)
    x = g.op("Unsqueeze", m, g.op("Reshape", m, x, shape, allowzero=0), one(0))
    x = g.op("Squeeze", m, g.op("Transpose", m, x, perm=[3, 1, 2, 0, 4]), one(3))
    parts = []
    for index in range(3):
        part = g.op("Gather", m, x, g.constant(m, index), axis=0)
        part = g.op("Reshape", m, part, g.constant(m, [tokens, heads, width // heads]), allowzero=0)
        part = g.op("Transpose", m, part, perm=[1, 0, 2])
        parts.append(g.op("Reshape", m, part, g.constant(m, [1, heads, tokens, width // heads]), allowzero=0))
    query, key, value = parts
    size = g.op("Slice", m, g.op("Shape", m, query), one(-1), one(2**63 - 1))
    size = g.op("Sqrt", m, g.op("Cast", m, size, to=TensorProto.FLOAT))
    factor = g.op("Cast", m, g.op("Div", m, g.constant(m, [1.0], numpy.float32), size), to=TensorProto.FLOAT)
    query = g.op("Mul", m, query, g.op("Sqrt", m, factor))
    key = g.op("Mul", m, g.op("Transpose", m, key, perm=[0, 1, 3, 2]), g.op("Sqrt", m, factor))
    x = g.op("MatMul", m, g.op("Softmax", m, g.op("MatMul", m, query, key), axis=-1), value)
    x = g.op("Transpose", m, x, perm=[2, 0, 1, 3])
    x = g.op("Reshape", m, x, g.constant(m, [tokens, width]), allowzero=0, channels=width)
    x = g.gemm(f"{m}.out_proj", x, width)
    x = g.op("Reshape", m, x, g.constant(m, [tokens, 1, width]), allowzero=0)
    return g.op("Transpose", m, x, perm=[1, 0, 2])


def attention_split(g, m, x, tokens, width, heads):
    """Attention as timm's is exported: the shape put together from Shape and Gather, unbind as Split and Squeeze."""
    dims = g.op("Shape", m, x)
    dims = [g.op("Unsqueeze", m, g.op("Gather", m, dims, g.constant(m, axis), axis=0), g.constant(m, [0]))
            for axis in range(3)]
    x = g.linear(f"{m}.qkv", x, 3 * width)
    shape = [*dims[:2], *(g.constant(m, [value]) for value in (3, heads, width // heads))]
    x = g.op("Reshape", m, x, g.op("Concat", m, *shape, axis=0), allowzero=0)
    x = g.op("Transpose", m, x, perm=[2, 0, 3, 1, 4])
    parts = g.op("Split", m, x, g.constant(m, [1, 1, 1]), outputs=3, axis=0)
    query, key, value = (g.op("Squeeze", m, part, g.constant(m, [0])) for part in parts)
    query = g.op("Mul", m, query, g.constant(m, (width // heads) ** -0.5, numpy.float32))
    scores = g.op("MatMul", m, query, g.op("Transpose", m, key, perm=[0, 1, 3, 2]))
    x = g.op("MatMul", m, g.op("Softmax", m, scores, axis=-1), value)
    x = g.op("Transpose", m, x, perm=[0, 2, 1, 3])
    x = g.op("Reshape", m, x, g.op("Concat", m, *dims, axis=0), allowzero=0, channels=width)
    return g.linear(f"{m}.proj", x, width)


def vit_b_16(scale):
    """torchvision's; the attention of odd layers as timm's is written, the same function in other operators."""
    side, width, heads = scale.side // 16, scale(768), 12
    tokens = side * side + 1
    g = Builder("vit_b_16", 17, [1, 3, scale.side, scale.side])

    def norm(m, x):
        weights = [g.weight(f"{m}.{role}", width) for role in ("weight", "bias")]
        return g.op("LayerNormalization", m, x, *weights, axis=-1, epsilon=1e-6)

    def gelu(m, x):
        y = g.op("Erf", m, g.op("Div", m, x, g.constant(m, math.sqrt(2.0), numpy.float32)))
        y = g.op("Mul", m, x, g.op("Add", m, y, g.constant(m, 1.0, numpy.float32)))
        return g.op("Mul", m, y, g.constant(m, 0.5, numpy.float32))

    x = g.conv("conv_proj", "input", width, 16, 16, [0] * 4, bias=True)
    x = g.op("Reshape", "", x, g.constant("", [1, width, tokens - 1]), allowzero=0)
    x = g.op("Transpose", "", x, perm=[0, 2, 1])
    wanted = g.constant("", [1, -1, -1])
    ones = g.op("ConstantOfShape", "", g.constant("", [3]), value=numpy_helper.from_array(numpy.array([1])))
    kept = g.op("Equal", "", wanted, g.op("Mul", "", ones, g.constant("", -1)))
    token = g.op("Expand", "", g.weight("class_token", 1, 1, width), g.op("Where", "", kept, ones, wanted))
    x = g.op("Concat", "", token, x, axis=1)
    x = g.op("Add", "encoder", x, g.weight("encoder.pos_embedding", 1, tokens, width), channels=width)
    for layer in range(12):
        m = f"encoder.layers.encoder_layer_{layer}"
        attention = attention_split if layer % 2 else attention_packed
        y = attention(g, f"{m}.self_attention", norm(f"{m}.ln_1", x), tokens, width, heads)
        x = g.op("Add", m, y, x)
        y = gelu(f"{m}.mlp.1", g.linear(f"{m}.mlp.0", norm(f"{m}.ln_2", x), 4 * width))
        x = g.op("Add", m, x, g.linear(f"{m}.mlp.3", y, width))
    x = g.op("Gather", "", norm("encoder.ln", x), g.constant("", 0), axis=1, channels=width)
    g.gemm("heads.head", x, scale(1000), output_names=["output"])
    return g.model()
