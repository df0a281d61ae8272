use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;

/// Since 6.13 the kernel counts the tasks that its detector of hung tasks found.
pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let file = "sys/kernel/hung_task_detect_count";
    let text = host.files.proc(file)?;
    let count: u64 = text
        .trim()
        .parse()
        .map_err(|_| CollectError::Malformed { file })?;
    out.single(
        "node_kernel_hung_tasks_total",
        "Total number of tasks that have been detected as hung since the system boot.",
        Kind::Counter,
        count as f64,
    );
    Ok(())
}
