//! A headless Chromium, driven over WebDriver (<https://www.w3.org/TR/webdriver2/>).

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::folder::{self, Folder};
use crate::http::Request;
use crate::peers::{CHROMEDRIVER, CHROMIUM};
use crate::process::Process;
use crate::wait;

/// One browser with one window and a profile of its own.
#[derive(Debug)]
pub struct Browser {
    address: SocketAddr,
    session: String,
    _driver: Process,
    _profile: Folder,
}

impl Browser {
    /// Starts it.
    #[track_caller]
    pub fn start() -> Browser {
        let profile = Folder::new();
        let mut command = CHROMEDRIVER.command();
        command
            .arg("--port=0")
            .env("HOME", profile.path())
            .env("TMPDIR", profile.path());
        let mut driver = Process::start("chromedriver", &mut command);
        let port: u16 = driver.wait_for("its port", |line| {
            line.strip_prefix("ChromeDriver was started successfully on port ")?
                .trim_end_matches('.')
                .parse()
                .ok()
        });
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let data_dir = format!(
            "--user-data-dir={}",
            profile.path().join("profile").display()
        );
        let arguments = [
            "--headless=new",
            // Without it Chromium refuses to run as root, as it is in a container.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
            &data_dir,
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments, "binary": CHROMIUM.path()},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let answer = Request::post("/session", &wanted).send(address).ok_json();
        let session = answer["value"]["sessionId"]
            .as_str()
            .expect("a session")
            .to_owned();
        let browser = Browser {
            address,
            session,
            _driver: driver,
            _profile: profile,
        };
        // Some versions leave the focus in the bar for addresses, where no person would.
        browser.devtools(
            "Emulation.setFocusEmulationEnabled",
            &json!({"enabled": true}),
        );
        browser
    }

    /// Opens a page and waits for its `load` event.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.command("url", &json!({ "url": url }));
    }

    /// Runs a script's body (`return …;`) in the page.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({"script": script, "args": []}))
    }

    /// Waits until a script yields something that is neither false nor empty.
    #[track_caller]
    pub fn wait_for(&self, what: &str, limit: Duration, script: &str) -> Value {
        wait::until(what, limit, || {
            let value = self.run(script);
            let is_there = !matches!(&value, Value::Null | Value::Bool(false)) && value != "";
            if is_there {
                Ok(value)
            } else {
                Err(self.run("return document.body.innerText"))
            }
        })
    }

    /// What the page wrote to its console since the last call, with its level.
    #[track_caller]
    pub fn console(&self) -> Vec<String> {
        let entries = self.log("browser");
        let text = |entry: &Value| format!("{} {}", entry["level"], entry["message"]);
        entries.iter().map(text).collect()
    }

    /// The addresses of everything the pages asked for since the last call, over whatever network.
    /// What the browser shows of its own (`chrome-untrusted://…`, `data:…`) is left out.
    #[track_caller]
    pub fn requests(&self) -> Vec<String> {
        let entries = self.log("performance");
        let address = |entry: &Value| -> Option<String> {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &event["message"];
            let is_request = message["method"] == "Network.requestWillBeSent";
            let url = message["params"]["request"]["url"].as_str()?;
            let is_sent = ["http:", "https:", "ws:", "wss:"]
                .iter()
                .any(|scheme| url.starts_with(scheme));
            (is_request && is_sent).then(|| url.to_owned())
        };
        entries.iter().filter_map(address).collect()
    }

    /// Switches JavaScript off for the pages that are opened from now on; scripts of
    /// [`Browser::run`] still work.
    #[track_caller]
    pub fn without_javascript(&self) {
        self.devtools(
            "Emulation.setScriptExecutionDisabled",
            &json!({"value": true}),
        );
    }

    /// Makes the window so wide, in pixels, and as tall as the page.
    #[track_caller]
    pub fn set_width(&self, width: u32) {
        let set = |height: &Value| {
            let size = json!({
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
            });
            self.devtools("Emulation.setDeviceMetricsOverride", &size);
        };
        set(&json!(900));
        set(&self.run("return Math.min(8000, document.documentElement.scrollHeight)"));
    }

    /// Makes the system's colours dark or light.
    #[track_caller]
    pub fn prefer_colours(&self, scheme: &str) {
        let feature = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": feature}));
    }

    /// A command of the browser's own protocol.
    #[track_caller]
    fn devtools(&self, command: &str, parameters: &Value) {
        let body = json!({"cmd": command, "params": parameters});
        self.command("goog/cdp/execute", &body);
    }

    /// Leaves a picture of the window for people to look at, and says where.
    #[track_caller]
    pub fn screenshot(&self, name: &str) -> PathBuf {
        let path = format!("/session/{}/screenshot", self.session);
        let answer = Request::get(&path).send(self.address).ok_json();
        let picture = base64(answer["value"].as_str().expect("a picture"));
        let file = folder::artifacts().join(name);
        fs::write(&file, picture).unwrap();
        file
    }

    #[track_caller]
    fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.command("se/log", &json!({ "type": kind }));
        entries.as_array().expect("a log").clone()
    }

    #[track_caller]
    fn command(&self, name: &str, body: &Value) -> Value {
        let path = format!("/session/{}/{name}", self.session);
        let answer = Request::post(&path, body).send(self.address);
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        answer.json()["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser; the driver itself goes with its process.
        let _ =
            Request::new("DELETE", &format!("/session/{}", self.session)).try_send(self.address);
    }
}

/// RFC 4648, section 4; anything outside the alphabet is skipped.
fn base64(text: &str) -> Vec<u8> {
    let (mut bits, mut count) = (0_u32, 0);
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).expect("masked to a byte"));
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_as_in_rfc_4648() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(base64(text), bytes.as_bytes(), "{text}");
        }
        assert_eq!(base64("/+8="), [0xff, 0xef]);
    }
}
