//! Charts of real and of odd networks: nothing panics, nothing escapes, the same gives the same.

use super::*;
use crate::analysis::roofline::roofline;
use crate::diagnostic::Sink;
use crate::frontend::{LoadOptions, load_bytes};
use crate::profile::{Profile, Wanted};
use crate::source::SourceMap;

const SMALL: Style = Style { width: 640, height: 400, theme: Theme::Light };

fn profile(text: &str) -> Profile {
    let (mut sources, mut sink) = (SourceMap::default(), Sink::default());
    let options = LoadOptions::default();
    let loaded = load_bytes("t.json", "t", text.as_bytes().to_vec(), &options, &mut sources, &mut sink);
    let loaded = loaded.unwrap_or_else(|| panic!("{text}: {:?}", sink.diagnostics()));
    Profile::new(loaded, Wanted::ALL).unwrap_or_else(|_| panic!("{text} fits"))
}

fn file(name: &str) -> Profile {
    let path = format!("{}/architectures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    profile(&std::fs::read_to_string(path).unwrap())
}

/// The tags of a document are balanced, texts hold no tag, and every tag is one that a chart has.
fn check_svg(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("a tag ends");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        let known = ["svg", "title", "desc", "rect", "text", "polyline", "polygon", "circle", "line"];
        assert!(known.contains(&name), "<{tag}>");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    let is_text = |letter: char| letter == '\n' || !letter.is_control();
    assert!(svg.chars().all(is_text), "no control characters");
    for broken in ["NaN", "inf"] {
        let quoted = svg.split('"').skip(1).step_by(2);
        assert!(!quoted.clone().any(|value| value.contains(broken)), "{broken} is no coordinate");
    }
}

/// Every chart in some sizes and themes.
fn check(charts: &[Chart], names: &[&str]) {
    assert_eq!(charts.iter().map(|chart| chart.name.as_str()).collect::<Vec<_>>(), names);
    for chart in charts {
        assert!(!chart.title.is_empty() && chart.description.ends_with('.'), "{}", chart.description);
        for (width, height) in [(1, 1), (240, 180), (333, 2000)] {
            check_svg(&chart.svg(&Style { width, height, theme: Theme::Dark }));
        }
        let page = chart.svg(&Style { theme: Theme::Page, ..SMALL });
        check_svg(&page);
        assert!(page.contains("var(--chart-text)") && !page.contains("\"#"), "the page gives all colours");
    }
}

/// The bitmap has the size and the ground that were asked for.
fn check_png(chart: &Chart) {
    let png = chart.png(&Style { width: 320, height: 201, theme: Theme::Dark });
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (320, 201));
    assert_eq!(pixels[..3], [0x15, 0x19, 0x20], "the dark ground");
    assert!(pixels.iter().any(|&value| value > 200), "and light text");
}

const ALL: [&str; 8] =
    ["stages", "layers", "memory", "reuse", "reuse_by_stage", "path_lengths", "path_counts", "ops"];

#[test]
fn a_real_network_has_every_chart() {
    let profile = file("darknet_resnet10");
    let sources = SourceMap::default();
    let report = profile.report(&sources);
    let (mut texts, mut sink) = (SourceMap::default(), Sink::default());
    let device = crate::frontend::device::load("gtx_1080_ti", &mut texts, &mut sink).unwrap().unwrap();
    let analysis = report.analysis;
    let roofline =
        roofline(report.graph, &analysis.nodes, &analysis.traffic, &analysis.kernels, &device).unwrap();
    let report = Report { roofline: Some((&device, &roofline)), ..report };
    let charts = network(&report);
    check(&charts, &[&ALL[..], &["roofline"]].concat());
    // The figures of the description are those of the analysis: 154,140,672 of 1,136,… MACs.
    let layers = &charts[1];
    assert!(layers.description.contains("10 layers") && layers.description.contains("154.1 M"));
    let again = network(&report);
    for (one, other) in charts.iter().zip(&again) {
        assert_eq!(one.svg(&SMALL), other.svg(&SMALL));
        assert_eq!(one.png(&SMALL), other.png(&SMALL));
        check_png(one);
    }
}

#[test]
fn what_was_measured_has_charts() {
    use crate::report::measurement::tests::{device, made};
    let profile = file("densenet121");
    let sources = SourceMap::default();
    let mut measurement = made(&profile);
    let (device, roofline) = device(&profile);
    let with = |measurement: &crate::measurement::Measurement, bounds: bool| {
        let report = profile.report(&sources);
        let roofline = bounds.then_some((&device, &roofline));
        network(&Report { measurement: Some(measurement), roofline, ..report })
    };
    let whole = with(&measurement, true);
    check(&whole, &[&ALL[..], &["roofline", "measured_memory", "measured_time"]].concat());
    let [.., memory, time] = &whole[..] else { panic!("two charts") };
    assert!(memory.is_measured() && time.is_measured() && !whole[0].is_measured());
    let peak = crate::units::bytes(profile.memory.as_ref().unwrap().models[0].peak);
    let told = format!("inference: at most {peak} are predicted and {peak} measured");
    assert!(memory.description.contains(&told), "{}", memory.description);
    assert!(memory.description.contains("they agree at each of"), "{}", memory.description);
    assert!(time.description.contains("on Intel Core i9-9900K"), "{}", time.description);
    assert!(time.description.contains("× bound"), "{}", time.description);
    // Without a device there are no bounds; what is off is said and marked.
    measurement.memory[0].measured[3] += 1;
    measurement.memory[1].peak[5] *= 9;
    let charts = with(&measurement, false);
    let [.., memory, time] = &charts[..] else { panic!("two charts") };
    let first = &profile.loaded.graph.node(measurement.memory[0].steps[3].node).name;
    let told = format!("1 of {} steps are off, the first at {first}", measurement.memory[0].steps.len());
    assert!(memory.description.contains(&told), "{}", memory.description);
    assert!(!time.description.contains("bound"), "{}", time.description);
    check_svg(&memory.svg(&SMALL));
    check_svg(&time.svg(&SMALL));
    if let Some(folder) = std::env::var_os("CHARTS_OUT") {
        let few = file("darknet_resnet10");
        let measured = made(&few);
        let (device, roofline) = crate::report::measurement::tests::device(&few);
        let report = few.report(&sources);
        let few =
            network(&Report { measurement: Some(&measured), roofline: Some((&device, &roofline)), ..report });
        let sizes = [(1200, 675, Theme::Light), (500, 400, Theme::Dark)];
        for (index, chart) in few[few.len() - 2..]
            .iter()
            .chain(&whole[whole.len() - 2..])
            .chain(&charts[charts.len() - 2..])
            .enumerate()
        {
            for (width, height, theme) in sizes {
                let path = std::path::Path::new(&folder).join(format!("{index}_{}_{width}.png", chart.name));
                std::fs::write(path, chart.png(&Style { width, height, theme })).unwrap();
            }
        }
    }
    // Times of odd clocks: no coordinate is NaN.
    for (index, node) in measurement.nodes.iter_mut().enumerate() {
        if let Some(timing) = &mut node.forward {
            (timing.median, timing.deviation) =
                [(0.0, 0.0), (f64::NAN, 1.0), (1e-30, 1e30), (1e300, f64::INFINITY), (5.0, 900.0)][index % 5];
        }
    }
    for chart in with(&measurement, true).iter().filter(|chart| chart.is_measured()) {
        check_svg(&chart.svg(&SMALL));
        check_png(chart);
    }
    measurement.nodes.clear();
    measurement.memory.clear();
    assert_eq!(with(&measurement, true).len(), ALL.len() + 1);
}

#[test]
fn networks_side_by_side() {
    let networks = [file("densenet121"), file("csp_densenet121"), file("vgg16")];
    let sources = SourceMap::default();
    let reports: Vec<Report<'_>> = networks.iter().map(|one| one.report(&sources)).collect();
    let names: Vec<String> = ["first", "second", "third"].map(String::from).to_vec();
    check(&comparison(&reports[..2], &names), &ALL);
    check(&comparison(&reports, &names), &ALL);
    let many: Vec<Report<'_>> = (0..26).map(|_| reports[0]).collect();
    let names: Vec<String> = (0..26).map(|index| format!("network {index}")).collect();
    let charts = comparison(&many, &names);
    assert!(charts[0].title.contains("network 5") && !charts[0].title.contains("network 6"));
    check_svg(&charts[3].svg(&SMALL));
}

#[test]
fn odd_networks_are_drawn() {
    let input = r#""inputs": {"x": [3, 8, 8]}"#;
    let one = format!(r#"{{{input}, "layers": [{{"op": "conv2d", "out_channels": 4, "kernel": 1}}]}}"#);
    let idle = format!(r#"{{{input}, "layers": [{{"op": "relu"}}]}}"#);
    let nothing = format!(r#"{{{input}, "layers": [{{"op": "identity"}}]}}"#);
    let huge = r#"{"inputs": {"x": [65536, 65536, 64]}, "layers": [{"op": "conv2d", "out_channels": 4, "kernel": 1}, {"op": "relu"}]}"#;
    for text in [one.as_str(), &idle, &nothing, huge] {
        let profile = profile(text);
        let sources = SourceMap::default();
        let report = profile.report(&sources);
        for chart in network(&report) {
            check_svg(&chart.svg(&Style::default()));
            check_png(&chart);
        }
        let names = vec!["a".to_owned(), "b".to_owned()];
        for chart in comparison(&[report, report], &names) {
            check_svg(&chart.svg(&SMALL));
        }
    }
}

#[test]
fn names_are_text_and_nothing_else() {
    let text = r#"{
        "name": "</title><script>alert(1)</script>&\"'",
        "inputs": {"x": [3, 8, 8]},
        "layers": [
            {"name": "<script>alert(2)&\"'", "op": "conv2d", "out_channels": 4, "kernel": 1},
            {"name": "层一𝔛🎉", "op": "conv2d", "out_channels": 4, "kernel": 1},
            {"name": "c--><!--", "op": "conv2d", "out_channels": 4, "kernel": 1}
        ]
    }"#;
    let profile = profile(text);
    let sources = SourceMap::default();
    let report = profile.report(&sources);
    let charts = network(&report);
    let mut all = String::new();
    for chart in &charts {
        let svg = chart.svg(&Style::default());
        check_svg(&svg);
        all.push_str(&svg);
        check_png(chart);
    }
    assert!(all.contains("&lt;script&gt;alert(2)&amp;&quot;&apos;"), "the layer is named");
    assert!(all.contains("层一𝔛🎉"));
    assert!(!all.contains("<script") && !all.contains("<!--"));
    assert_eq!(canvas::shorten("a\u{202e}b\u{7}", 100.0, 12.0), "a\u{fffd}b\u{fffd}");
}

/// The whole file of one chart, so that a change of how charts look is seen in review. `UPDATE_EXPECT=1` renews it.
#[test]
fn a_chart_is_as_it_was() {
    let profile = file("darknet_resnet10");
    let sources = SourceMap::default();
    let report = profile.report(&sources);
    let charts = network(&report);
    let svg = charts[1].svg(&SMALL);
    let path = format!("{}/tests/charts/layers.svg", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &svg).unwrap();
    }
    assert!(svg == std::fs::read_to_string(&path).unwrap(), "{path} is out of date: UPDATE_EXPECT=1");
}

#[test]
fn colours_stay_apart() {
    let colors = |theme| {
        let inks =
            [style::Ink::Ground, style::Ink::Text, style::Ink::Muted, style::Ink::Grid, style::Ink::Band];
        let series = (0..style::SERIES).map(style::Ink::Series);
        inks.into_iter().chain(series).map(move |ink| {
            let color = ink.color(theme);
            (color.0, color.1, color.2)
        })
    };
    // Relative luminance, WCAG 2.
    let luminance = |(red, green, blue): (u8, u8, u8)| {
        let linear = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    };
    for theme in [Theme::Light, Theme::Dark] {
        let all: Vec<_> = colors(theme).collect();
        let mut sorted = all.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), all.len(), "a page tells colours apart by their value");
        let ground = luminance(all[0]);
        let contrast = |color| {
            let (a, b) = (luminance(color), ground);
            (a.max(b) + 0.05) / (a.min(b) + 0.05)
        };
        assert!(contrast(all[1]) > 7.0 && contrast(all[2]) > 4.5, "text is read");
        for &series in &all[5..] {
            assert!(contrast(series) >= 2.9, "{series:?} is seen: {}", contrast(series));
        }
    }
    assert!(variables(Theme::Dark).contains("--chart-series-1: #56b4e9;"));
}

#[test]
fn axes_have_round_numbers() {
    use axis::{Scale, Unit};
    let labels = |scale: &Scale| scale.ticks.iter().map(|tick| tick.1.clone()).collect::<Vec<_>>().join(" ");
    assert_eq!(labels(&Scale::up_to(314_703_872, Unit::Count, 6)), "0 100 M 200 M 300 M 400 M");
    assert_eq!(labels(&Scale::up_to(8_429_568, Unit::Bytes, 6)), "0 2 MiB 4 MiB 6 MiB 8 MiB 10 MiB");
    assert_eq!(labels(&Scale::up_to(1_536, Unit::Bytes, 4)), "0 512 B 1 KiB 1.5 KiB");
    assert_eq!(labels(&Scale::up_to(2, Unit::Bytes, 6)), "0 1 B 2 B");
    assert_eq!(labels(&Scale::up_to(3, Unit::Count, 6)), "0 1 2 3");
    assert_eq!(labels(&Scale::up_to(0, Unit::Count, 6)), "0");
    assert_eq!(
        labels(&Scale::up_to(u64::MAX, Unit::Bytes, 4)),
        "0 4 EiB 8 EiB 12 EiB 16.00 EiB".replace(".00", "")
    );
    assert_eq!(labels(&Scale::between(68.4, 71.5, Unit::Plain, 6)), "68 69 70 71 72");
    assert_eq!(labels(&Scale::numbers(20, 6)), "1 5 10 15 20");
    assert_eq!(labels(&Scale::numbers(1, 6)), "1");
    assert_eq!(Scale::numbers(0, 6).ticks.len(), 0);
    assert!(labels(&Scale::between(f64::NAN, 1.0, Unit::Plain, 4)) == "0");
}

#[test]
fn what_all_names_share_is_left_out() {
    assert_eq!(without_ending(&["input", "a/conv2d", "b/c/conv2d"]), ["input", "a", "b/c"]);
    assert_eq!(without_ending(&["a/conv2d", "b/linear"]), ["a/conv2d", "b/linear"]);
    assert_eq!(without_ending(&[]), [""; 0]);
}

#[test]
fn long_names_keep_their_ends() {
    let name = "dense1/dense_block/layer[5]/conv1/batch_norm";
    let short = canvas::shorten(name, 150.0, 12.0);
    assert!(short.starts_with("dense") && short.ends_with("batch_norm") && short.contains('…'), "{short}");
    assert!(canvas::width(&short, 12.0) <= 150.0);
    assert_eq!(canvas::shorten("conv", 150.0, 12.0), "conv");
    assert_eq!(canvas::shorten(name, 0.0, 12.0), "…");
}
