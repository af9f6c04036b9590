//! Drives Chromium by the DevTools protocol over pipes: JSON texts that end in a zero byte.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// No answer takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page.
pub(crate) struct Browser {
    process: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: Option<String>,
    last: u64,
    /// What the page reported so far.
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

/// The browser's program, where there is one.
pub(crate) fn program() -> Option<&'static str> {
    ["chromium", "google-chrome"].into_iter().find(|name| {
        let version =
            Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    })
}

impl Browser {
    /// Starts it without a window.
    pub(crate) fn start(program: &str) -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let folder = format!("--user-data-dir={}", profile.path().display());
        // The protocol's pipes are the descriptors 3 and 4 of the browser: here its standard streams.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>&2 2>/dev/null", program])
            .args(["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", &folder])
            .args(["--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage"])
            .args(["--hide-scrollbars", "--force-color-profile=srgb", "--disable-extensions"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh runs");
        let to = process.stdin.take().expect("piped");
        let mut answers = BufReader::new(process.stdout.take().expect("piped"));
        let (sender, from) = channel();
        std::thread::spawn(move || {
            loop {
                let mut text = Vec::new();
                if !matches!(answers.read_until(0, &mut text), Ok(read) if read > 0) {
                    break;
                }
                let json = serde_json::from_slice(&text[..text.len() - 1]).expect("the browser writes JSON");
                if sender.send(json).is_err() {
                    break;
                }
            }
        });
        let mut browser =
            Self { process, to, from, session: None, last: 0, events: Vec::new(), _profile: profile };
        let target = browser.ask("Target.createTarget", &json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.ask("Target.attachToTarget", &target);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let mut command = json!({"id": self.last, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).and_then(|()| self.to.flush()).expect("the browser listens");
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.next(until).unwrap_or_else(|| panic!("no answer to {method}"));
            if answer["id"] == self.last {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn next(&self, until: Instant) -> Option<Value> {
        match self.from.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(answer) => Some(answer),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the browser has ended"),
        }
    }

    /// Opens an address and waits until everything of it is there.
    pub(crate) fn open(&mut self, address: &str) {
        self.events.clear();
        self.ask("Page.navigate", &json!({"url": address}));
        let until = Instant::now() + PATIENCE;
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.next(until).expect("the page loads");
            self.events.push(event);
        }
    }

    /// What an expression of JavaScript is in the page. A promise is waited for.
    pub(crate) fn eval(&mut self, script: &str) -> Value {
        let parameters = json!({
            "expression": script, "returnByValue": true, "awaitPromise": true, "userGesture": true,
        });
        let answer = self.ask("Runtime.evaluate", &parameters);
        assert!(answer["exceptionDetails"].is_null(), "{script}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// The window's size and theme.
    pub(crate) fn dress(&mut self, width: u32, height: u32, theme: &str) {
        let mobile = width < 600;
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
        self.ask("Emulation.setDeviceMetricsOverride", &size);
        let features = json!({"features": [
            {"name": "prefers-color-scheme", "value": theme},
            // A click must not meet a page that is still scrolling.
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        self.ask("Emulation.setEmulatedMedia", &features);
    }

    /// Clicks in the middle of an element as a mouse does.
    pub(crate) fn click(&mut self, selector: &str) {
        let at = self.eval(&format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView({{block: 'center', behavior: 'instant'}});
               const r = (e.querySelector('rect.shape') ?? e).getBoundingClientRect();
               return [r.left + r.width / 2, r.top + Math.min(r.height / 2, 14)]; }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": at[0], "y": at[1], "button": "left", "buttons": 1, "clickCount": 1});
            self.ask("Input.dispatchMouseEvent", &event);
        }
    }

    /// Presses a key.
    pub(crate) fn press(&mut self, key: &str, text: &str) {
        let mut down = json!({"type": "keyDown", "key": key, "code": key});
        if !text.is_empty() {
            down["text"] = text.into();
        }
        self.ask("Input.dispatchKeyEvent", &down);
        self.ask("Input.dispatchKeyEvent", &json!({"type": "keyUp", "key": key, "code": key}));
    }

    /// Everything that the page asked for beside itself, and everything it or the browser complained of.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        // Anything still on its way is before the answer.
        self.eval("new Promise((done) => setTimeout(done, 50))");
        let mut opened = 0;
        let mut found = Vec::new();
        for event in &self.events {
            let parameters = &event["params"];
            match event["method"].as_str() {
                Some("Network.requestWillBeSent") => {
                    opened += 1;
                    let address = parameters["request"]["url"].as_str().unwrap_or("");
                    if !address.starts_with("file:") || opened > 1 {
                        found.push(format!("request: {address}"));
                    }
                }
                Some("Runtime.consoleAPICalled") => found.push(format!("console: {}", parameters["args"])),
                Some("Runtime.exceptionThrown") => {
                    found.push(format!("exception: {}", parameters["exceptionDetails"]));
                }
                Some("Log.entryAdded") => found.push(format!("log: {}", parameters["entry"]["text"])),
                _ => {}
            }
        }
        assert!(opened > 0, "the requests are not seen");
        found
    }

    /// A picture of the window, or of a part of the page: where it begins, and its height.
    pub(crate) fn screenshot(&mut self, part: Option<(u64, u64)>) -> Vec<u8> {
        let mut wanted = json!({"format": "png"});
        if let Some((top, height)) = part {
            let width = self.eval("innerWidth");
            wanted["clip"] = json!({"x": 0, "y": top, "width": width, "height": height, "scale": 1});
            wanted["captureBeyondViewport"] = true.into();
        }
        let picture = self.ask("Page.captureScreenshot", &wanted);
        decode(picture["data"].as_str().expect("a picture"))
    }

    /// The page on paper.
    pub(crate) fn print(&mut self) -> Vec<u8> {
        let paper = json!({"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": true});
        let document = self.ask("Page.printToPDF", &paper);
        decode(document["data"].as_str().expect("a document"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Base64.
fn decode(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = four
            .iter()
            .enumerate()
            .fold(0u32, |bits, (index, &letter)| bits | u32::from(value(letter)) << (18 - 6 * index));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes
}
