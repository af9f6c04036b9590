//! Pages as text; `tests/browser` has them in a browser.

use super::shell::{SCRIPT, SCRIPT_SHA256, STYLE, STYLE_SHA256};
use super::{Comparison, Network};
use crate::budget::amount::{Amount, Quantity};
use crate::budget::{BoundKind, Row, Scope, Status, Verdict};
use crate::diagnostic::Sink;
use crate::frontend::{LoadOptions, load_bytes};
use crate::profile::{Profile, Wanted};
use crate::report::chart::{self, Theme};
use crate::source::SourceMap;

fn profile(text: &str, sources: &mut SourceMap) -> Profile {
    let mut sink = Sink::default();
    let loaded = load_bytes("t.json", "t", text.into(), &LoadOptions::default(), sources, &mut sink);
    let loaded = loaded.unwrap_or_else(|| panic!("{:?}", sink.diagnostics()));
    Profile::new(loaded, Wanted::ALL).unwrap_or_else(|_| panic!("too large"))
}

fn architecture(name: &str) -> String {
    let path = format!("{}/architectures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

fn page(text: &str, budget: Option<&Verdict>) -> String {
    let mut sources = SourceMap::default();
    let profile = profile(text, &mut sources);
    let mut report = profile.report(&sources);
    report.budget = budget;
    let charts = chart::network(&report);
    Network { report, charts: &charts, command: "csp-profile analyze t.json" }.render()
}

/// The data of a page, as its script reads them.
fn data(page: &str) -> serde_json::Value {
    let start = page.split(r#"<script type="application/json" id="data">"#).nth(1).unwrap();
    serde_json::from_str(start.split("</script>").next().unwrap()).unwrap()
}

#[test]
fn the_policy_names_what_is_in_the_page() {
    assert_eq!(
        STYLE_SHA256,
        base64(&sha256(STYLE.as_bytes())),
        "the style sheet has changed: write this hash"
    );
    assert_eq!(SCRIPT_SHA256, base64(&sha256(SCRIPT.as_bytes())), "the script has changed: write this hash");
    for text in [STYLE, SCRIPT] {
        assert!(!text.contains('\r') && !text.contains("</"), "HTML would change it, and so its hash");
    }
    let page = page(&architecture("resnet18"), None);
    assert!(page.contains(&format!("script-src 'sha256-{SCRIPT_SHA256}'")));
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("<style").count(), 1);
    assert!(!page.contains(" style=\""), "the policy forbids it");
}

#[test]
fn charts_have_the_colours_of_the_style_sheet() {
    let spaced = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let style = spaced(STYLE);
    assert_eq!(style.matches(&chart::variables(Theme::Light)).count(), 2, "on screen and on paper");
    assert_eq!(style.matches(&chart::variables(Theme::Dark)).count(), 2, "by the system and by the switch");
}

#[test]
fn a_page_needs_nothing_and_stays_small() {
    let page = page(&architecture("densenet201"), None);
    assert!(page.len() < 2_000_000, "{}", page.len());
    let namespaces = ["http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"];
    let bare = namespaces.iter().fold(page.clone(), |page, namespace| page.replace(namespace, ""));
    for word in ["http:", "https:", " src=", "url(", "@import", "<link", "<img", "<iframe", " onclick=\""] {
        assert!(!bare.contains(word), "{word}");
    }
    let data = data(&page);
    assert_eq!(data["nodes"].as_array().unwrap().len(), 712);
    assert_eq!(data["gradient"].as_array().unwrap().len(), 201);
    // A layer of a dense block has all layers before it as its sources.
    let name = "dense2/dense_block/layer[5]/conv1/conv2d";
    let node = data["nodes"].as_array().unwrap().iter().position(|node| node[0] == name).unwrap();
    let paths = data["gradient"].as_array().unwrap().iter().find(|paths| paths[0] == node).unwrap();
    assert_eq!(paths[4].as_array().unwrap().len(), 6);
    assert_eq!(paths[5].as_array().unwrap().len(), 1);
    assert!(page.contains("<math "));
}

#[test]
fn the_same_network_gives_the_same_bytes() {
    let text = architecture("csp_resnet50");
    assert_eq!(page(&text, None), page(&text, None));
}

/// Every layer is in exactly one box, every box but the network in exactly one other, and wires end somewhere.
#[test]
fn the_drawing_holds_every_layer_once() {
    for name in ["densenet121", "csp_darknet53", "efficientnet_b0", "hardnet68", "vgg16", "csp_peleenet"] {
        let data = data(&page(&architecture(name), None));
        let boxes = data["drawing"]["containers"].as_array().unwrap();
        let mut items: Vec<i64> = boxes
            .iter()
            .flat_map(|one| one["items"].as_array().unwrap())
            .map(|item| item.as_i64().unwrap())
            .collect();
        items.sort_unstable();
        let (boxes_in, nodes) =
            (1 - i64::try_from(boxes.len()).unwrap(), data["nodes"].as_array().unwrap().len());
        let expected: Vec<i64> = (boxes_in - 1..-1).chain(0..i64::try_from(nodes).unwrap()).collect();
        assert_eq!(items, expected, "{name}");
        for one in boxes {
            let own = one["items"].as_array().unwrap();
            assert_eq!(
                (one["rows"].as_array().unwrap().len(), one["columns"].as_array().unwrap().len()),
                (own.len(), own.len())
            );
            assert!(
                own.len() != 1 || boxes.len() == 1 || one["name"] == "",
                "{name}: a box around one thing: {one}"
            );
        }
        let total: u64 = data["nodes"].as_array().unwrap().iter().map(|node| node[6].as_u64().unwrap()).sum();
        assert_eq!(boxes[0]["sums"][1], total, "{name}");
    }
}

#[test]
fn texts_from_files_are_escaped() {
    let text = r#"{"name": "</script><script>alert(1)</script>", "description": "<b onx=\"1\">&amp; ${x}",
        "inputs": {"x": [3, 8, 8]}, "layers": [{"op": "conv2d", "name": "<img>", "out_channels": 4, "kernel": 3}],
        "published": [{"metric": "macs", "value": "1", "source": "<i>'\"", "status": "differs", "ours": "3,888",
                       "reason": "</p><script>"}]}"#;
    let loaded = profile(text, &mut SourceMap::default()).loaded;
    let amount = || Amount::new(num::BigRational::from_integer(7.into()), Quantity::of("macs"));
    let row = Row {
        limit: 0,
        metric: "macs".into(),
        scope: Scope::Stage("<u>".into()),
        together: false,
        kind: BoundKind::Max,
        text: "</td>".into(),
        bound: Some(amount()),
        value: amount(),
        baseline: None,
        status: Status::Violated,
        unknown: Vec::new(),
        reason: None,
        span: loaded.facts[0].span,
    };
    let verdict = Verdict { file: "<s>".into(), baseline: None, rows: vec![row] };
    let page = page(text, Some(&verdict));
    for tag in ["<script>alert", "<b onx", "<img>", "<i>", "<u>", "<s>", "</p><script>"] {
        assert!(!page.contains(tag), "{tag}");
    }
    assert!(page.contains("&#60;u&#62;") && page.contains(r"\u003cimg>") && page.contains("${x}"));
    assert!(page.contains(r#"<span class="verdict violated">violated</span>"#));
    assert!(page.contains("It breaks 1 of the 1 limits of its budget."));
}

#[test]
fn what_was_measured_has_a_section() {
    use crate::report::measurement::tests::made;
    let mut sources = SourceMap::default();
    let profile = profile(&architecture("resnet18"), &mut sources);
    let mut measurement = made(&profile);
    measurement.provenance.device = "<b>processor</b>".into();
    let render = |measurement: &crate::measurement::Measurement| {
        let mut report = profile.report(&sources);
        report.measurement = Some(measurement);
        let charts = chart::network(&report);
        Network { report, charts: &charts, command: "csp-profile measure t.json" }.render()
    };
    let page = render(&measurement);
    let (before, section) = page.split_once(r#"<section id="measured""#).unwrap();
    let section = section.split("</section>").next().unwrap();
    assert!(section.contains("Measured beside predicted"));
    assert_eq!(section.matches("<figure>").count(), 2, "the charts stand here, and not among the others");
    assert!(!page.split_once(r#"<section id="charts""#).unwrap().1.contains("Time by layer, measured"));
    assert!(section.contains(r#"<span class="verdict exact">exact</span>"#));
    assert!(section.contains(r#"<span class="verdict unchecked">unchecked</span>"#));
    assert!(
        before.contains("all 3 predicted figures that could be checked hold, 1 of them within"),
        "{before}"
    );
    assert!(!page.contains("<b>processor") && page.contains("&#60;b&#62;processor"));
    measurement.checks[0].verdict = crate::measurement::Verdict::Off;
    assert!(render(&measurement).contains("of 3 predicted figures that could be checked 1 differs"));
}

/// Far too many layers to show each: the page says so and stays small.
#[test]
fn large_networks_have_pages() {
    let repeats = super::drawing::NODE_LIMIT + 1;
    let deep = format!(
        r#"{{"inputs": {{"x": [4, 8, 8]}}, "layers": [{{"op": "relu", "stage": "flat", "repeat": {repeats}}}]}}"#
    );
    let page = page(&deep, None);
    assert!(page.contains("only its stages and blocks are drawn"));
    assert!(page.contains("costliest of"));
    assert_eq!(data(&page)["drawing"]["containers"].as_array().unwrap().len(), 2);
    assert!(page.len() < 2_000_000, "{}", page.len());
}

#[test]
fn networks_of_almost_nothing_have_pages() {
    for text in [
        r#"{"inputs": {"x": [4]}, "layers": [{"op": "relu"}]}"#,
        r#"{"inputs": {"x": [3, 8, 8], "y": [3, 8, 8]}, "layers": [{"op": "add", "inputs": ["x", "y"]}]}"#,
    ] {
        let page = page(text, None);
        assert!(page.contains("<h2 id=\"summary-title\">"), "{text}");
    }
}

#[test]
fn networks_side_by_side() {
    let mut sources = SourceMap::default();
    let texts = ["resnet18", "resnet50", "resnet101"].map(architecture);
    let profiles = texts.each_ref().map(|text| profile(text, &mut sources));
    let reports = profiles.each_ref().map(|profile| profile.report(&sources));
    let names = ["a", "<b>", "c"].map(str::to_owned);
    let comparison = crate::comparison::Comparison::new(&reports);
    let page = Comparison {
        reports: &reports,
        names: &names,
        comparison: &comparison,
        claims: None,
        charts: &[],
        command: "csp-profile compare",
    };
    let page = page.render();
    assert!(page.contains("Against a, &#60;b&#62; has"));
    assert!(page.contains("Layers of c against a"));
    assert!(!page.contains("<b>") && !page.contains("id=\"data\"") && !page.contains("NaN"));
}

#[test]
fn the_hash_is_sha_256() {
    let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(hex(sha256(&[b'a'; 64])), "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
    assert_eq!(base64(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
}

/// FIPS 180-4. The constants are the first 32 bits of the fractional parts of roots of the first primes.
fn sha256(message: &[u8]) -> [u8; 32] {
    let primes: Vec<u64> = (2u64..).filter(|n| (2..*n).all(|d| n % d != 0)).take(64).collect();
    // The fractional part of a root, by the largest r with r^n ≤ p·2^(32n).
    let root = |prime: u64, power: u32| {
        let (mut low, mut high) = (0u128, 1u128 << 40);
        let scaled = num::BigUint::from(prime) << (32 * power);
        while high - low > 1 {
            let middle = u128::midpoint(low, high);
            if num::BigUint::from(middle).pow(power) <= scaled { low = middle } else { high = middle }
        }
        u32::try_from(low & 0xffff_ffff).unwrap()
    };
    let k: Vec<u32> = primes.iter().map(|&prime| root(prime, 3)).collect();
    let mut state: Vec<u32> = primes.iter().take(8).map(|&prime| root(prime, 2)).collect();
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize((message.len() + 9).next_multiple_of(64) - 8, 0);
    padded.extend_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks_exact(64) {
        let mut w: Vec<u32> =
            block.chunks_exact(4).map(|four| u32::from_be_bytes(four.try_into().unwrap())).collect();
        for t in 16..64 {
            let (a, b) = (w[t - 15], w[t - 2]);
            let small = a.rotate_right(7) ^ a.rotate_right(18) ^ (a >> 3);
            let large = b.rotate_right(17) ^ b.rotate_right(19) ^ (b >> 10);
            w.push(w[t - 16].wrapping_add(small).wrapping_add(w[t - 7]).wrapping_add(large));
        }
        let mut v = state.clone();
        for t in 0..64 {
            let large = v[4].rotate_right(6) ^ v[4].rotate_right(11) ^ v[4].rotate_right(25);
            let choice = (v[4] & v[5]) ^ (!v[4] & v[6]);
            let first = [large, choice, k[t], w[t]].iter().fold(v[7], |sum, term| sum.wrapping_add(*term));
            let large = v[0].rotate_right(2) ^ v[0].rotate_right(13) ^ v[0].rotate_right(22);
            let majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
            v.rotate_right(1);
            v[4] = v[4].wrapping_add(first);
            v[0] = first.wrapping_add(large).wrapping_add(majority);
        }
        state.iter_mut().zip(&v).for_each(|(state, v)| *state = state.wrapping_add(*v));
    }
    let bytes: Vec<u8> = state.iter().flat_map(|word| word.to_be_bytes()).collect();
    bytes.try_into().unwrap()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three
            .iter()
            .enumerate()
            .fold(0u32, |bits, (index, &byte)| bits | u32::from(byte) << (16 - 8 * index));
        for index in 0..4 {
            let letter = char::from(LETTERS[(bits >> (18 - 6 * index) & 63) as usize]);
            text.push(if index <= three.len() { letter } else { '=' });
        }
    }
    text
}

#[test]
fn numbers_keep_their_units() {
    for (text, unbroken) in [
        ("5.718 G FLOPs, most (99.1 %).", "5.718\u{a0}G FLOPs, most (99.1\u{a0}%)."),
        ("2.680 MiB; 2 of 3 in a row", "2.680\u{a0}MiB; 2 of 3 in a row"),
        ("", ""),
    ] {
        assert_eq!(super::summary::unbroken(text), unbroken);
    }
}

#[test]
fn unknown_costs_are_no_zeros() {
    let text = r#"{"inputs": {"x": [3, 8, 8]}, "layers": [{"op": "conv2d", "out_channels": 4, "kernel": 3},
        {"op": "unknown", "called": "acme::Fancy", "shapes": [[1, 4, 6, 6]]}, {"op": "relu"}]}"#;
    let known = text.replace(r#"{"op": "unknown", "called": "acme::Fancy", "shapes": [[1, 4, 6, 6]]}, "#, "");
    let (page, plain) = (page(text, None), page(&known, None));
    assert!(page.contains("Costs are lower bounds: the cost of 1 op is unknown (acme::Fancy)."));
    assert!(page.contains("≥ 3.888 kMACs") || page.contains("≥ 3.888\u{a0}kMACs"));
    assert!(page.contains("null,null,null,null"), "the layer's own figures");
    assert!(!plain.contains('≥') && !plain.contains("null,null,null,null"));
}
