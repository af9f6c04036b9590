use std::collections::BTreeMap;

use super::*;
use crate::ops::Op;
use CalledAs::Operator;

type Row = (&'static str, CalledAs, &'static [(Quantity, u64)]);

fn quantities(values: &[(Quantity, u64)]) -> Quantities {
    values.iter().fold(Quantities::NONE, |all, &(quantity, value)| all.with(quantity, value))
}

fn count(convention: &str, (op, called_as, values): Row) -> u64 {
    Convention::find(convention).unwrap().count(op, Some(called_as), &quantities(values)).unwrap()
}

/// The counts of every convention that does not count 0.
fn counts(row: Row) -> BTreeMap<&'static str, u64> {
    let all = CONVENTIONS.iter().map(|convention| (convention.name, count(convention.name, row)));
    all.filter(|&(_, count)| count > 0).collect()
}

fn check(row: Row, expected: &[(&'static str, u64)]) {
    assert_eq!(counts(row), expected.iter().copied().collect(), "{} as {}", row.0, row.1.name());
}

#[test]
fn the_table_names_known_ops_each_convention_once() {
    let known: Vec<_> = Op::ALL.iter().map(|info| info.name).collect();
    let rules = CONVENTIONS.iter().flat_map(|convention| convention.rules);
    for op in rules.flat_map(|rule| rule.ops).chain(FUNCTIONS).chain(OPERATORS) {
        assert!(known.contains(op), "{op} is no op");
    }
    for convention in CONVENTIONS {
        assert_eq!(Convention::find(convention.name).map(|found| found.doc), Some(convention.doc));
    }
    assert!(Convention::find("nvidia").is_none());
}

#[test]
fn what_only_darknet_knows() {
    // Signs: a 32nd of 2 per MAC. Two weighted sources: 2 an element and source. Windows over channels.
    let weights = [("cspnet_paper_parameters", 72)];
    let row = ("xnor_conv2d", Module, &[(Macs, 1600), (XnorOperations, 100), (Weights, 72)][..]);
    check(row, &[&[("darknet", 100), ("cspnet_paper", 100)][..], &weights].concat());
    check(("weighted_add", Module, &[(PairwiseOutputs, 50)]), &[("darknet", 100)]);
    check(("locally_connected2d", Module, &[(Macs, 1600), (Weights, 72)]), &weights);
    let pool = ("channel_max_pool", Module, &[(WindowElements, 9)][..]);
    check(pool, &[("darknet", 9), ("cspnet_paper", 9)]);
    check(("blur_pool2d", Module, &[(InputElements, 9), (OutputElements, 9)]), &[]);
}

#[test]
fn conv2d_3x3_of_2_to_4_channels_with_bias_on_5x5() {
    // 4·2·9 weights at 25 positions, 100 outputs.
    const COUNTED: &[(Quantity, u64)] = &[
        (Macs, 1800),
        (InputElements, 50),
        (OutputElements, 100),
        (BiasedOutputs, 100),
        (Weights, 72),
        (Biases, 4),
        (KernelAtOutputs, 1800),
    ];
    let anyhow = [
        ("darknet", 3600),
        ("cspnet_paper", 3600),
        ("cspnet_paper_parameters", 72),
        ("fvcore", 1800),
        ("ptflops_aten", 1900),
        ("torch_flop_counter", 3600),
        ("onnxsim", 1800),
    ];
    let function = [&anyhow[..], &[("calflops_macs", 1800), ("calflops_flops", 3700)]].concat();
    let subclass = [&function[..], &[("torchinfo", 1900)]].concat();
    let module = [&subclass[..], &[("thop", 1800), ("ptflops", 1900)]].concat();
    check(("conv2d", Module, COUNTED), &module);
    check(("conv2d", Subclass, COUNTED), &subclass);
    check(("conv2d", Function, COUNTED), &function);
    check(("conv2d", Operator, COUNTED), &anyhow);
}

#[test]
fn conv_transpose2d_2x2_stride_2_of_8_to_4_channels_in_2_groups_with_bias_on_6x6() {
    // Kernel 8·2·4 = 64, 36 positions in, 144 out. calflops: 4·8·(2/2)·36 and 2 channels of 3×3 biased.
    const COUNTED: &[(Quantity, u64)] = &[
        (Macs, 2304),
        (OutputElements, 576),
        (BiasedOutputs, 576),
        (Weights, 64),
        (Biases, 4),
        (KernelAtOutputs, 9216),
        (RegroupedMacs, 1152),
        (ShrunkBiasedOutputs, 18),
    ];
    check(
        ("conv_transpose2d", Module, COUNTED),
        &[
            ("cspnet_paper", 4608),
            ("cspnet_paper_parameters", 64),
            ("fvcore", 2304),
            ("thop", 9216),
            ("ptflops", 2880),
            ("ptflops_aten", 2880),
            ("torch_flop_counter", 4608),
            ("torchinfo", 9792),
            ("calflops_macs", 1152),
            ("calflops_flops", 2322),
            ("onnxsim", 2304),
        ],
    );
}

#[test]
fn linear_of_8_to_3_with_bias_on_10_rows() {
    const COUNTED: &[(Quantity, u64)] = &[
        (Macs, 240),
        (InputElements, 80),
        (OutputElements, 30),
        (BiasedOutputs, 30),
        (Weights, 24),
        (Biases, 3),
    ];
    check(
        ("linear", Module, COUNTED),
        &[
            ("cspnet_paper", 480),
            ("cspnet_paper_parameters", 24),
            ("fvcore", 240),
            ("thop", 240),
            ("ptflops", 270),
            ("ptflops_aten", 270),
            ("torch_flop_counter", 480),
            ("torchinfo", 27),
            ("calflops_macs", 240),
            ("calflops_flops", 480),
            ("onnxsim", 240),
        ],
    );
    assert_eq!(count("ptflops", ("linear", Function, COUNTED)), 0);
}

#[test]
fn normalizations_of_100_elements() {
    const AFFINE: &[(Quantity, u64)] =
        &[(InputElements, 100), (AffineInputElements, 100), (OutputElements, 100), (NormParameters, 8)];
    const PLAIN: &[(Quantity, u64)] = &[(InputElements, 100), (OutputElements, 100)];
    let batch = [("fvcore", 200), ("calflops_flops", 200)];
    check(("batch_norm", Subclass, AFFINE), &batch);
    let batch = [&batch[..], &[("thop", 400), ("ptflops", 200), ("torchinfo", 8)]].concat();
    check(("batch_norm", Module, AFFINE), &batch);
    let plain = [("fvcore", 100), ("thop", 200), ("ptflops", 100), ("calflops_flops", 100)];
    check(("batch_norm", Module, PLAIN), &plain);
    let live = [("fvcore", 500), ("calflops_flops", 500), ("torchinfo", 8)];
    check(("layer_norm", Subclass, AFFINE), &live);
    check(("layer_norm", Module, AFFINE), &[&live[..], &[("thop", 400), ("ptflops", 100)]].concat());
    check(("instance_norm", Module, AFFINE), &[&live[..], &[("thop", 400), ("ptflops", 200)]].concat());
    check(("group_norm", Module, AFFINE), &[&live[..], &[("ptflops", 200)]].concat());
    check(
        ("instance_norm", Module, PLAIN),
        &[("fvcore", 400), ("thop", 200), ("ptflops", 100), ("calflops_flops", 400)],
    );
    check(("rms_norm", Module, AFFINE), &[("torchinfo", 8)]);
    const LRN: &[(Quantity, u64)] = &[(InputElements, 100), (ChannelPadding, 40)];
    check(("lrn", Module, LRN), &[("ptflops", 440), ("calflops_flops", 440)]);
}

#[test]
fn activations_of_100_elements() {
    const COUNTED: &[(Quantity, u64)] =
        &[(InputElements, 100), (OutputElements, 100), (RowAdditions, 90), (OtherParameters, 4)];
    let twice = [("ptflops", 200), ("calflops_flops", 100)];
    let once = [("ptflops", 100), ("calflops_flops", 100)];
    for op in ["relu", "elu", "gelu"] {
        check((op, Module, COUNTED), &twice);
        check((op, Subclass, COUNTED), &once);
        check((op, Function, COUNTED), &once);
        check((op, Operator, COUNTED), &[]);
    }
    check(("prelu", Module, COUNTED), &[&twice[..], &[("thop", 100), ("torchinfo", 4)]].concat());
    check(("silu", Module, COUNTED), &once);
    check(("leaky_relu", Module, COUNTED), &once);
    check(("leaky_relu", Function, COUNTED), &[("calflops_flops", 100)]);
    check(("relu6", Module, COUNTED), &[("ptflops", 100)]);
    check(("relu6", Function, COUNTED), &once);
    check(("softmax", Module, COUNTED), &[&once[..], &[("thop", 290)]].concat());
    check(("softmax", Function, COUNTED), &once);
    for op in ["sigmoid", "tanh", "mish", "hardswish", "selu", "log_softmax"] {
        check((op, Module, COUNTED), &[]);
    }
}

#[test]
fn pools_of_3_channels() {
    // 3×3 windows with stride 2 and padding 1 on 8×8: 192 elements to 48.
    const WINDOW: &[(Quantity, u64)] = &[(InputElements, 192), (OutputElements, 48), (WindowElements, 432)];
    let both = [("darknet", 432), ("cspnet_paper", 432), ("calflops_flops", 192)];
    check(("max_pool2d", Module, WINDOW), &[&both[..], &[("ptflops", 384)]].concat());
    check(("max_pool2d", Function, WINDOW), &[&both[..], &[("ptflops", 192)]].concat());
    check(("avg_pool2d", Module, WINDOW), &[&both[..], &[("ptflops", 384), ("thop", 48)]].concat());
    const GLOBAL: &[(Quantity, u64)] = &[(InputElements, 192), (OutputElements, 3)];
    let module = [("fvcore", 192), ("thop", 195), ("ptflops", 384), ("calflops_flops", 192)];
    check(("global_avg_pool", Module, GLOBAL), &module);
    check(("adaptive_avg_pool2d", Module, GLOBAL), &module);
    check(
        ("global_avg_pool", Function, GLOBAL),
        &[("fvcore", 192), ("ptflops", 192), ("calflops_flops", 192)],
    );
    check(("global_avg_pool", Operator, GLOBAL), &[]);
    check(("global_max_pool", Module, GLOBAL), &[("ptflops", 384), ("calflops_flops", 192)]);
}

#[test]
fn resizes_of_3_channels_from_4x4_to_8x8() {
    const NEAREST: &[(Quantity, u64)] =
        &[(InputElements, 48), (OutputElements, 192), (NearestOutputs, 192), (ScaledInputElements, 48)];
    const BILINEAR: &[(Quantity, u64)] =
        &[(InputElements, 48), (OutputElements, 192), (BilinearOutputs, 192), (SizedPositions, 64)];
    const BICUBIC: &[(Quantity, u64)] =
        &[(InputElements, 48), (OutputElements, 192), (BicubicOutputs, 192), (SizedPositions, 64)];
    check(
        ("resize", Module, NEAREST),
        &[("fvcore", 192), ("thop", 192), ("ptflops", 384), ("calflops_flops", 48)],
    );
    check(("resize", Function, BILINEAR), &[("fvcore", 768), ("ptflops", 192), ("calflops_flops", 64)]);
    check(("resize", Module, BICUBIC), &[("thop", 49_728), ("ptflops", 384), ("calflops_flops", 64)]);
}

#[test]
fn arithmetic_and_products() {
    // Three operands of 10 elements: two additions.
    const CHAIN: &[(Quantity, u64)] = &[(InputElements, 10), (OutputElements, 10), (PairwiseOutputs, 20)];
    check(("add", Operator, CHAIN), &[("darknet", 20)]);
    check(("add", Function, CHAIN), &[("darknet", 20), ("ptflops", 20), ("calflops_flops", 20)]);
    check(("mul", Operator, CHAIN), &[]);
    check(("mul", Function, CHAIN), &[("ptflops", 20), ("calflops_flops", 20)]);
    check(("sub", Function, CHAIN), &[]);
    // [4, 5] · [5, 6].
    const PRODUCT: &[(Quantity, u64)] = &[(Macs, 120), (LeftProducts, 120)];
    let operator = [("fvcore", 120), ("ptflops_aten", 120), ("torch_flop_counter", 240), ("onnxsim", 120)];
    check(("matmul", Operator, PRODUCT), &operator);
    let patched = [("ptflops", 120), ("calflops_macs", 120), ("calflops_flops", 240)];
    check(("matmul", Function, PRODUCT), &[&operator[..], &patched].concat());
    // [4, 5] · [3, 5, 6].
    const BROADCAST: &[(Quantity, u64)] = &[(Macs, 360), (LeftProducts, 120)];
    let operator = [("fvcore", 120), ("ptflops_aten", 360), ("torch_flop_counter", 720), ("onnxsim", 360)];
    check(("matmul", Operator, BROADCAST), &operator);
}

#[test]
fn attention_of_vit_b_16() {
    // 197 tokens of 768, 12 heads. ptflops prints 525 614 124 for nn.MultiheadAttention.
    const FUSED: &[(Quantity, u64)] =
        &[(Macs, 2 * 197 * 197 * 768), (InputElements, 197 * 768), (Scores, 12 * 197 * 197)];
    const INNER: &[(Quantity, u64)] = &[(Macs, 3 * 197 * 768 * 768), (BiasedOutputs, 3 * 197 * 768)];
    const OUTER: &[(Quantity, u64)] = &[(Macs, 197 * 768 * 768), (BiasedOutputs, 197 * 768)];
    check(("attention", Function, FUSED), &[("onnxsim", 59_610_624)]);
    let rows = [("attention", Module, FUSED), ("linear", Module, INNER), ("linear", Module, OUTER)];
    assert_eq!(rows.into_iter().map(|row| count("ptflops", row)).sum::<u64>(), 525_614_124);
}

#[test]
fn what_is_not_told_is_called_in_the_usual_way() {
    assert_eq!(usual_call("conv2d"), Module);
    assert_eq!(usual_call("add"), Operator);
    assert_eq!(usual_call("matmul"), Function);
    assert_eq!(usual_call("attention"), Function);
    let ptflops = Convention::find("ptflops").unwrap();
    let hundred = quantities(&[(InputElements, 100), (OutputElements, 100)]);
    assert_eq!(ptflops.count("relu", None, &hundred), Ok(200));
    assert!(ptflops.depends_on_call("relu") && !ptflops.depends_on_call("tanh"));
    assert!(!Convention::find("ptflops_aten").unwrap().depends_on_call("conv2d"));
}

#[test]
fn a_count_beyond_64_bits_is_an_overflow() {
    let darknet = Convention::find("darknet").unwrap();
    let macs = |macs| darknet.count("conv2d", None, &quantities(&[(Macs, macs)]));
    assert_eq!(macs(u64::MAX / 2), Ok(u64::MAX - 1));
    assert_eq!(macs(u64::MAX / 2 + 1), Err(Overflow));
    let ptflops = Convention::find("ptflops").unwrap();
    let biased = quantities(&[(Macs, u64::MAX), (BiasedOutputs, 1)]);
    assert_eq!(ptflops.count("conv2d", None, &biased), Err(Overflow));
}

/// For each network what nine programs printed, then its nodes: sums over those of one op called in one way.
const PRINTED: &str = "
    densenet121
    prints 2865546752 2897007104 2899843048 2834162664 5668323328 2834246312 2834161664 5716881152 2834161664
    conv2d Module Macs=2833137664 KernelAtOutputs=2833137664
    batch_norm Module InputElements=15667456 AffineInputElements=15667456 NormParameters=83648
    relu Module InputElements=15617280 OutputElements=15617280
    max_pool2d Module InputElements=802816
    avg_pool2d Module InputElements=702464 OutputElements=175616
    relu Function InputElements=50176 OutputElements=50176
    global_avg_pool Function InputElements=50176 OutputElements=1024
    linear Module Macs=1024000 Weights=1024000 Biases=1000 BiasedOutputs=1000

    densenet201
    prints 4340870784 4390381952 4393349608 4291366888 8582731776 4291595944 4291365888 8658522624 4291365888
    conv2d Module Macs=4289445888 KernelAtOutputs=4289445888
    batch_norm Module InputElements=24705408 AffineInputElements=24705408 NormParameters=229056
    relu Module InputElements=24611328 OutputElements=24611328
    max_pool2d Module InputElements=802816
    avg_pool2d Module InputElements=777728 OutputElements=194432
    relu Function InputElements=94080 OutputElements=94080
    global_avg_pool Function InputElements=94080 OutputElements=1920
    linear Module Macs=1920000 Weights=1920000 Biases=1000 BiasedOutputs=1000

    resnet50
    prints 4111512576 4133742592 4132436968 4089185256 8178368512 4089238376 4089184256 8211108352 4089184256
    conv2d Module Macs=4087136256 KernelAtOutputs=4087136256
    batch_norm Module InputElements=11113984 AffineInputElements=11113984 NormParameters=53120
    relu Module InputElements=9608704 OutputElements=9608704
    max_pool2d Module InputElements=802816
    add Operator PairwiseOutputs=5519360
    global_avg_pool Module InputElements=100352 OutputElements=2048
    linear Module Macs=2048000 Weights=2048000 Biases=1000 BiasedOutputs=1000

    mobilenet_v2
    prints 314193216 327486720 320300008 300775272 601548544 300809384 300774272 614967488 300774272
    conv2d Module Macs=299494272 KernelAtOutputs=299494272
    batch_norm Module InputElements=6678112 AffineInputElements=6678112 NormParameters=34112
    relu6 Module InputElements=6105792 OutputElements=6105792
    add Operator PairwiseOutputs=216384
    global_avg_pool Function InputElements=62720 OutputElements=1280
    linear Module Macs=1280000 Weights=1280000 Biases=1000 BiasedOutputs=1000

    vgg16
    prints 15470289408 15470314496 15523225576 15483821032 30940528640 15483821032 15470264320 30973778432 15470264320
    conv2d Module Macs=15346630656 KernelAtOutputs=15346630656 BiasedOutputs=13547520
    relu Module InputElements=13555712 OutputElements=13555712
    max_pool2d Module InputElements=6121472
    adaptive_avg_pool2d Module InputElements=25088 OutputElements=25088
    linear Module Macs=123633664 Weights=123633664 Biases=9192 BiasedOutputs=9192

    efficientnet_b0
    prints 401659392 415145024 410196896 385825092 771629504 385867108 385814752 793641400 385814752
    conv2d Module Macs=384534752 KernelAtOutputs=384534752 BiasedOutputs=9340
    batch_norm Module InputElements=6737696 AffineInputElements=6737696 NormParameters=42016
    silu Module InputElements=6157916 OutputElements=6157916
    global_avg_pool Module InputElements=2369248 OutputElements=10240
    sigmoid Module InputElements=8960 OutputElements=8960
    mul Operator PairwiseOutputs=2306528
    add Operator PairwiseOutputs=210112
    linear Module Macs=1280000 Weights=1280000 Biases=1000 BiasedOutputs=1000

    cspresnext50
    prints 4046798848 4015081472 4031202280 4014949352 8029896704 4014949352 4014948352 8076689408 4014948352
    conv2d Module Macs=4012900352 KernelAtOutputs=4012900352
    batch_norm Subclass InputElements=15859712 AffineInputElements=15859712 NormParameters=57472
    leaky_relu Module InputElements=13893632 OutputElements=13893632
    max_pool2d Module InputElements=1048576
    add Operator PairwiseOutputs=3145728
    global_avg_pool Module InputElements=131072 OutputElements=2048
    linear Module Macs=2048000 Weights=2048000 Biases=1000 BiasedOutputs=1000

    cspdarknet53
    prints 6567337984 6533719040 6550594536 6533653480 13067304960 6533653480 6533652480 13117800448 6533652480
    conv2d Module Macs=6532628480 KernelAtOutputs=6532628480
    batch_norm Subclass InputElements=16809984 AffineInputElements=16809984 NormParameters=35328
    leaky_relu Module InputElements=16809984 OutputElements=16809984
    add Operator PairwiseOutputs=3276800
    global_avg_pool Module InputElements=65536 OutputElements=1024
    linear Module Macs=1024000 Weights=1024000 Biases=1000 BiasedOutputs=1000

    hrnet_w18
    prints 4317590308 4350204600 4349195132 4283989656 8567074144 4284040872 4283537072 8615299454 4283537072
    conv2d Module Macs=4281489072 KernelAtOutputs=4281489072 BiasedOutputs=451584
    batch_norm Module InputElements=16306122 AffineInputElements=16306122 NormParameters=51216
    relu Module InputElements=14855624 OutputElements=14855624
    add Operator PairwiseOutputs=9331952
    resize Module OutputElements=1340640 NearestOutputs=1340640 ScaledInputElements=205506
    global_avg_pool Module InputElements=100352 OutputElements=2048
    linear Module Macs=2048000 Weights=2048000 Biases=1000 BiasedOutputs=1000
";

#[test]
fn nine_programs_print_these_figures_for_nine_networks() {
    const PROGRAMS: [&str; 9] = [
        "fvcore",
        "thop",
        "ptflops",
        "ptflops_aten",
        "torch_flop_counter",
        "torchinfo",
        "calflops_macs",
        "calflops_flops",
        "onnxsim",
    ];
    fn named<T: Copy + std::fmt::Debug>(all: &[T], name: &str) -> T {
        *all.iter().find(|item| format!("{item:?}") == name).unwrap()
    }
    let networks: Vec<_> = PRINTED.trim().split("\n\n").collect();
    assert_eq!(networks.len(), 9);
    for network in networks {
        let mut lines = network.lines().map(str::trim);
        let name = lines.next().unwrap();
        let figures = lines.next().unwrap().strip_prefix("prints ").unwrap();
        let nodes: Vec<_> = lines
            .map(|line| {
                let mut words = line.split(' ');
                let (op, called_as) = (words.next().unwrap(), named(CalledAs::ALL, words.next().unwrap()));
                let quantities = words.fold(Quantities::NONE, |all, word| {
                    let (quantity, value) = word.split_once('=').unwrap();
                    all.with(named(Quantity::ALL, quantity), value.parse().unwrap())
                });
                (op, called_as, quantities)
            })
            .collect();
        for (program, figure) in PROGRAMS.into_iter().zip(figures.split(' ')) {
            let convention = Convention::find(program).unwrap();
            let counts =
                nodes.iter().map(|(op, called_as, q)| convention.count(op, Some(*called_as), q).unwrap());
            assert_eq!(counts.sum::<u64>(), figure.parse::<u64>().unwrap(), "{program} of {name}");
        }
    }
}
