//! The laws by the names that people type: `vpa`, `captain:0.1`.

use super::{autopilot, captain, k8s_cpu, koordinator, senpai, static_limits, threshold, vpa};
use crate::node::Controller;
use crate::signal::Nanos;

/// One law that can be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Baseline {
    /// What is typed.
    pub name: &'static str,
    /// What may follow the name and a colon, and its range; `None` for nothing.
    pub parameter: Option<Parameter>,
    make: fn(f64) -> Box<dyn Controller + Send>,
}

/// A number that may be given with a name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// What it is.
    pub about: &'static str,
    /// What it is if it is not given.
    pub default: f64,
    /// The least it may be.
    pub least: f64,
    /// The most it may be.
    pub most: f64,
}

/// A law that cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unknown {
    /// There is none of that name.
    #[error("no law is called `{0}`; there are {names}", names = names())]
    Name(String),
    /// It takes no number.
    #[error("`{0}` takes no number")]
    NoParameter(&'static str),
    /// What was given is no number, or is out of range.
    #[error("`{name}` takes {about} from {least} to {most}, not `{given}`", about = parameter.about, least = parameter.least, most = parameter.most)]
    Parameter {
        /// Of which law.
        name: &'static str,
        /// What it takes.
        parameter: Parameter,
        /// What was given.
        given: String,
    },
}

/// A target utilisation.
const fn utilisation(default: f64) -> Parameter {
    Parameter {
        about: "a target utilisation",
        default,
        least: 0.01,
        most: 1.0,
    }
}

/// Every law with its published defaults, in the order in which tables list them.
const ALL: [Baseline; 11] = [
    Baseline {
        name: "static",
        parameter: Some(Parameter {
            about: "a time to learn in seconds",
            default: 86_400.0,
            least: 0.0,
            most: 31_536_000.0,
        }),
        make: |seconds| {
            let learn = super::number::whole(seconds);
            Box::new(static_limits::StaticLimits::new(static_limits::Params {
                learn: Nanos(learn * Nanos::SECOND.0),
                ..Default::default()
            }))
        },
    },
    plain("threshold", |_| Box::new(threshold::Threshold::default())),
    Baseline {
        name: "k8s-cpu",
        parameter: Some(utilisation(0.5)),
        make: |target| {
            let params = k8s_cpu::Params::slow();
            Box::new(k8s_cpu::K8sCpu::new(k8s_cpu::Params { target, ..params }))
        },
    },
    Baseline {
        name: "k8s-cpu-fast",
        parameter: Some(utilisation(0.6)),
        make: |target| {
            let params = k8s_cpu::Params::fast();
            Box::new(k8s_cpu::K8sCpu::new(k8s_cpu::Params { target, ..params }))
        },
    },
    plain("vpa", |_| Box::new(vpa::Vpa::default())),
    plain("vpa-in-place", |_| {
        Box::new(vpa::Vpa::new(vpa::Params {
            name: "vpa-in-place",
            update: vpa::Update::InPlace,
            ..Default::default()
        }))
    }),
    plain("vpa-before-2025", |_| {
        Box::new(vpa::Vpa::new(vpa::Params {
            name: "vpa-before-2025",
            weight: vpa::Weight::Request,
            ..Default::default()
        }))
    }),
    plain("autopilot", |_| Box::new(autopilot::Autopilot::default())),
    Baseline {
        name: "captain",
        parameter: Some(Parameter {
            about: "a part of throttled periods",
            default: 0.1,
            least: 0.0,
            most: 1.0,
        }),
        make: |target| {
            Box::new(captain::Captain::new(captain::Params {
                target,
                ..Default::default()
            }))
        },
    },
    plain("koordinator", |_| {
        Box::new(koordinator::Koordinator::default())
    }),
    plain("senpai", |_| Box::new(senpai::Senpai::default())),
];

/// A law that takes no number.
const fn plain(name: &'static str, make: fn(f64) -> Box<dyn Controller + Send>) -> Baseline {
    Baseline {
        name,
        parameter: None,
        make,
    }
}

impl Baseline {
    /// Makes it, with its parameter's default.
    #[must_use]
    pub fn make(&self) -> Box<dyn Controller + Send> {
        (self.make)(self.parameter.map_or(0.0, |parameter| parameter.default))
    }
}

/// Every law that can be chosen.
#[must_use]
pub const fn all() -> &'static [Baseline] {
    &ALL
}

/// Makes the law that is meant by `name` or `name:number`.
///
/// # Errors
/// When there is no such law, or it does not take that number.
pub fn named(text: &str) -> Result<Box<dyn Controller + Send>, Unknown> {
    let (name, given) = match text.split_once(':') {
        Some((name, given)) => (name, Some(given)),
        None => (text, None),
    };
    let baseline = ALL
        .iter()
        .find(|baseline| baseline.name == name)
        .ok_or_else(|| Unknown::Name(name.to_owned()))?;
    let Some(given) = given else {
        return Ok(baseline.make());
    };
    let Some(parameter) = baseline.parameter else {
        return Err(Unknown::NoParameter(baseline.name));
    };
    match given.parse::<f64>() {
        Ok(value) if (parameter.least..=parameter.most).contains(&value) => {
            Ok((baseline.make)(value))
        }
        _ => Err(Unknown::Parameter {
            name: baseline.name,
            parameter,
            given: given.to_owned(),
        }),
    }
}

fn names() -> String {
    let names: Vec<_> = ALL.iter().map(|baseline| baseline.name).collect();
    names.join(", ")
}
