//! Tells the truth about one host: node_exporter-compatible metrics, the /system JSON and /health.
