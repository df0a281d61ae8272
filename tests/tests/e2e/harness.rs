//! The harness itself: what it reports must be so.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use e2e::browser::Browser;
use e2e::folder::Folder;
use e2e::http::Request;
use e2e::process::Process;
use e2e::server::Server;

#[test]
fn programs_are_ended_and_heard() {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "echo ready; trap 'echo asked; exit 7' TERM; while :; do sleep 0.02; done",
    ]);
    let mut process = Process::start("sh", &mut command);
    process.wait_for("a line", |line| (line == "ready").then_some(()));
    process.signal("TERM");
    assert_eq!(process.wait_for_end(Duration::from_secs(5)).code(), Some(7));
    assert_eq!(process.log(), ["ready", "asked"]);
}

#[test]
fn folders_go_with_their_owner() {
    let folder = Folder::new();
    let path = folder.write("a.txt", "b");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "b");
    drop(folder);
    assert!(!path.exists());
}

/// The page test stands on these: a console error and a foreign request must be seen when there is
/// one.
#[test]
fn browser_sees_errors_and_requests() {
    let server = Server::start(|head, stream, _| {
        let page = "<body>hello<script>console.error('broken');\
                    fetch('http://127.0.0.1:9/elsewhere').catch(() => {});</script>";
        let is_page = head.starts_with("GET / ");
        let (status, body) = if is_page {
            ("200 OK", page)
        } else {
            ("404 Not Found", "")
        };
        let length = body.len();
        let _ = write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{body}"
        );
    });
    let browser = Browser::start();
    browser.open(&format!("http://{}/", server.address()));
    let limit = Duration::from_secs(10);
    let text = browser.wait_for("the text", limit, "return document.body.innerText");
    assert_eq!(text, "hello");
    let console = browser.console();
    assert!(
        console.iter().any(|entry| entry.contains("broken")),
        "{console:?}"
    );
    let requests = browser.requests();
    assert!(
        requests.iter().any(|url| url.contains("elsewhere")),
        "{requests:?}"
    );
    let picture = std::fs::read(browser.screenshot("harness.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"), "not a picture");
    assert!(Request::get("/none").send(server.address()).status == 404);
}
