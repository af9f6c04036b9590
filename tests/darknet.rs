//! cfgs of darknet: layer by layer what darknet itself says, traps, refusals, and files that end anywhere.
//!
//! The corpus lies outside the repository, in `CSP_PROFILE_CORPUS`; `tests/darknet/truth/` has the figures that a build
//! of AlexeyAB/darknet 59596d7 gave for it. A file that is not there is named and skipped, or with
//! `CSP_PROFILE_REQUIRE_CORPUS=1` a failure. Our own cfgs in `tests/darknet/` have that build's figures beside them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test tells what it skips, and may fail")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{Network, file};
use csp_profile::analysis::conventions::Convention;
use csp_profile::analysis::counts_by_node;
use csp_profile::analysis::gradient::{Gradient, Vertex, vertex_name};
use csp_profile::diagnostic::Sink;
use csp_profile::frontend::{LoadOptions, load_bytes};
use csp_profile::report::diagnostics::render;
use csp_profile::source::SourceMap;
use csp_profile::tensor::DType;

/// What the nodes of one section sum to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    /// The last node's output without the batch.
    output: Vec<u64>,
    weights: u64,
    bias: u64,
    norm: u64,
    other: u64,
    buffers: u64,
    macs: u64,
    /// As darknet counts.
    darknet: u64,
}

/// By section.
fn rows(network: &Network) -> Vec<Row> {
    let graph = &network.loaded.graph;
    let counts = counts_by_node(graph, Convention::find("darknet").unwrap()).unwrap();
    let mut rows: Vec<Row> = Vec::new();
    for (id, node) in graph.nodes() {
        let Some(section) = node.origin.section else { continue };
        let section = section as usize;
        if rows.len() <= section {
            rows.resize(section + 1, Row::default());
        }
        let (row, cost) = (&mut rows[section], &network.analysis.nodes[id.index()]);
        row.output = node.outputs[0].shape.axes()[1..].to_vec();
        row.weights += cost.stored.weights;
        row.bias += cost.stored.bias;
        row.norm += cost.stored.norm;
        row.other += cost.stored.other;
        row.buffers += cost.stored.buffers;
        row.macs += cost.macs;
        row.darknet += counts[id.index()];
    }
    rows
}

fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/darknet").join(name)
}

fn read(text: &str) -> Network {
    Network::read("test.cfg", text, &LoadOptions::default()).unwrap()
}

fn refusal(text: &str) -> String {
    Network::read("test.cfg", text, &LoadOptions::default()).err().unwrap()
}

/// The corpus's file of that name; `None`, told or failing, if it is not there.
fn corpus(name: &str) -> Option<Network> {
    let path = std::env::var_os("CSP_PROFILE_CORPUS")
        .map(|folder| Path::new(&folder).join("darknet").join(format!("{name}.cfg")));
    match path.filter(|path| path.is_file()) {
        Some(path) => {
            let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
            let network = Network::read(&format!("{name}.cfg"), &text, &LoadOptions::default());
            Some(network.unwrap_or_else(|error| panic!("{name}: {error}")))
        }
        None => {
            let required = std::env::var("CSP_PROFILE_REQUIRE_CORPUS").is_ok_and(|value| value == "1");
            assert!(!required, "{name}.cfg is not in CSP_PROFILE_CORPUS");
            println!("skipped: {name}.cfg is not in CSP_PROFILE_CORPUS");
            None
        }
    }
}

/// The lines of a table, without its head, as cells.
fn table(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().skip(1).map(|line| line.split(',').collect())
}

fn number(cell: &str) -> u64 {
    cell.parse().unwrap()
}

/// Whether an output has darknet's width, height and channels; where these are unset, so many elements.
fn fits(output: &[u64], cells: &[&str]) -> bool {
    let [w, h, c, outputs] = [0, 1, 2, 3].map(|index| number(cells[index]));
    let map = [c, h, w];
    let vector = output.len() == 1 && output[0] == outputs;
    output.iter().product::<u64>() == outputs && (output == map || w == 0 || (vector && (h, w) == (1, 1)))
}

#[test]
fn every_row_is_darknets() {
    let mut layers: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
    let mut name = "";
    for line in include_str!("darknet/truth/layers.csv").lines().skip(1) {
        match line.strip_prefix("# ") {
            Some(next) => name = next,
            None => layers.entry(name).or_default().push(line.split(',').collect()),
        }
    }
    assert_eq!((layers.len(), layers.values().map(Vec::len).sum::<usize>()), (29, 3345));
    for (name, expected) in layers {
        let Some(network) = corpus(name) else { continue };
        let found = rows(&network);
        assert_eq!(found.len(), expected.len(), "{name}");
        for (index, (row, cells)) in found.iter().zip(&expected).enumerate() {
            assert!(fits(&row.output, &cells[1..5]), "{name}, layer {index}: {row:?}, darknet has {cells:?}");
            // darknet keeps the shift of a normalization among the biases.
            let ours = [row.weights, row.bias + row.norm, row.buffers, 2 * row.macs];
            let theirs =
                [number(cells[5]), number(cells[6]) + number(cells[7]), number(cells[8]), number(cells[9])];
            assert_eq!(ours, theirs, "{name}, layer {index}: {cells:?}");
        }
        let warnings: Vec<_> = network.sink.diagnostics().iter().map(|found| &found.message).collect();
        assert!(warnings.is_empty(), "{name}: {warnings:?}");
    }
}

#[test]
fn totals_are_darknets() {
    let mut seen = 0;
    for cells in table(include_str!("darknet/truth/totals.csv")) {
        let [name, bflops, ref counts @ ..] = cells[..] else { panic!("{cells:?}") };
        seen += 1;
        let Some(network) = corpus(name) else { continue };
        let total = &network.analysis.total;
        let stored = &total.stored;
        let [weights, bias, scale, statistics, cio] = [0, 1, 2, 3, 4].map(|index| number(counts[index]));
        assert_eq!(
            [stored.weights, stored.bias + stored.norm, stored.buffers, total.cio],
            [weights, bias + scale, statistics, cio],
            "{name}"
        );
        assert_eq!(giga(network.convention("darknet"), 3), bflops, "{name}");
    }
    assert_eq!(seen, 29);
}

/// 10⁹ of these with so many decimals, as printf rounds.
fn giga(count: u64, decimals: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "printed with five digits")]
    let count = count as f64;
    format!("{:.decimals$}", count / 1e9)
}

/// The tables of the papers, but for rows that no convention meets.
#[test]
fn the_papers_rows() {
    // Another cfg than the one in the repository; a row cut off instead of rounded; one printed after darknet had begun
    // to count shortcuts.
    let differs = ["cspnet-repo__resnet50", "cspnet-repo__darknet", "cspnet-repo__res2netlite72"];
    let mut seen = 0;
    for cells in table(include_str!("darknet/truth/paper.csv")) {
        let [name, millions, bflops, _] = cells[..] else { panic!("{cells:?}") };
        seen += 1;
        let Some(network) = corpus(name) else { continue };
        let decimals = |text: &str| text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let ours = giga(network.convention("cspnet_paper"), decimals(bflops));
        assert_eq!(ours == bflops, !differs.contains(&name), "{name}: {ours}, printed {bflops}");
        if !millions.is_empty() {
            let ours = giga(1000 * network.convention("cspnet_paper_parameters"), decimals(millions));
            assert_eq!(ours, millions, "{name}");
        }
        if name == "cspnet-repo__res2netlite72" {
            assert_eq!(giga(network.convention("darknet"), decimals(bflops)), bflops);
        }
    }
    assert_eq!(seen, 17);
}

#[test]
fn gradient_paths_of_cfgs() {
    let mut seen = 0;
    for cells in table(include_str!("darknet/truth/gradient.csv")) {
        let (name, theirs) = (cells[0], &cells[1..]);
        seen += 1;
        let Some(mut network) = corpus(name) else { continue };
        network.loaded.graph.find_stages();
        let found = Gradient::new(&network.loaded.graph).unwrap();
        let ratios = &found.ratios;
        let first = found.paths.as_ref().unwrap()[found.h.layers().start as usize].clone();
        let ours = [
            found.h.layers().len().to_string(),
            ratios.edges.to_string(),
            ratios.sources.to_string(),
            ratios.channel_terms.to_string(),
            ratios.source_channels.to_string(),
            found.longest_shortest_path().to_string(),
            found.longest_path().to_string(),
            found.timestamps.as_ref().unwrap().distinct.to_string(),
            found.paths_to_input().unwrap().to_string(),
            first.to_string(),
        ];
        assert_eq!(ours, [0, 1, 2, 4, 5, 7, 8, 9, 10, 11].map(|index| theirs[index]), "{name}");
    }
    assert_eq!(seen, 10);
}

/// Layer by layer: paths, shortest, longest, timestamps, sources and consumers, by the numbers of sections.
#[test]
fn gradient_paths_of_layers() {
    for (name, text) in [
        ("csdarknet53", include_str!("../src/analysis/gradient/truth/csdarknet53.csv")),
        ("csresnet50", include_str!("../src/analysis/gradient/truth/csresnet50.csv")),
        ("csresnext50", include_str!("../src/analysis/gradient/truth/csresnext50.csv")),
        ("darknet53", include_str!("../src/analysis/gradient/truth/darknet53.csv")),
        ("resnet10", include_str!("../src/analysis/gradient/truth/resnet10.csv")),
        ("resnet50", include_str!("../src/analysis/gradient/truth/resnet50.csv")),
    ] {
        let Some(network) = corpus(&format!("cspnet-repo__{name}")) else { continue };
        let graph = &network.loaded.graph;
        let found = Gradient::new(graph).unwrap();
        let section = |vertex: Vertex| match vertex_name(graph, &found.h, vertex) {
            "input" => Some("-1".to_owned()),
            "loss" => None,
            name => Some(name.split('_').next().unwrap().to_owned()),
        };
        let mut seen = 0;
        for (layer, row) in found.h.layers().zip(table(text)) {
            let index = layer as usize;
            let (shortest, longest) = found.lengths[index].unwrap();
            let list = |vertices: Vec<Vertex>| {
                vertices.into_iter().filter_map(section).collect::<Vec<_>>().join(" ")
            };
            let ours = [
                section(layer).unwrap(),
                found.paths.as_ref().unwrap()[index].to_string(),
                shortest.to_string(),
                longest.to_string(),
                found.timestamps.as_ref().unwrap().count(layer).to_string(),
                list(found.h.before.row(index).iter().map(|edge| edge.vertex).collect()),
                list(found.h.after.row(index).iter().map(|edge| edge.vertex).collect()),
            ];
            assert_eq!(ours[..], row[..], "{name}");
            seen += 1;
        }
        assert_eq!(seen, found.h.layers().len(), "{name}");
    }
}

/// The same network as an architecture file and as the cfg that it was written after.
#[test]
fn architecture_files_cost_what_their_cfgs_cost() {
    for (ours, theirs) in [
        ("csp_resnext50", "cspnet-repo__csresnext50"),
        ("csp_resnet50", "cspnet-repo__csresnet50"),
        ("csp_darknet53", "cspnet-repo__csdarknet53"),
        ("csp_mobilenet_v2", "cspnet-repo__csmobilenet-v2"),
        ("darknet53", "cspnet-repo__darknet53"),
        ("darknet_resnet10", "cspnet-repo__resnet10"),
        ("darknet_resnet50", "cspnet-repo-inprogress__resnet50-leaky"),
        ("darknet_resnext50", "cspnet-repo__resnext50"),
        ("darknet_mobilenet_v2", "cspnet-repo__mobilenet-v2"),
    ] {
        let Some(theirs) = corpus(theirs) else { continue };
        let written = Network::read(ours, &file(ours), &LoadOptions::default()).unwrap();
        let (mut mine, mut other) = (written.analysis.total, theirs.analysis.total);
        // A route to one layer is a node here and a name there; it costs nothing.
        (mine.nodes, other.nodes) = (0, 0);
        assert_eq!(mine, other, "{ours}");
        assert_eq!(written.analysis.conventions, theirs.analysis.conventions, "{ours}");
    }
}

/// Stages are found, and what is said of them is what our own files say.
#[test]
fn stages_of_cfgs() {
    for (name, stages, overlap) in
        [("csresnext50", 4, 0.0), ("csdarknet53", 5, 0.0), ("darknet53", 5, 1.0), ("resnet50", 4, 1.0)]
    {
        let Some(mut network) = corpus(&format!("cspnet-repo__{name}")) else { continue };
        network.loaded.graph.find_stages();
        let graph = &network.loaded.graph;
        let names: Vec<String> =
            (0..=stages).map(|number| format!("stage{number}")).chain(["head".into()]).collect();
        assert_eq!(graph.stages().iter().cloned().collect::<Vec<_>>(), names, "{name}");
        let found = Gradient::new(graph).unwrap();
        for stage in &found.stages[1..=stages] {
            assert_eq!(stage.cross_side_overlap(), Some(overlap), "{name}");
        }
    }
}

/// Our own cfgs, against the figures that darknet printed for them.
#[test]
fn own_cfgs_are_as_darknet_reads_them() {
    for name in ["traps", "vector", "detectors", "activations", "antialiased"] {
        let text = std::fs::read_to_string(own(&format!("{name}.cfg"))).unwrap();
        let network = read(&text);
        let found = rows(&network);
        let expected = std::fs::read_to_string(own(&format!("{name}.csv"))).unwrap();
        let expected: Vec<Vec<&str>> = table(&expected).collect();
        assert_eq!(found.len(), expected.len(), "{name}");
        for (index, (row, cells)) in found.iter().zip(&expected).enumerate() {
            // What a blur leaves is smaller than what darknet says of the layer before it.
            let blurred = name == "antialiased" && index < 2;
            assert!(blurred || fits(&row.output, cells), "{name}, layer {index}: {row:?}, {cells:?}");
            assert_eq!(row.darknet, number(cells[4]), "{name}, layer {index}");
        }
        // Blanks, line ends and comments change nothing.
        for other in [
            text.replace('\n', "\r\n"),
            text.replace('=', " \t= "),
            format!("\u{feff}{text}"),
            text.replace("\n\n", "\n  # a comment\n;another\n"),
            text.trim_end().to_owned(),
        ] {
            assert_eq!(rows(&read(&other)), found, "{name}");
        }
    }
}

#[test]
fn weights_of_every_section() {
    let text = std::fs::read_to_string(own("traps.cfg")).unwrap();
    let traps = rows(&read(&text));
    // Kernel, bias; normalization and its statistics, twice the channels each.
    assert_eq!((traps[0].weights, traps[0].bias, traps[0].norm, traps[0].buffers), (2_400, 0, 64, 64));
    assert_eq!((traps[1].weights, traps[1].bias, traps[1].norm), (32 * 48 * 9, 48, 0));
    assert_eq!(traps[4].weights, 64 * 48 / 4, "groups");
    assert_eq!((traps[12].other, traps[13].other), (3 * 40, 2), "weighted shortcuts");
    // xnor takes all channels in one group, and counts a 32nd.
    assert_eq!((traps[23].weights, traps[23].darknet), (32 * 16 * 9, 2 * traps[23].macs / 32));
    let own = (traps[24].weights, traps[24].norm, traps[24].buffers);
    assert_eq!(own, (32 * 32 * 9, 64, 64));
    assert_eq!((traps[25].weights, traps[25].norm, traps[25].buffers), (0, 0, 0), "shared");
    assert_eq!(traps[25].macs, traps[24].macs, "shared weights are used all the same");
    assert_eq!((traps[33].norm, traps[33].buffers), (64, 64), "batchnorm");
    assert_eq!(traps[38].other, 3 * 32, "implicit");
    let vector = rows(&read(&std::fs::read_to_string(self::own("vector.cfg")).unwrap()));
    // 18·16 positions with 6 kernels of 8·9, and a bias for each output.
    assert_eq!((vector[3].weights, vector[3].bias), (18 * 16 * 6 * 8 * 9, 18 * 16 * 6));
    assert_eq!((vector[5].weights, vector[5].bias, vector[5].norm), (50 * 17 * 15 * 4, 0, 100));
    assert_eq!((vector[8].weights, vector[8].bias), (30 * 15, 15));
    assert_eq!((vector[5].darknet, vector[3].darknet), (0, 0), "darknet counts neither");
    let blurred = rows(&read(&std::fs::read_to_string(self::own("antialiased.cfg")).unwrap()));
    assert_eq!(blurred[0].output, [16, 16, 16]);
    assert_eq!(blurred[1].output, [16, 8, 8]);
    assert_eq!(blurred[0].macs, 32 * 32 * 16 * 27, "at stride 1");
    // The fixed filters, and the statistics of a normalization.
    assert_eq!((blurred[0].buffers, blurred[1].buffers), (9 + 32, 4));
}

const NET: &str = "[net]\nwidth=8\nheight=8\nchannels=4\n";

/// One section behind a small image: its output and how darknet counts it, or what is wrong with it.
#[test]
fn defaults_and_refusals() {
    for (sections, output, darknet) in [
        ("[convolutional]", &[1, 8, 8][..], 2 * 4 * 64),
        ("[connected]", &[1], 0),
        ("[maxpool]", &[4, 8, 8], 256),
        ("[maxpool]\nsize=3", &[4, 8, 8], 9 * 256),
        ("[maxpool]\nstride=2\nsize=3\npadding=0", &[4, 3, 3], 9 * 36),
        ("[local_avgpool]\nstride=2", &[4, 4, 4], 4 * 64),
        ("[avgpool]", &[4, 1, 1], 0),
        ("[upsample]", &[4, 16, 16], 0),
        ("[upsample]\nstride=-2", &[4, 4, 4], 0),
        ("[reorg]\nstride=2", &[16, 4, 4], 0),
        ("[reorg3d]\nstride=2\nreverse=1", &[1, 16, 16], 0),
        ("[crop]\ncrop_width=4\ncrop_height=6", &[4, 6, 4], 0),
        ("[crop]\ncrop_width=4\ncrop_height=6\nnoadjust=1", &[4, 6, 4], 0),
        ("[softmax]", &[256], 0),
        ("[softmax]\nspatial=1", &[4, 8, 8], 0),
        ("[implicit]", &[128, 1, 1], 0),
        ("[dropout]\n[route]\nlayers=-1\ngroups=4\ngroup_id=3", &[1, 8, 8], 0),
        ("[dropout]\n[dropout]\n[route]\nlayers=0,1\ngroups=2", &[4, 8, 8], 0),
        ("[dropout]\n[dropout]\n[shortcut]\nfrom=0,-1", &[4, 8, 8], 2 * 256),
        // The original reads a larger map at a stride.
        ("[dropout]\n[convolutional]\nstride=2\nfilters=6\n[shortcut]\nfrom=0", &[6, 4, 4], 2 * 24 * 16 + 96),
        // A comment behind a value is no part of a number.
        ("[convolutional]\nfilters=3 # three", &[3, 8, 8], 2 * 12 * 64),
        // As C reads numbers.
        ("[convolutional]\nfilters=+0000000000000000000000000000003.9x", &[3, 8, 8], 2 * 12 * 64),
        ("[upsample]\nscale=.5f", &[4, 16, 16], 0),
        ("[dropout]\nprobability = 1e-1 # of ten", &[4, 8, 8], 0),
        // The first of equal keys.
        ("[convolutional]\nfilters=3\nfilters=9", &[3, 8, 8], 2 * 12 * 64),
        // A size that leaves a remainder.
        ("[convolutional]\nsize=3\nstride=2", &[1, 3, 3], 2 * 36 * 9),
        ("[convolutional]\nsize=2\nstride=3\npad=1", &[1, 3, 3], 2 * 16 * 9),
    ] {
        let network = read(&format!("{NET}{sections}\n"));
        let found = rows(&network);
        let row = found.last().unwrap();
        assert_eq!(row.output, output, "{sections}");
        assert_eq!(network.convention("darknet"), darknet, "{sections}");
    }
    for (sections, message) in [
        ("[convolutional]\nfilters=0", "at least 1 is needed"),
        ("[convolutional]\nsize=9", "the window spans 9 but the height is 8"),
        ("[convolutional]\nfilters=6\ngroups=4", "4 groups do not divide 6 output channels"),
        ("[convolutional]\nfilters=many", "`filters` is a whole number"),
        ("[convolutional]\nfilters=99999999999", "does not fit in 32 bits"),
        ("[convolutional]\nfilters=2147483648", "does not fit in 32 bits"),
        ("[convolutional]\npad=-99999999999999999999", "does not fit in 32 bits"),
        ("[dropout]\nprobability=half", "`probability` is a number"),
        ("[dropout]\nprobability=1e999", "`probability` is a number"),
        ("[maxpool]\nsize=0", "at least 1 is needed"),
        ("[route]", "the section needs `layers`"),
        ("[route]\nlayers=-1", "fewer than 1 layers stand before this one"),
        ("[dropout]\n[route]\nlayers=1", "no layer 1 stands before this one"),
        ("[dropout]\n[route]\nlayers=0,", "`layers` is a whole number"),
        ("[dropout]\n[route]\nlayers=0\ngroups=3", "3 groups do not divide 4 channels"),
        ("[dropout]\n[route]\nlayers=0\ngroups=2\ngroup_id=2", "there is no group 2 of 2"),
        ("[avgpool]\n[dropout]\n[upsample]\n[shortcut]\nfrom=0", "cannot be added to one of 2x2"),
        ("[dropout]\n[shortcut]\nfrom=0\nweights_type=per_pixel", "`weights_type` cannot be `per_pixel`"),
        ("[dropout]\n[scale_channels]\nfrom=0", "4x1x1 is needed"),
        ("[dropout]\n[avgpool]\n[sam]\nfrom=0", "4x8x8 is needed"),
        ("[softmax]\n[maxpool]", "`[maxpool]` needs a map"),
        ("[softmax]\ngroups=3", "3 groups do not divide 256 numbers"),
        ("[yolo]\nclasses=3\nnum=2", "2 anchors of 8 numbers need 16 channels, and there are 4"),
        ("[detection]\nside=2", "= 12 numbers, and there are 256"),
        ("[crop]\ncrop_width=9\ncrop_height=1", "9 columns cannot be cut out of 8"),
        ("[upsample]\nstride=0", "`stride` is 0"),
        ("[upsample]\nstride=-3", "3 does not divide a map of 8x8"),
        ("[reorg]\nstride=3", "3 does not divide the height, 8"),
        ("[dropout]\n[convolutional]\nshare_index=0", "no weights of a convolution to share"),
        ("[convolutional]\n[convolutional]\nsize=3\npad=1\nshare_index=0", "cannot be shared"),
        ("[convolution]", "there is no section `[convolution]`"),
        ("[net]\nwidth=4", "a cfg has one `[net]`"),
        ("[rnn]\noutput=4", "`[rnn]` is not analysed"),
        ("[gru]", "`[gru]` is not analysed"),
        ("[lstm]", "`[lstm]` is not analysed"),
        ("[crnn]", "`[crnn]` is not analysed"),
        ("[conv_lstm]", "`[conv_lstm]` is not analysed"),
        ("[history]", "`[history]` is not analysed"),
        ("", "the network has no layers"),
    ] {
        let found = refusal(&format!("{NET}{sections}\n"));
        assert!(found.contains(message), "{sections}: {found}");
    }
}

/// All faults of a file in one run, each at its line.
#[test]
fn faults_are_reported_together() {
    let found = refusal(&format!(
        "{NET}[convolutional]\nfilters=none\n[maxpool]\nsize=0\n[nonsense]\n[route]\nlayers=7\n[avgpool]\n"
    ));
    for message in ["`filters` is", "`size` is 0", "[nonsense]", "no layer 7"] {
        assert!(found.contains(message), "{message}: {found}");
    }
    assert_eq!(found.matches("; ").count(), 3, "what depends on a fault is no fault: {found}");
}

#[test]
fn the_command_line_changes_the_input() {
    let text = format!("{NET}batch=64\n[convolutional]\n[avgpool]\n");
    let with = |batch, dtype, inputs: &[(Option<&str>, &[u64])]| {
        let inputs = inputs.iter().map(|(name, axes)| (name.map(str::to_owned), axes.to_vec())).collect();
        Network::read("test.cfg", &text, &LoadOptions { batch, dtype, inputs, ..LoadOptions::default() })
    };
    let input = |network: &Network| {
        let graph = &network.loaded.graph;
        graph.node(graph.inputs()[0]).outputs[0].to_string()
    };
    assert_eq!(
        input(&with(None, None, &[]).unwrap()),
        "1x4x8x8 f32",
        "not the batch that it is trained with"
    );
    assert_eq!(input(&with(Some(3), Some(DType::F16), &[]).unwrap()), "3x4x8x8 f16");
    assert_eq!(input(&with(None, None, &[(None, &[3, 10, 12])]).unwrap()), "1x3x10x12 f32");
    assert_eq!(input(&with(None, None, &[(Some("image"), &[5, 3, 10, 12])]).unwrap()), "5x3x10x12 f32");
    assert_eq!(input(&with(Some(2), None, &[(None, &[5, 3, 10, 12])]).unwrap()), "2x3x10x12 f32");
    let error = |result: Result<Network, String>| result.err().unwrap();
    assert!(error(with(None, None, &[(Some("data"), &[3, 4, 4])])).contains("no input `data`"));
    assert!(error(with(None, None, &[(None, &[3, 4])])).contains("2 are given"));
    let set = LoadOptions { set: vec![("width".into(), "9".into())], ..LoadOptions::default() };
    assert!(error(Network::read("test.cfg", &text, &set)).contains("a cfg has no parameter `width`"));
}

/// A cfg is known by its first line, whatever its name; and by its name.
#[test]
fn formats_are_told_apart() {
    let options = LoadOptions::default();
    for name in ["<stdin>", "network", "network.txt", "a.cfg", "A.CFG"] {
        let network = Network::read(name, &format!("# comment\n\n ;\n{NET}[avgpool]\n"), &options).unwrap();
        assert_eq!(network.loaded.format, "darknet", "{name}");
    }
    assert!(
        Network::read("a.cfg", "[convolutional]\n", &options).err().unwrap().contains("begins with `[net]`")
    );
    assert!(Network::read("a.cfg", "width=8\n", &options).err().unwrap().contains("belongs to no section"));
    assert!(Network::read("a.cfg", " \n", &options).err().unwrap().contains("is empty"));
    assert!(Network::read("a.cfg", "# only this\n", &options).err().unwrap().contains("has no sections"));
    let json = r#"{"inputs": {"image": [3, 8, 8]}, "layers": [{"op": "relu"}]}"#;
    assert_eq!(Network::read("a.cfg", json, &options).unwrap().loaded.format, "json");
}

#[test]
fn a_cfg_may_end_anywhere() {
    for name in ["traps", "vector", "detectors"] {
        let bytes = std::fs::read(own(&format!("{name}.cfg"))).unwrap();
        let mut networks = 0;
        for end in 0..bytes.len() {
            let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
            let part = bytes[..end].to_vec();
            let loaded =
                load_bytes("test.cfg", "test", part, &LoadOptions::default(), &mut sources, &mut sink);
            assert_ne!(loaded.is_some(), sink.has_errors(), "{name}, {end} bytes: a network or a reason");
            networks += usize::from(loaded.is_some());
        }
        assert!(networks > bytes.len() / 3, "{name}: {networks} of {} are networks", bytes.len());
    }
}

/// Comments in any encoding, and letters that are none.
#[test]
fn odd_bytes() {
    let net = NET.as_bytes();
    for (odd, good) in [
        (&b"# caf\xe9 \xff\n[avgpool]\n"[..], true),
        (b"[avgpool]\nna\xefve=1\n", true),
        (b"[convolutional]\nactivation=le\xe9ky\n", true),
        (b"[convolutional]\nfilters=\xe9\n", false),
        (b"[\xe9]\n", false),
        (b"[avgpool]\0\n", true),
        (b"\0\n[avgpool]\n", true),
        (b"[avgpool]\r[dropout]\n", true),
    ] {
        let bytes = [net, odd].concat();
        let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
        let loaded = load_bytes("t.cfg", "t", bytes, &LoadOptions::default(), &mut sources, &mut sink);
        assert_eq!(loaded.is_some(), good, "{odd:?}: {:?}", sink.diagnostics());
        for diagnostic in sink.diagnostics() {
            render(diagnostic, &sources);
        }
    }
}
