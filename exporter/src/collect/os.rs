use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;
use crate::kernel::os_release;

/// The places where distributions keep it, in order (`os-release(5)`).
const PLACES: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let text = PLACES
        .iter()
        .find_map(|place| host.files.root_rarely(place).ok());
    let text = text.ok_or(CollectError::NoData)?;
    let release = os_release::parse(&text);
    let value = |key: &str| release.get(key).map_or("", String::as_str);
    let labels = [
        ("build_id", value("BUILD_ID")),
        ("id", value("ID")),
        ("id_like", value("ID_LIKE")),
        ("image_id", value("IMAGE_ID")),
        ("image_version", value("IMAGE_VERSION")),
        ("name", value("NAME")),
        ("pretty_name", value("PRETTY_NAME")),
        ("variant", value("VARIANT")),
        ("variant_id", value("VARIANT_ID")),
        ("version", value("VERSION")),
        ("version_codename", value("VERSION_CODENAME")),
        ("version_id", value("VERSION_ID")),
    ];
    let names: Vec<&str> = labels.iter().map(|(name, _)| *name).collect();
    let help = format!(
        "A metric with a constant '1' value labeled by {}.",
        names.join(", ")
    );
    out.add("node_os_info", help, Kind::Gauge)
        .push(&labels, 1.0);
    if let Some(version) = os_release::version_number(value("VERSION_ID")) {
        out.add(
            "node_os_version",
            "Metric containing the major.minor part of the OS version.",
            Kind::Gauge,
        )
        .push(
            &[
                ("id", value("ID")),
                ("id_like", value("ID_LIKE")),
                ("name", value("NAME")),
            ],
            version,
        );
    }
    Ok(())
}
