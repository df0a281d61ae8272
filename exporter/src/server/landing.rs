use crate::config::TelemetryPath;

/// The page on `/`: what this is and where to look.
pub(super) fn page(metrics: &TelemetryPath) -> String {
    let version = env!("CARGO_PKG_VERSION");
    // The path consists of letters, digits, slashes and the like: nothing in it needs escaping.
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>System Stats Exporter</title>
</head>
<body>
<h1>System Stats Exporter</h1>
<p>Version {version}</p>
<ul>
<li><a href="{metrics}">{metrics}</a>: metrics, as Prometheus text or OpenMetrics</li>
<li><a href="/system">/system</a>: this host as JSON</li>
<li><a href="/health">/health</a>: whether this program is well</li>
</ul>
</body>
</html>
"#
    )
}
