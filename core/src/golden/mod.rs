//! Runs the golden cases (inputs and expected outputs from PyTorch in float64) on any device, native or in a page.
//!
//! The caller brings the files' bytes and shows the report; no value of a particular folder is known here, so any folder of
//! the same form is tested as strictly. Without this the backends could agree with each other and both be wrong.

mod attack;
mod bench;
mod case;
mod check;
mod corruption;
mod host;
mod kernels;
mod net;

use std::fmt;

use serde::Serialize;

pub use case::{Case, Tensors};
pub use check::{HOST_TOLERANCE, JPEG_TOLERANCE, LAYER_TOLERANCE, PIXEL_TOLERANCE, STEPS_TOLERANCE};

use crate::device::Device;
use crate::error::{Error, Result};
use bench::Bench;

/// The list of cases in a folder.
pub const INDEX: &str = "golden.json";

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Everything within tolerance; the largest relative error seen.
    Passed(f64),
    /// What was wrong, by tensor; or the error that stopped it.
    Failed(String),
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseReport {
    /// E.g. `conv2d-3`, `erk-vgg16_c10-0.2`.
    pub name: String,
    /// What became of it.
    pub finding: Finding,
}

/// All cases of a folder. Its text closes with `N passed, N failed`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// In the order of the index.
    pub cases: Vec<CaseReport>,
}

impl Report {
    /// Number of cases that passed.
    pub fn passed(&self) -> usize {
        self.cases.iter().filter(|c| matches!(c.finding, Finding::Passed(_))).count()
    }
    /// Names and reasons of the cases that failed.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cases.iter().filter_map(|c| match &c.finding {
            Finding::Failed(reason) => Some((c.name.as_str(), reason.as_str())),
            _ => None,
        })
    }
    /// True where something passed and nothing failed.
    pub fn succeeded(&self) -> bool {
        self.passed() > 0 && self.failures().next().is_none()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, reason) in self.failures() {
            writeln!(f, "{name}: {reason}")?;
        }
        write!(f, "{} passed, {} failed", self.passed(), self.failures().count())
    }
}

/// Runs every case of a folder on a device. `read` gives the bytes of a file of the folder by its name.
///
/// # Errors
/// Where the index itself cannot be read; whatever is wrong with a case makes that case fail.
pub async fn run(read: &dyn Fn(&str) -> Result<Vec<u8>>, device: &mut Device) -> Result<Report> {
    let mut report = Report::default();
    for case in Case::list(&read(INDEX)?)? {
        let finding = match run_case(&case, read, device).await {
            Ok(finding) => finding,
            Err(error) => Finding::Failed(error.to_string()),
        };
        report.cases.push(CaseReport { name: case.name(), finding });
    }
    Ok(report)
}

async fn run_case(case: &Case, read: &dyn Fn(&str) -> Result<Vec<u8>>, device: &mut Device) -> Result<Finding> {
    let tensors = || Tensors::parse(case.file()?, &read(case.file()?)?);
    match case.kind() {
        "schedules" => host::schedules(case),
        "erk" => host::erk(case),
        "topology" => host::topology(case, &tensors()?),
        "global-magnitude" => host::global_magnitude(case, &tensors()?),
        "net" => net::run(case, &tensors()?, device).await,
        kind @ ("conv2d" | "linear" | "batchnorm" | "scores" | "optimizer") => {
            let tensors = tensors()?;
            let mut bench = Bench::new(device);
            let finding = match kind {
                "conv2d" | "linear" => kernels::convolution(case, &tensors, &mut bench).await,
                "batchnorm" => kernels::batchnorm(case, &tensors, &mut bench).await,
                "scores" => kernels::scores(&tensors, &mut bench).await,
                _ => kernels::optimizer(case, &tensors, &mut bench).await,
            };
            bench.clear();
            finding
        }
        "forgetting" => host::forgetting(&tensors()?),
        "attack" => attack::run(case, &tensors()?, device).await,
        "corruption" => corruption::run(case, &tensors()?),
        kind => Err(Error::unknown_name(
            "golden case",
            kind,
            "attack, batchnorm, conv2d, corruption, erk, forgetting, global-magnitude, linear, net, optimizer, schedules, \
                    scores, topology",
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn report(index: &str) -> Result<Report> {
        let read = |name: &str| match name {
            INDEX => Ok(index.as_bytes().to_vec()),
            _ => Err(Error::format(name, "a file", "nothing")),
        };
        pollster::block_on(run(&read, &mut Device::oracle()))
    }

    #[test]
    fn an_unknown_kind_and_a_missing_file_fail() {
        let report = report(r#"[{"kind": "telepathy"}, {"kind": "linear", "name": "0", "file": "missing"}]"#).unwrap();
        assert_eq!(report.failures().map(|f| f.0).collect::<Vec<_>>(), ["telepathy", "linear-0"]);
        assert!(report.to_string().ends_with("0 passed, 2 failed"));
        assert!(!report.succeeded());
    }

    #[test]
    fn wrong_numbers_fail() {
        let erk = |density: &str| {
            report(&format!(r#"[{{"kind": "erk", "model": "m", "density": 0.5, "shapes": [[4, 4]], "densities": [{density}]}}]"#)).unwrap()
        };
        assert!(erk("0.5").succeeded());
        assert!(!erk("0.50001").succeeded());
    }

    #[test]
    fn a_broken_index_is_an_error() {
        assert!(report("{}").is_err());
        assert!(report("[{}]").is_err());
        assert!(report("nonsense").is_err());
        assert!(!report("[]").unwrap().succeeded(), "nothing tested is no success");
    }
}
