//! Programs at their hooks: loaded, attached, and one put in the place of another.

use aya::{
    Ebpf,
    programs::{
        BtfTracePoint, FEntry, Program as Loaded, ProgramError, fentry::FEntryLinkId,
        tp_btf::BtfTracePointLinkId,
    },
};

use super::{
    Error, Options, Probe, ProbeSet, State,
    load::permission,
    plan::Plan,
    process,
    programs::{HOOKS, Program, Way, programs, serving},
};

/// Loads the programs that the plan needs, and the options allow.
pub(super) fn load_programs(
    object: &mut Ebpf,
    kernel: &aya::Btf,
    plan: &Plan,
    options: &Options,
) -> Result<(), Error> {
    for program in programs(plan.wanted(), |hook| plan.way(hook)) {
        if options.detaches(program.hook) {
            continue;
        }
        let loaded = match program.function {
            Some(function) => fentry(object, program.name)?.load(function, kernel),
            None => tracepoint(object, program.name)?.load(program.hook, kernel),
        };
        loaded.map_err(|source| refused(program.name, source))?;
    }
    if plan.wanted().has(Probe::Processes) {
        process::iterator(object)?
            .load("task", kernel)
            .map_err(|source| refused(process::NAME, source))?;
    }
    Ok(())
}

/// Attaches what is loaded; what cannot be attached takes its probes down, wholly or in part. The
/// hooks that can be used from here on.
pub(super) fn attach(object: &mut Ebpf, plan: &mut Plan, options: &Options) -> Vec<Hook> {
    let wanted = plan.wanted();
    let mut hooks = Vec::new();
    for name in HOOKS {
        let mut hook = Hook::new(name, plan.way(name));
        let done = if options.detaches(name) {
            Err(format!("hook {name} is left detached"))
        } else {
            let served = hook.serve(object, wanted);
            served.map_err(|error| error.to_string())
        };
        let Err(failure) = done else {
            hooks.push(hook);
            continue;
        };
        let of_hook = |probe: &Probe| wanted.has(*probe) && probe.hooks().contains(&name);
        for probe in Probe::ALL.into_iter().filter(of_hook) {
            plan.lose(probe, name, &failure);
        }
    }
    let is_there = |hook: &str| hooks.iter().any(|there| there.name == hook);
    for probe in Probe::ALL.into_iter().filter(|probe| wanted.has(*probe)) {
        let needed = probe.hooks();
        if !needed.is_empty() && !needed.iter().any(|hook| is_there(hook)) {
            plan.lower(probe, State::Off, "nothing is left of it");
        }
    }
    plan.depend();
    hooks
}

/// Loads and attaches a program that is not called like its hook.
pub(super) fn program_on(
    object: &mut Ebpf,
    name: &'static str,
    hook: &str,
    kernel: &aya::Btf,
) -> Result<(), Error> {
    let program = tracepoint(object, name)?;
    program
        .load(hook, kernel)
        .map_err(|source| refused(name, source))?;
    program.attach().map_err(|source| refused(name, source))?;
    Ok(())
}

fn tracepoint<'a>(
    object: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut BtfTracePoint, Error> {
    typed(object, name)
}

fn fentry<'a>(object: &'a mut Ebpf, name: &'static str) -> Result<&'a mut FEntry, Error> {
    typed(object, name)
}

/// A program of the loaded object.
fn typed<'a, P>(object: &'a mut Ebpf, name: &'static str) -> Result<&'a mut P, Error>
where
    &'a mut P: TryFrom<&'a mut Loaded>,
{
    object
        .program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or(Error::Missing {
            what: "program",
            name,
        })
}

pub(super) fn refused(name: &'static str, source: ProgramError) -> Error {
    let reason = match &source {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let log = verifier_log.to_string();
            // The verifier ends with its statistics; the line before says what it refused.
            let is_statistics = |line: &str| {
                ["processed ", "stack depth ", "verification time "]
                    .iter()
                    .any(|start| line.starts_with(start))
            };
            let line = log
                .lines()
                .rev()
                .find(|line| !is_statistics(line) && !line.trim().is_empty());
            format!(
                "{io_error}, {}",
                line.unwrap_or_else(|| permission(io_error))
            )
        }
        other => other.to_string(),
    };
    Error::Program {
        name,
        reason,
        source: Box::new(source),
    }
}

/// What holds a program at its hook.
enum Link {
    Tracepoint(BtfTracePointLinkId),
    Function(FEntryLinkId),
}

impl Link {
    fn attach(object: &mut Ebpf, program: &Program) -> Result<Self, Error> {
        let link = match program.function {
            Some(_) => fentry(object, program.name)?.attach().map(Self::Function),
            None => tracepoint(object, program.name)?
                .attach()
                .map(Self::Tracepoint),
        };
        link.map_err(|source| refused(program.name, source))
    }

    fn detach(self, object: &mut Ebpf, name: &'static str) -> Result<(), Error> {
        let detached = match self {
            Self::Function(link) => fentry(object, name)?.detach(link),
            Self::Tracepoint(link) => tracepoint(object, name)?.detach(link),
        };
        detached.map_err(|source| refused(name, source))
    }
}

/// A hook with what is attached there.
pub(super) struct Hook {
    name: &'static str,
    way: Way,
    attached: Option<(&'static Program, Link)>,
}

impl Hook {
    /// A hook where nothing is attached.
    const fn new(name: &'static str, way: Way) -> Self {
        Self {
            name,
            way,
            attached: None,
        }
    }

    /// Attaches the program that serves these probes, and only then detaches the one before, so that
    /// what both serve goes on.
    pub(super) fn serve(&mut self, object: &mut Ebpf, on: ProbeSet) -> Result<(), Error> {
        let wanted = serving(self.name, self.way, on);
        if wanted == self.program() {
            return Ok(());
        }
        let next = wanted
            .map(|wanted| Ok::<_, Error>((wanted, Link::attach(object, wanted)?)))
            .transpose()?;
        if let Some((before, link)) = std::mem::replace(&mut self.attached, next) {
            link.detach(object, before.name)?;
        }
        Ok(())
    }

    /// The program that is attached.
    pub(super) fn program(&self) -> Option<&'static Program> {
        self.attached.as_ref().map(|(program, _)| *program)
    }
}
