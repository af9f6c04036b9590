//! The HTML page in a real browser: opened from disk it works, asks nobody for anything and complains of nothing.
//!
//! Where no Chromium is installed the tests say so and pass, unless `CSP_PROFILE_REQUIRE_BROWSER` is set.
//! `CSP_PROFILE_SCREENSHOTS` names a folder that gets pictures of the pages.
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]
#![allow(clippy::print_stdout, reason = "whoever runs it is told that nothing was tested")]

mod chromium;
mod pages;

use std::path::PathBuf;

use chromium::Browser;
use pages::Page;

/// The browser, or nothing where there is none.
fn browser() -> Option<Browser> {
    let program = chromium::program();
    if program.is_none() {
        assert!(std::env::var_os("CSP_PROFILE_REQUIRE_BROWSER").is_none(), "there is no Chromium");
        println!("not run: there is no Chromium");
    }
    program.map(Browser::start)
}

fn open(browser: &mut Browser, page: &Page) {
    browser.open(&format!("file://{}", page.path.display()));
}

/// What accessibility checkers look at first, in the page's own document.
const CHECKS: &str = r#"(() => {
  const faults = [];
  const name = (e) => (e.getAttribute('aria-label') ?? '') + e.textContent + [...(e.labels ?? [])].map((l) => l.textContent).join('');
  for (const e of document.querySelectorAll('button, a, input, select, summary, [role=button], [role=region], [role=group], [role=toolbar]')) {
    if (name(e).trim() === '') faults.push(`no name: ${e.outerHTML.slice(0, 90)}`);
  }
  for (const e of document.querySelectorAll('input, select')) if (!e.labels?.length) faults.push(`no label: ${e.id}`);
  let last = 0;
  for (const e of document.querySelectorAll('h1, h2, h3, h4')) {
    const level = Number(e.tagName[1]);
    if (level > last + 1) faults.push(`heading ${e.textContent} follows level ${last}`);
    last = level;
  }
  if (document.querySelectorAll('h1').length !== 1) faults.push('not one h1');
  for (const tag of ['main', 'nav', 'header', 'footer']) if (!document.querySelector(`body > ${tag}`)) faults.push(`no ${tag}`);
  for (const e of document.querySelectorAll('table')) {
    if (!e.caption) faults.push('a table has no caption');
    for (const head of e.querySelectorAll('th')) if (!head.scope) faults.push('a head has no scope');
  }
  const ids = new Set();
  for (const { id } of document.querySelectorAll('[id]')) ids.has(id) ? faults.push(`id ${id} twice`) : ids.add(id);
  for (const e of document.querySelectorAll('[aria-labelledby]')) {
    if (!document.getElementById(e.getAttribute('aria-labelledby'))) faults.push('a label is missing');
  }
  if (!document.documentElement.lang) faults.push('no language');
  // Contrast of all text against what is behind it, 4.5 to 1.
  const parse = (c) => c.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((all, v, i) => all + v * [0.2126, 0.7152, 0.0722][i], 0);
  const seen = new Set(), grounds = new Map();
  const ground = (e) => {
    if (e === null) return light(parse(getComputedStyle(document.documentElement).getPropertyValue('background-color')));
    if (!grounds.has(e)) {
      const own = parse(getComputedStyle(e).backgroundColor);
      grounds.set(e, own[3] === 0 ? ground(e.parentElement) : light(own));
    }
    return grounds.get(e);
  };
  for (const e of document.querySelectorAll('body *')) {
    if (e.closest('svg, math') || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility()) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), ground(e)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) seen.add(`contrast ${ratio.toFixed(2)} of ${e.tagName}.${e.className}`);
  }
  return [...faults, ...seen];
})()"#;

/// What is wider than the page, outside what scrolls by itself.
const WIDER: &str = "document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
  ['wider', ...[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1
    && !e.closest('.scroll, nav ul')).slice(0, 5).map((e) => e.outerHTML.slice(0, 99))]";

fn hold(browser: &mut Browser, page: &Page, what: &str) {
    for check in [WIDER, CHECKS] {
        assert_eq!(browser.eval(check), serde_json::json!([]), "{} {what}", page.name);
    }
}

fn keep(page: &Page, what: &str, ending: &str, bytes: &[u8]) {
    if let Some(folder) = std::env::var_os("CSP_PROFILE_SCREENSHOTS") {
        let folder = PathBuf::from(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{}-{what}.{ending}", page.name)), bytes).unwrap();
    }
}

/// Pictures of a whole page, part by part.
fn look(browser: &mut Browser, page: &Page, what: &str) {
    if std::env::var_os("CSP_PROFILE_SCREENSHOTS").is_none() {
        return;
    }
    let height = browser.eval("document.documentElement.scrollHeight").as_u64().unwrap();
    for (index, top) in (0..height).step_by(1800).enumerate() {
        keep(
            page,
            &format!("{what}-{index:02}"),
            "png",
            &browser.screenshot(Some((top, 1800.min(height - top)))),
        );
    }
}

#[test]
fn pages_hold_in_both_themes_and_widths_and_on_paper() {
    let Some(mut browser) = browser() else { return };
    for page in
        [pages::network("densenet201"), pages::network("csp_resnet50"), pages::comparison(), pages::hostile()]
    {
        for (width, theme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
            browser.dress(width, 900, theme);
            open(&mut browser, &page);
            let what = format!("{width}-{theme}");
            assert_eq!(browser.eval(WIDER), serde_json::json!([]), "{} {what}", page.name);
            look(&mut browser, &page, &what);
            browser.eval("document.querySelectorAll('details').forEach((e) => { e.open = true; })");
            hold(&mut browser, &page, &what);
            assert_eq!(browser.complaints(), [""; 0], "{} {what}", page.name);
        }
        let paper = browser.print();
        assert!(paper.starts_with(b"%PDF") && paper.len() > 20_000);
        keep(&page, "print", "pdf", &paper);
    }
}

#[test]
fn the_checks_find_faults() {
    let Some(mut browser) = browser() else { return };
    let page = pages::network("csp_resnet50");
    browser.dress(390, 900, "light");
    open(&mut browser, &page);
    hold(&mut browser, &page, "before");
    browser.eval(
        "document.querySelector('main').insertAdjacentHTML('afterbegin', '<h4 class=pale>pale</h4><input><button></button><table><tr><th>x</th></tr></table><div id=canvas class=wide>.</div>');
         document.querySelector('.pale').style.color = '#bbbbbb'; document.querySelector('.wide').style.width = '2000px';",
    );
    let found = format!("{} {}", browser.eval(CHECKS), browser.eval(WIDER));
    for fault in [
        "no label",
        "no name: <button>",
        "follows level 1",
        "no caption",
        "no scope",
        "id canvas twice",
        "contrast 1.9",
        "wider",
    ] {
        assert!(found.contains(fault), "{fault}: {found}");
    }
}

#[test]
fn the_switch_changes_the_theme() {
    let Some(mut browser) = browser() else { return };
    let page = pages::network("csp_resnet50");
    browser.dress(1280, 900, "light");
    open(&mut browser, &page);
    let paper = "getComputedStyle(document.body).backgroundColor";
    let light = browser.eval(paper);
    browser.click("#theme");
    let dark = browser.eval(paper);
    assert_ne!(light, dark);
    assert_eq!(browser.eval("document.getElementById('theme').textContent"), "Theme: dark");
    browser.click("#theme");
    assert_eq!(browser.eval(paper), light);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_table_sorts_filters_groups_and_is_copied() {
    let Some(mut browser) = browser() else { return };
    let page = pages::network("densenet201");
    browser.dress(1280, 900, "light");
    open(&mut browser, &page);
    let rows = "document.querySelectorAll('#rows tbody tr').length";
    let all = browser.eval(rows).as_u64().unwrap();
    assert_eq!(all, page.nodes);
    // By multiply-accumulates, most first; then fewest first; then as the file has them.
    let head = "#rows thead th:nth-child(5)";
    let sorted = format!("document.querySelector('{head}').getAttribute('aria-sort')");
    let first = "document.querySelector('#rows tbody tr th').textContent";
    let written = browser.eval(first);
    browser.click(&format!("{head} button"));
    assert_eq!(browser.eval(&sorted), "descending");
    assert_eq!(browser.eval(first), page.largest.as_str());
    let falling = browser.eval(
        "[...document.querySelectorAll('#rows tbody td:nth-child(5)')].map((c) => Number(c.title.replaceAll(',', ''))).every((v, i, all) => i === 0 || v <= all[i - 1])",
    );
    assert_eq!(falling, true);
    browser.click(&format!("{head} button"));
    assert_eq!(browser.eval(&sorted), "ascending");
    browser.click(&format!("{head} button"));
    assert_eq!(browser.eval(&sorted), serde_json::Value::Null);
    assert_eq!(browser.eval(first), written);
    // Every word must be in the name or the op.
    browser.click("#filter");
    browser.ask("Input.insertText", &serde_json::json!({"text": "dense3 conv2d"}));
    let few = browser.eval(rows).as_u64().unwrap();
    assert!(few > 0 && few < all, "{few}");
    let named = "[...document.querySelectorAll('#rows tbody tr')].every((r) => r.textContent.includes('dense3') && r.textContent.includes('conv2d'))";
    assert_eq!(browser.eval(named), true);
    assert_eq!(
        browser.eval("document.getElementById('status').textContent"),
        format!("{few} of {all} layers")
    );
    browser.ask(
        "Browser.grantPermissions",
        &serde_json::json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}),
    );
    browser.click("#csv");
    let copied = format!("{few} layers copied as CSV");
    let said = browser.eval(
        "new Promise((done) => { const look = (n) => { const t = document.getElementById('status').textContent; if (t.includes('cop') || n === 0) done(t); else setTimeout(() => look(n - 1), 50); }; look(40); })",
    );
    assert_eq!(said, copied);
    let text = browser.eval("navigator.clipboard.readText()");
    let lines: Vec<&str> = text.as_str().unwrap().lines().collect();
    assert_eq!(lines.len() as u64, few + 1);
    assert!(lines[0].starts_with("layer,op,output,params,MACs,"), "{}", lines[0]);
    browser.eval("document.getElementById('filter').value = ''; document.getElementById('filter').dispatchEvent(new Event('input'))");
    browser.click("#group");
    assert_eq!(browser.eval("document.querySelectorAll('#rows tr.stage').length"), page.groups);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_drawing_folds_and_lights_up_what_a_layer_reads() {
    let Some(mut browser) = browser() else { return };
    let page = pages::network("densenet201");
    browser.dress(1280, 900, "light");
    open(&mut browser, &page);
    let boxes = "document.querySelectorAll('#canvas .box').length";
    browser.click("[data-do=fold]");
    let folded = browser.eval(boxes).as_u64().unwrap();
    assert_eq!(browser.eval("document.querySelectorAll('#canvas .box.open').length"), 0);
    let stage = "#canvas > svg > .box[aria-expanded]";
    browser.click(stage);
    assert_eq!(
        browser.eval(&format!("document.querySelector('{stage}').getAttribute('aria-expanded')")),
        "true"
    );
    assert!(browser.eval(boxes).as_u64().unwrap() > folded);
    browser.click(&format!("{stage} > text"));
    assert_eq!(browser.eval(boxes), folded);
    browser.click("[data-do=unfold]");
    assert_eq!(browser.eval("document.querySelectorAll('#canvas [data-node]').length"), page.nodes);
    // A layer of a dense block reads all layers before it, and all behind it read it.
    browser.eval("document.getElementById('filter').value = 'dense2/dense_block/layer[5]/conv1/conv2d'; document.getElementById('filter').dispatchEvent(new Event('input'))");
    browser.click("#rows tbody th button");
    assert_eq!(browser.eval("document.querySelectorAll('#canvas .box.self').length"), 1);
    assert_eq!(browser.eval("document.querySelectorAll('#canvas .box.source').length"), 6);
    assert_eq!(browser.eval("document.querySelectorAll('#canvas .box.reader').length"), 1);
    let panel = browser.eval("document.getElementById('panel').textContent");
    let panel = panel.as_str().unwrap();
    for words in [
        "dense2/dense_block/layer[5]/conv1/conv2d",
        "MACs",
        "Gradient sources: 6",
        "Consumers: 1",
        "densenet201.json:",
    ] {
        assert!(panel.contains(words), "{words}: {panel}");
    }
    keep(&page, "chosen", "png", &browser.screenshot(None));
    // Folded, its stage stands for it.
    browser.click("[data-do=fold]");
    assert_eq!(
        browser.eval("document.querySelector('#canvas .box.self').getAttribute('data-box') !== null"),
        true
    );
    // From box to box by keys.
    browser.eval("document.getElementById('canvas').focus()");
    browser.press("ArrowDown", "");
    browser.press("ArrowDown", "");
    assert_eq!(
        browser.eval("[...document.querySelectorAll('#canvas .box')].indexOf(document.activeElement)"),
        1
    );
    browser.press("Home", "");
    while browser.eval("document.activeElement.hasAttribute('aria-expanded')") == false {
        browser.press("ArrowDown", "");
    }
    browser.press("Enter", "\r");
    assert_eq!(browser.eval("document.activeElement.getAttribute('aria-expanded')"), "true");
    let zoom = "document.querySelector('#canvas svg').getAttribute('width')";
    let before: f64 = browser.eval(zoom).as_str().unwrap().parse().unwrap();
    browser.press("+", "+");
    let after: f64 = browser.eval(zoom).as_str().unwrap().parse().unwrap();
    assert!(after > before);
    assert_eq!(browser.complaints(), [""; 0]);
    // A block of dense layers, each folded: its wires run in lanes.
    browser.click("[data-do=fold]");
    browser.click("#canvas > svg > .box[data-box]:nth-of-type(4)");
    let block = "#canvas .box .box[data-box]";
    browser.click(block);
    assert_eq!(
        browser.eval(&format!("document.querySelectorAll('{block} > .box').length")),
        7,
        "six layers and a concat"
    );
    keep(&page, "drawing", "png", &browser.screenshot(None));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn names_from_files_stay_text() {
    let Some(mut browser) = browser() else { return };
    let page = pages::hostile();
    browser.dress(1280, 900, "light");
    open(&mut browser, &page);
    browser.click("[data-do=unfold]");
    for index in 0..page.nodes {
        browser.eval(&format!("document.querySelectorAll('#rows tbody th button')[{index}].click()"));
    }
    assert_eq!(browser.eval("window.harmed === undefined"), true);
    assert_eq!(browser.eval("document.querySelectorAll('script').length"), 2);
    assert_eq!(browser.eval("document.querySelectorAll('img, iframe, object, link, base').length"), 0);
    let shown = browser.eval("document.getElementById('rows').textContent");
    for name in pages::HOSTILE.iter().filter(|name| !name.contains(['\u{202e}', '\u{7}'])) {
        assert!(shown.as_str().unwrap().contains(name), "{name}");
    }
    assert!(!shown.as_str().unwrap().contains(['\u{202e}', '\u{7}']));
    assert_eq!(browser.complaints(), [""; 0]);
}

/// The page cannot ask anyone, even if it wanted to; and these tests would see it.
#[test]
fn the_policy_forbids_requests_and_scripts() {
    let Some(mut browser) = browser() else { return };
    let page = pages::network("csp_resnet50");
    open(&mut browser, &page);
    let refused = "fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => error.name)";
    assert_eq!(browser.eval(refused), "TypeError");
    browser.eval("const s = document.createElement('script'); s.textContent = 'window.harmed = 1'; document.body.append(s)");
    assert_eq!(browser.eval("window.harmed === undefined"), true);
    browser.eval("console.log('seen')");
    let complaints = browser.complaints().join("\n");
    for words in ["Content Security Policy", "script", "seen"] {
        assert!(complaints.contains(words), "{words}: {complaints}");
    }
}
