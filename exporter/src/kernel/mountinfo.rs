//! `/proc/PID/mountinfo` (`proc_pid_mountinfo(5)`).

/// One mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Device numbers as the kernel writes them, `8:1`.
    pub(crate) major: String,
    pub(crate) minor: String,
    pub(crate) device: String,
    pub(crate) mountpoint: String,
    pub(crate) fstype: String,
    /// Whether the mount or the file system under it is read-only.
    pub(crate) is_read_only: bool,
}

/// Every line that describes a mount.
pub(crate) fn parse(text: &str) -> Vec<Mount> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Mount> {
    // The number of optional fields varies; a lone hyphen ends them.
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut mount = mount.split(' ');
    let (major, minor) = mount.nth(2)?.split_once(':')?;
    let mountpoint = unescape(mount.nth(1)?);
    let options = mount.next()?;
    let mut filesystem = filesystem.split(' ');
    let fstype = filesystem.next()?.to_owned();
    let device = unescape(filesystem.next()?);
    let super_options = filesystem.next().unwrap_or_default();
    let is_read_only = [options, super_options]
        .iter()
        .any(|list| list.split(',').any(|option| option == "ro"));
    (!mountpoint.is_empty()).then(|| Mount {
        major: major.to_owned(),
        minor: minor.to_owned(),
        device,
        mountpoint,
        fstype,
        is_read_only,
    })
}

/// Undoes the octal escapes that the kernel writes for space, tab, line feed and backslash.
fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let octal = rest.get(at + 1..at + 4);
        let code = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(code) = code.filter(u8::is_ascii) {
            out.push(char::from(code));
            rest = &rest[at + 4..];
        } else {
            out.push('\\');
            rest = &rest[at + 1..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn optional_fields_and_escapes_are_understood() {
        let text = "36 35 98:0 /mnt1 /mnt/a\\040b rw,noatime master:1 shared:2 - ext3 /dev/root \
                    rw,errors=continue\n25 1 254:0 / / ro - ext4 /dev/vda rw\n22 junk\n";
        let mounts = parse(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0].mountpoint, "/mnt/a b");
        assert_eq!(
            (mounts[0].major.as_str(), mounts[0].minor.as_str()),
            ("98", "0")
        );
        assert!(!mounts[0].is_read_only);
        assert_eq!(mounts[1].device, "/dev/vda");
        assert!(mounts[1].is_read_only);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "([0-9]{1,3} ){2}[0-9]:[0-9] [^\n]{0,40} - .*|.*") {
            parse(&text);
        }

        #[test]
        fn text_without_escapes_is_kept(text in "[^\\\\]*") {
            prop_assert_eq!(unescape(&text), text);
        }

        #[test]
        fn escapes_never_panic(text in "(\\\\[0-9]{0,3}|é|x){0,8}") {
            unescape(&text);
        }
    }
}
