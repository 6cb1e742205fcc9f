//! `shadow` in `[[policy]]`.

use serde_spanned::Spanned;

use super::Checker;
use crate::config::{raw, report::instead_of, schema::Policy};

/// What the policies of a file name as their shadows.
pub(super) fn shadows(policies: &[Spanned<raw::Policy>]) -> Vec<Spanned<String>> {
    let shadows = policies.iter().map(|policy| &policy.get_ref().shadow);
    shadows.flatten().cloned().collect()
}

impl Checker<'_> {
    /// Whether each shadow, of which these are the keys, is one that its policy can be compared with.
    pub(super) fn shadows(&mut self, keys: &[Spanned<String>], policies: &[Policy]) {
        let shadowed = policies.iter().filter(|policy| policy.shadow.is_some());
        for (key, policy) in keys.iter().zip(shadowed) {
            self.shadow(key, policy, policies);
        }
    }

    fn shadow(&mut self, key: &Spanned<String>, policy: &Policy, policies: &[Policy]) {
        let name = key.get_ref();
        let others = policies.iter().filter(|other| other.name != policy.name);
        let others: Vec<_> = others.collect();
        let Some(&shadow) = others.iter().find(|other| other.name == *name) else {
            let known: Vec<_> = others.iter().map(|other| other.name.as_str()).collect();
            let (message, remedy) = if policy.name == *name {
                let remedy = "write another policy, which need not select anything, and name that";
                (
                    "a policy cannot be its own shadow".to_owned(),
                    remedy.to_owned(),
                )
            } else if known.is_empty() {
                let remedy = "write a policy that is called so; it need not select anything";
                (format!("no policy is called `{name}`"), remedy.to_owned())
            } else {
                let remedy = instead_of(name, &known);
                (format!("no policy is called `{name}`"), remedy)
            };
            self.wrong(key.span(), message, remedy);
            return;
        };
        if policy.cpu.is_none() || shadow.cpu.is_none() {
            let idle = if policy.cpu.is_none() { policy } else { shadow };
            self.wrong(
                key.span(),
                format!(
                    "shadows are about limits of CPU, and `{}` sets none",
                    idle.name
                ),
                "have it manage CPU by a limit, or remove `shadow`",
            );
        }
        let objectives = policy.kind.objective().zip(shadow.kind.objective());
        if objectives.is_some_and(|(ours, theirs)| ours != theirs) {
            self.wrong(
                key.span(),
                format!("`{name}` has another objective, and for a workload only one is counted"),
                "give both policies the same objective",
            );
        }
    }
}
