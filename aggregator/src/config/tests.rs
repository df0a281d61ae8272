use super::*;

fn refused(text: &str) -> String {
    match parse(text, "prometheus.yml") {
        Ok(config) => format!("accepted: {config:?}"),
        Err(error) => error.to_string(),
    }
}

fn job(text: &str) -> ScrapeConfig {
    let config = parse(text, "prometheus.yml").unwrap();
    config.scrape_configs.into_iter().next().unwrap()
}

#[test]
fn nothing_written_is_prometheus_defaults() {
    for text in [
        "",
        "# only a comment\n",
        "global:\nscrape_configs:\n",
        "rule_files:\n  # - first_rules.yml\nalerting: ~\n",
        "\u{feff}global: {}\n",
    ] {
        let config = parse(text, "prometheus.yml").unwrap();
        assert_eq!(
            config.global.scrape_interval,
            Duration::from_mins(1),
            "{text}"
        );
        assert_eq!(config.global.scrape_timeout, Duration::from_secs(10));
        assert_eq!(config.global.evaluation_interval, Duration::from_mins(1));
        assert_eq!(config.scrape_configs, []);
    }
    let job = job("scrape_configs: [{job_name: a}]");
    let expected = ScrapeConfig {
        job_name: "a".to_owned(),
        scrape_interval: Duration::from_mins(1),
        scrape_timeout: Duration::from_secs(10),
        metrics_path: "/metrics".to_owned(),
        scheme: Scheme::Http,
        params: Vec::new(),
        honor_labels: false,
        honor_timestamps: true,
        track_timestamps_staleness: false,
        enable_compression: true,
        client: HttpClient::default(),
        fallback_scrape_protocol: None,
        scrape_protocols: ScrapeProtocol::ALL.to_vec(),
        limits: Limits::default(),
        discoveries: Discoveries::default(),
        relabel_configs: Vec::new(),
        metric_relabel_configs: Vec::new(),
    };
    assert_eq!(job, expected);
}

#[test]
fn everything_written_is_read() {
    let config = parse(include_str!("tests/full.yml"), "full.yml").unwrap();
    insta::assert_debug_snapshot!("full", config);
}

#[test]
fn timeouts_and_intervals_depend_on_each_other() {
    let cases = [
        ("", "", 60, 10),
        ("scrape_interval: 5s", "", 5, 5),
        ("", "scrape_interval: 5s", 5, 5),
        (
            "scrape_interval: 30s, scrape_timeout: 20s",
            "scrape_interval: 15s",
            15,
            15,
        ),
        ("scrape_interval: 30s, scrape_timeout: 20s", "", 30, 20),
        (
            "scrape_timeout: 20s",
            "scrape_interval: 2m, scrape_timeout: 90s",
            120,
            90,
        ),
        ("", "scrape_interval: 0, scrape_timeout: 0s", 60, 10),
    ];
    for (global, own, interval, timeout) in cases {
        let text = format!("global: {{{global}}}\nscrape_configs: [{{job_name: a, {own}}}]");
        let job = job(&text);
        assert_eq!(job.scrape_interval, Duration::from_secs(interval), "{text}");
        assert_eq!(job.scrape_timeout, Duration::from_secs(timeout), "{text}");
    }
}

#[test]
fn global_limits_hold_where_a_job_sets_none() {
    let text = "global: {sample_limit: 7, body_size_limit: 1KB, label_limit: 5}\n\
                scrape_configs: [{job_name: a, sample_limit: 9, label_limit: 0}]";
    let limits = job(text).limits;
    assert_eq!(limits.sample_limit, 9);
    assert_eq!(limits.body_size_limit, 1024);
    assert_eq!(limits.label_limit, 5);
    assert_eq!(limits.label_name_length_limit, 0);
}

#[test]
fn what_prometheus_has_and_we_do_not_is_not_supported() {
    for key in UNSUPPORTED {
        assert_eq!(
            refused(&format!("{key}:\n  - a: 1\n")),
            format!("prometheus.yml:1: {key}: not supported; remove it")
        );
    }
    for key in ["kubernetes_sd_configs", "native_histogram_bucket_limit"] {
        assert_eq!(
            refused(&format!("scrape_configs:\n- job_name: a\n  {key}: []\n")),
            format!("prometheus.yml:3: scrape_configs[0].{key}: not supported; remove it")
        );
    }
}

/// Each case is a file and the whole message about it.
#[test]
fn bad_files() {
    let cases = include_str!("tests/bad.txt");
    let mut count = 0;
    for case in cases
        .split("=====\n")
        .filter(|case| !case.trim().is_empty())
    {
        let (text, expected) = case.split_once("-----\n").unwrap();
        assert_eq!(refused(text), expected.trim_end(), "for\n{text}");
        count += 1;
    }
    assert!(count > 30, "only {count} cases were found");
}

#[test]
fn a_file_wrong_everywhere_reports_a_bounded_number() {
    let lines: Vec<String> = (0..100).map(|at| format!("k{at}: 1")).collect();
    let text = lines.join("\n");
    assert_eq!(refused(&text).lines().count(), 20);
}

#[test]
fn files_are_read_or_the_reason_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.yml");
    let error = load(&path).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{}: cannot be read: ", path.display())),
        "{error}"
    );

    std::fs::write(&path, "scrape_configs:\n- job_name: a\n").unwrap();
    assert_eq!(load(&path).unwrap().scrape_configs[0].job_name, "a");

    std::fs::write(&path, b"a: 1\nb: \xff\n").unwrap();
    assert_eq!(
        load(&path).unwrap_err().to_string(),
        format!(
            "{}:2: not UTF-8; save the file as UTF-8 text",
            path.display()
        )
    );

    std::fs::write(&path, vec![b'#'; 16 * 1024 * 1024 + 1]).unwrap();
    assert_eq!(
        load(&path).unwrap_err().to_string(),
        format!(
            "{}: larger than 16 MiB, the most that is read; is it a configuration?",
            path.display()
        )
    );
}
