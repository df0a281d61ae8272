//! Certificates for tests.

use std::path::Path;

use crate::peers::OPENSSL;
use crate::process;

/// A certificate that vouches for itself, for the names in `subject` (`IP:127.0.0.1`): `NAME.pem`
/// and `NAME.key` in the folder.
#[track_caller]
pub fn self_signed(folder: &Path, name: &str, subject: &str) {
    let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
    let mut openssl = OPENSSL.command();
    openssl
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
        .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-keyout", &key, "-out", &certificate])
        .args(["-subj", "/CN=test", "-addext"])
        .arg(format!("subjectAltName={subject}"))
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .current_dir(folder);
    let made = process::run(&mut openssl);
    assert_eq!(made.code, Some(0), "{made:?}");
}
