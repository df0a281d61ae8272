use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;

/// Whatever lines the kernel prints: their set differs between kernels and architectures.
pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let info = host.meminfo()?;
    if info.entries().is_empty() {
        return Err(CollectError::Malformed { file: "meminfo" });
    }
    for entry in info.entries() {
        let mut field: String = entry
            .name
            .replace('(', "_")
            .chars()
            .filter(|char| char.is_ascii_alphanumeric() || *char == '_')
            .collect();
        if entry.is_bytes {
            field.push_str("_bytes");
        }
        let name = format!("node_memory_{field}");
        let help = format!("Memory information field {field}.");
        let family = out.named(name, help, Kind::Gauge);
        if family.is_empty() {
            family.push(&[], entry.value as f64);
        }
    }
    Ok(())
}
