//! `/proc/cpuinfo`, which every architecture writes its own way.

use std::collections::BTreeMap;

/// The parts that some architecture has.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CpuInfo {
    /// The processor's marketing name.
    pub(crate) model: Option<String>,
    /// The current frequency of each processor in MHz.
    pub(crate) mhz: Vec<f64>,
    /// `cpu cores` of each package, summed; `None` if there are no packages.
    pub(crate) cores: Option<u64>,
}

impl CpuInfo {
    pub(crate) fn parse(text: &str) -> Self {
        let mut info = Self::default();
        let mut packages: BTreeMap<u64, u64> = BTreeMap::new();
        let (mut package, mut cores) = (None, None);
        // The blank line at the end closes the last section.
        for line in text.lines().chain([""]) {
            let Some((key, value)) = line.split_once(':') else {
                if let (Some(package), Some(cores)) = (package.take(), cores.take()) {
                    packages.insert(package, cores);
                }
                continue;
            };
            let value = value.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                "physical id" => package = value.parse().ok(),
                "cpu cores" => cores = value.parse().ok(),
                "cpu mhz" => info
                    .mhz
                    .extend(value.parse().ok().filter(|mhz: &f64| mhz.is_finite())),
                "model name" | "cpu model" | "hardware" | "cpu" if info.model.is_none() => {
                    info.model = Some(value.to_owned()).filter(|name| !name.is_empty());
                }
                _ => {}
            }
        }
        let total = packages
            .values()
            .fold(0, |sum: u64, cores| sum.saturating_add(*cores));
        info.cores = (total > 0).then_some(total);
        info
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn packages_are_counted_once() {
        let text = "processor\t: 0\nmodel name\t: Toy CPU\ncpu MHz\t\t: 2000.5\nphysical id\t: 0\n\
                    cpu cores\t: 4\n\nprocessor\t: 1\nmodel name\t: Toy CPU\ncpu MHz\t\t: 1000\n\
                    physical id\t: 0\ncpu cores\t: 4\n\nphysical id\t: 1\ncpu cores\t: 4\n";
        let info = CpuInfo::parse(text);
        assert_eq!(info.cores, Some(8));
        assert_eq!(info.mhz, [2000.5, 1000.0]);
        assert_eq!(info.model.as_deref(), Some("Toy CPU"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "((cpu cores|physical id|cpu MHz|x)\t?: ?[0-9.]{0,22}\n|.){0,9}") {
            CpuInfo::parse(&text);
        }
    }
}
