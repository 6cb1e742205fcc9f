//! `[[policy]]`.

use std::{
    collections::HashMap,
    ops::{Range, RangeInclusive},
};

use serde_spanned::Spanned;
use trimtab_core::{
    decide::{Bounds, Headroom, Objective, Policy as Kind, Predictive, Slo, Threshold},
    signal::Nanos,
};

use super::{Checker, shadow::shadows};
use crate::config::{
    raw,
    schema::{Identity, Policy},
    select::Selector,
    units::Share,
};

/// The longest that anything in a policy may last.
pub(super) const LONGEST: Nanos = Nanos(24 * 60 * Nanos::MINUTE.0);

/// Between which times a latency objective may be: what is measured is in microseconds.
const OBJECTIVES: RangeInclusive<Nanos> = Nanos(10_000)..=Nanos::MINUTE;

/// The furthest that a policy may look ahead: forecasts are judged by what came in the next few minutes.
const LONGEST_LEAD: Nanos = Nanos(60 * Nanos::MINUTE.0);

impl Checker<'_> {
    pub(super) fn policies(
        &mut self,
        raw: Vec<Spanned<raw::Policy>>,
        identity: &Identity,
    ) -> Vec<Policy> {
        let mut lines: HashMap<String, usize> = HashMap::new();
        let mut policies: Vec<Policy> = Vec::new();
        let shadows = shadows(&raw);
        for policy in raw {
            let span = policy.span();
            let policy = policy.into_inner();
            let name = self.name(policy.name.as_ref(), span.clone(), &mut lines);
            let is_shadow = shadows.iter().any(|shadow| *shadow.get_ref() == name);
            let select = self.select(&policy, is_shadow, span.clone());
            let matching = self.matching(policy.r#match.as_ref(), identity);
            let place = policy.select.as_ref().map_or(span, Spanned::span);
            let policy = Policy {
                matching,
                ..self.policy(policy, name, select)
            };
            self.reached(place, &policy, &policies);
            policies.push(policy);
        }
        self.shadows(&shadows, &policies);
        policies
    }

    /// A name that explanations can use: there, plain, and only once.
    fn name(
        &mut self,
        key: Option<&Spanned<String>>,
        policy: Range<usize>,
        lines: &mut HashMap<String, usize>,
    ) -> String {
        let Some(key) = key else {
            self.wrong(
                policy,
                "the policy has no name",
                "add name = \"...\": explanations call it by that",
            );
            return String::new();
        };
        let name = key.get_ref().clone();
        if name.is_empty()
            || !name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        {
            self.wrong(
                key.span(),
                format!("`{name}` is no name"),
                "use letters, digits, `.`, `_` and `-`, at least one of them",
            );
        } else if name == Policy::RUN {
            self.wrong(
                key.span(),
                format!("`{name}` is the built-in policy of `trimtab run`"),
                "choose another name",
            );
        } else if let Some(line) = lines.get(&name) {
            self.wrong(
                key.span(),
                format!("a second policy is called `{name}`"),
                format!("the first stands on line {line}: rename one of the two"),
            );
        } else {
            lines.insert(
                name.clone(),
                self.source[..key.span().start].matches('\n').count() + 1,
            );
        }
        name
    }

    /// One that is another's shadow need not select anything.
    fn select(&mut self, policy: &raw::Policy, is_shadow: bool, place: Range<usize>) -> Selector {
        let Some(key) = &policy.select else {
            if policy.r#match.is_none() && !is_shadow {
                self.wrong(
                    place,
                    "the policy selects nothing",
                    "add select = [\"/path/of/cgroups/*\"], or match = { unit = \"nginx.service\" }",
                );
            }
            return Selector::default();
        };
        if key.get_ref().is_empty() {
            self.wrong(
                key.span(),
                "the list is empty: the policy selects nothing",
                "name cgroups, such as [\"/system.slice/*.service\"], or remove the policy",
            );
        }
        self.selector(key.get_ref())
    }

    /// The first policy that selects a cgroup has it, so one whose every pattern stands in an
    /// earlier one that asks for nothing else has nothing.
    fn reached(&mut self, place: Range<usize>, policy: &Policy, earlier: &[Policy]) {
        let patterns = policy.select.patterns();
        let all = |other: &&Policy| {
            let theirs = other.select.patterns();
            let any = theirs.is_empty() || theirs.iter().any(|pattern| pattern == "/**");
            let as_much = other.matching.is_none() || other.matching == policy.matching;
            let paths = !patterns.is_empty() && patterns.iter().all(|one| theirs.contains(one));
            as_much && (any || paths)
        };
        // One that selects nothing at all has been called wrong before.
        let selects =
            |policy: &&Policy| !policy.select.patterns().is_empty() || policy.matching.is_some();
        if selects(&policy)
            && let Some(policy) = earlier.iter().filter(selects).find(all)
        {
            self.wrong(
                place,
                format!(
                    "nothing is left to select: `{}` above has all of this",
                    policy.name
                ),
                "the first policy that selects a cgroup has it: put the narrower one first",
            );
        }
    }

    fn policy(&mut self, raw: raw::Policy, name: String, select: Selector) -> Policy {
        let default = Policy::new(name, select);
        let kind = self.kind(&raw);
        let (cpu, by_weight) = self.cpu(&raw);
        let memory = self.memory(&raw);
        let (cpu, memory) = self.visible(&raw, cpu, memory);
        if let Some(key) = raw
            .resources
            .as_ref()
            .filter(|key| key.get_ref().is_empty())
        {
            self.wrong(
                key.span(),
                "the policy manages no resource",
                "name \"cpu\", \"memory\" or both",
            );
        }
        let entitlement = self.entitlement(&raw);
        let pace = self.pace(&raw);
        Policy {
            mode: raw.mode.map_or(default.mode, Spanned::into_inner),
            shadow: raw.shadow.map(Spanned::into_inner),
            kind,
            entitlement,
            by_weight,
            cpu: cpu.map(&pace),
            memory: memory.map(&pace),
            ..default
        }
    }

    /// How fast limits may move, which is one for both resources.
    fn pace(&mut self, raw: &raw::Policy) -> impl Fn(Bounds<Share>) -> Bounds<Share> + use<> {
        let default = Bounds::default();
        let longest = Nanos(0)..=LONGEST;
        let trim = raw.trim.as_ref().map_or(default.trim, |key| *key.get_ref());
        let warm_up = self.duration(
            raw.warm_up.as_ref(),
            "warm_up",
            longest.clone(),
            default.warm_up,
        );
        let cooldown = self.duration(
            raw.cooldown.as_ref(),
            "cooldown",
            longest.clone(),
            default.cooldown,
        );
        let cut_interval = self.duration(
            raw.cut_interval.as_ref(),
            "cut_interval",
            longest,
            default.cut_interval,
        );
        let largest_cut = self.whole(
            raw.largest_cut.as_ref(),
            "largest_cut",
            1..=90,
            default.largest_cut,
        );
        let use_headroom = self.whole(
            raw.use_headroom.as_ref(),
            "use_headroom",
            0..=1000,
            default.use_headroom,
        );
        let lifts_per_minute = self.whole(
            raw.lifts_per_minute.as_ref(),
            "lifts_per_minute",
            1..=6000,
            default.lifts_per_minute,
        );
        let changes_per_minute = self.whole(
            raw.changes_per_minute.as_ref(),
            "changes_per_minute",
            1..=60,
            default.changes_per_minute,
        );
        move |bounds| Bounds {
            lifts_per_minute,
            changes_per_minute,
            trim,
            warm_up,
            largest_cut,
            cooldown,
            cut_interval,
            use_headroom,
            ..bounds
        }
    }

    fn kind(&mut self, raw: &raw::Policy) -> Kind {
        let kind = raw
            .kind
            .as_ref()
            .map_or(raw::Kind::Headroom, |key| *key.get_ref());
        let headroom = [
            ("percentile", raw.percentile.as_ref().map(Spanned::span)),
            ("window", raw.window.as_ref().map(Spanned::span)),
            ("margin", raw.margin.as_ref().map(Spanned::span)),
        ];
        let predictive = [
            ("lead", raw.lead.as_ref().map(Spanned::span)),
            ("coverage", raw.coverage.as_ref().map(Spanned::span)),
        ];
        let slo = [
            ("request_p99", raw.request_p99.as_ref().map(Spanned::span)),
            (
                "run_queue_p99",
                raw.run_queue_p99.as_ref().map(Spanned::span),
            ),
        ];
        let threshold = [
            ("high", raw.high.as_ref().map(Spanned::span)),
            ("low", raw.low.as_ref().map(Spanned::span)),
            ("for", raw.r#for.as_ref().map(Spanned::span)),
            ("factor", raw.factor.as_ref().map(Spanned::span)),
        ];
        match kind {
            raw::Kind::Headroom => {
                self.of_other_kind(&predictive, "headroom", "predictive");
                self.of_other_kind(&slo, "headroom", "slo");
                self.of_other_kind(&threshold, "headroom", "threshold");
                Kind::Headroom(self.headroom(raw))
            }
            raw::Kind::Predictive => {
                self.of_other_kind(&slo, "predictive", "slo");
                self.of_other_kind(&threshold, "predictive", "threshold");
                self.predictive(raw)
            }
            raw::Kind::Slo => {
                self.of_other_kind(&predictive, "slo", "predictive");
                self.of_other_kind(&threshold, "slo", "threshold");
                self.slo(raw)
            }
            raw::Kind::Threshold => {
                self.of_other_kind(&headroom, "threshold", "headroom");
                self.of_other_kind(&slo, "threshold", "slo");
                self.of_other_kind(&predictive, "threshold", "predictive");
                self.threshold(raw)
            }
        }
    }

    fn of_other_kind(&mut self, keys: &[(&str, Option<Range<usize>>)], this: &str, other: &str) {
        for (name, span) in keys {
            if let Some(span) = span {
                self.wrong(
                    span.clone(),
                    format!("`{name}` belongs to kind = \"{other}\", and this policy is of kind \"{this}\""),
                    format!("remove `{name}`, or write kind = \"{other}\""),
                );
            }
        }
    }

    fn headroom(&mut self, raw: &raw::Policy) -> Headroom {
        let default = Headroom::default();
        Headroom {
            percentile: self.whole(
                raw.percentile.as_ref(),
                "percentile",
                1..=100,
                default.percentile,
            ),
            window: self.duration(
                raw.window.as_ref(),
                "window",
                Nanos(5 * Nanos::SECOND.0)..=LONGEST,
                default.window,
            ),
            margin: self.whole(raw.margin.as_ref(), "margin", 0..=1000, default.margin),
        }
    }

    fn predictive(&mut self, raw: &raw::Policy) -> Kind {
        let default = Predictive::default();
        Kind::Predictive(Predictive {
            reactive: self.headroom(raw),
            lead: self.duration(
                raw.lead.as_ref(),
                "lead",
                Nanos(0)..=LONGEST_LEAD,
                default.lead,
            ),
            coverage: self.whole(raw.coverage.as_ref(), "coverage", 50..=99, default.coverage),
        })
    }

    fn slo(&mut self, raw: &raw::Policy) -> Kind {
        let keys = [
            ("request_p99", raw.request_p99.as_ref()),
            ("run_queue_p99", raw.run_queue_p99.as_ref()),
        ];
        let [requests, waits] = keys.map(|(name, key)| {
            key?;
            Some(self.duration(key, name, OBJECTIVES, Nanos(0)))
        });
        let place = |key: Option<&Spanned<_>>| key.map(Spanned::span).unwrap_or_default();
        let objective = match (requests, waits) {
            (Some(within), None) => Objective::Requests(within),
            (None, Some(within)) => Objective::Waits(within),
            (Some(_), Some(_)) => {
                self.wrong(
                    place(raw.run_queue_p99.as_ref()),
                    "a policy has one objective, and this is the second",
                    "remove `run_queue_p99` or `request_p99`",
                );
                Objective::default()
            }
            (None, None) => {
                let kind = raw.kind.as_ref().map(Spanned::span);
                self.wrong(
                    kind.unwrap_or_default(),
                    "the policy has no objective",
                    "add request_p99 = \"50ms\", or run_queue_p99 = \"5ms\"",
                );
                Objective::default()
            }
        };
        Kind::Slo(Slo {
            reactive: self.headroom(raw),
            objective,
        })
    }

    fn threshold(&mut self, raw: &raw::Policy) -> Kind {
        let default = Threshold::default();
        let threshold = Threshold {
            high: self.whole(raw.high.as_ref(), "high", 1..=100, default.high),
            low: self.whole(raw.low.as_ref(), "low", 0..=99, default.low),
            duration: self.duration(
                raw.r#for.as_ref(),
                "for",
                Nanos::SECOND..=LONGEST,
                default.duration,
            ),
            factor: self.factor(raw.factor.as_ref(), default.factor),
        };
        let key = raw.low.as_ref().or(raw.high.as_ref()).map(Spanned::span);
        let key = key.or_else(|| raw.factor.as_ref().map(Spanned::span));
        if let Some(span) = key {
            if threshold.low >= threshold.high {
                self.wrong(
                    span,
                    format!(
                        "`low` ({}) is not below `high` ({})",
                        threshold.low, threshold.high
                    ),
                    "leave room between the two, or the limit would move up and down for ever",
                );
            } else if threshold.low * threshold.factor > threshold.high * 100 {
                self.wrong(
                    span,
                    format!(
                        "shrinking at {} % by a factor of {}.{:02} goes straight beyond {} %",
                        threshold.low,
                        threshold.factor / 100,
                        threshold.factor % 100,
                        threshold.high
                    ),
                    format!(
                        "make `low` at most {}, which is high / factor",
                        threshold.high * 100 / threshold.factor
                    ),
                );
            }
        }
        Kind::Threshold(threshold)
    }

    /// A factor in the file is a plain number, here it is in percent.
    fn factor(&mut self, key: Option<&Spanned<f64>>, default: u32) -> u32 {
        let Some(key) = key else { return default };
        let factor = *key.get_ref();
        if (1.05..=10.0).contains(&factor) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "within 105 to 1000"
            )]
            return (factor * 100.0).round() as u32;
        }
        self.wrong(
            key.span(),
            format!("`factor` of {factor} is out of range"),
            "write 1.05 to 10",
        );
        default
    }
}
