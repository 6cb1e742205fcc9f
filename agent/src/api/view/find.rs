//! Which workload does the user mean?

use super::Workload;
use crate::api::Refusal;

/// Names that are shown when none or several fit.
const SHOWN: usize = 5;

/// The one workload that `wanted` means: its path, its name, what either ends in after a slash, or a
/// part of either that no other workload has.
///
/// # Errors
/// [`Refusal::NotFound`] when none fits, with the nearest names; [`Refusal::Invalid`] when several
/// do, with theirs.
pub fn find<'a>(workloads: &'a [Workload], wanted: &str) -> Result<&'a Workload, Refusal> {
    if wanted.is_empty() {
        return Err(Refusal::Invalid("the workload's name is empty".to_owned()));
    }
    let exact = |workload: &&Workload| workload.path == wanted;
    let named = |workload: &&Workload| workload.name == wanted;
    // A plain group is called by all of its path, a container after its pod.
    let ends = |text: &str| {
        let before = text.strip_suffix(wanted);
        before.is_some_and(|before| before.ends_with('/'))
    };
    let last = |workload: &&Workload| ends(&workload.name) || ends(&workload.path);
    let partly =
        |workload: &&Workload| workload.name.contains(wanted) || workload.path.contains(wanted);
    let fits: [&dyn Fn(&&Workload) -> bool; 4] = [&exact, &named, &last, &partly];
    for fit in fits {
        let found: Vec<_> = workloads.iter().filter(fit).collect();
        match found[..] {
            [] => {}
            [one] => return Ok(one),
            _ => return Err(ambiguous(&found, wanted)),
        }
    }
    Err(unknown(workloads, wanted))
}

fn ambiguous(found: &[&Workload], wanted: &str) -> Refusal {
    let mut paths: Vec<_> = found
        .iter()
        .take(SHOWN)
        .map(|workload| workload.path.as_str())
        .collect();
    if found.len() > SHOWN {
        paths.push("...");
    }
    Refusal::Invalid(format!(
        "`{wanted}` fits {} workloads; say which by its path: {}",
        found.len(),
        paths.join(", ")
    ))
}

fn unknown(workloads: &[Workload], wanted: &str) -> Refusal {
    let mut near: Vec<_> = workloads
        .iter()
        .filter_map(|workload| Some((likeness(&workload.name, wanted)?, workload.name.as_str())))
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let names: Vec<_> = near.iter().take(SHOWN).map(|&(_, name)| name).collect();
    let hint = if names.is_empty() {
        "`trimtab workloads` lists them".to_owned()
    } else {
        format!("did you mean {}?", names.join(", "))
    };
    Refusal::NotFound(format!("no workload is called `{wanted}`; {hint}"))
}

/// How alike two names are; `None` when one is hardly the other, mistyped. One measure knows names
/// that begin alike, the other letters that changed places.
fn likeness(name: &str, wanted: &str) -> Option<f64> {
    let (begin, typo) = (
        strsim::jaro_winkler(name, wanted),
        strsim::normalized_damerau_levenshtein(name, wanted),
    );
    (begin > 0.8 || typo > 0.6).then(|| begin.max(typo))
}
