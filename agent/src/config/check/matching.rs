//! `match` in `[[policy]]`.

use std::ops::Range;

use serde_spanned::Spanned;

use super::Checker;
use crate::{
    config::{
        matching::{Match, Pattern},
        raw::{self, Key},
        schema::Identity,
    },
    identity::unit::{UnitKind, unit},
};

impl Checker<'_> {
    /// What a policy asks of workloads beyond their paths; `None` where it asks nothing.
    pub(super) fn matching(
        &mut self,
        key: Option<&Spanned<raw::Match>>,
        identity: &Identity,
    ) -> Option<Match> {
        let key = key?;
        let raw = key.get_ref();
        let wanted = Match {
            unit: self.pattern(raw.unit.as_ref()),
            container: self.pattern(raw.container.as_ref()),
            image: self.pattern(raw.image.as_ref()),
            namespace: self.pattern(raw.namespace.as_ref()),
            pod: self.pattern(raw.pod.as_ref()),
            qos: raw.qos.as_ref().map(|qos| *qos.get_ref()),
            labels: raw
                .labels
                .iter()
                .filter_map(|(label, value)| Some((label.clone(), self.pattern(Some(value))?)))
                .collect(),
        };
        let asked = first_key(raw);
        if asked.is_none() {
            self.wrong(
                key.span(),
                "`match` asks for nothing",
                "ask for something, such as match.unit = \"nginx.service\", or remove it",
            );
        }
        self.can_be_known(raw, &wanted, identity);
        Some(wanted)
    }

    fn pattern(&mut self, key: Option<&Spanned<String>>) -> Option<Pattern> {
        let key = key?;
        let text = key.get_ref();
        if text.is_empty() {
            self.wrong(
                key.span(),
                "an empty text is matched by nothing",
                "write what it has to be, or \"*\" where only its being there matters",
            );
            return None;
        }
        match Pattern::new(text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                self.wrong(
                    key.span(),
                    format!("`{text}` is no glob: {}", error.kind()),
                    "`*` stands for any text, [ab] for one of two characters, {a,b} for one of two texts; a \
                     backslash takes the meaning away",
                );
                None
            }
        }
    }

    /// A policy that asks for what nobody tells would never have anything.
    fn can_be_known(&mut self, raw: &raw::Match, wanted: &Match, identity: &Identity) {
        let told = identity.enabled && !(identity.cri.is_empty() && identity.docker.is_empty());
        if wanted.needs_runtime() && !told {
            let place = runtime_key(raw).or_else(|| first_key(raw));
            self.wrong(
                place.unwrap_or_default(),
                "only a container runtime tells this, and by [identity] none is asked",
                "name a runtime's socket in identity.cri or identity.docker, or remove this",
            );
            return;
        }
        if identity.cri.is_empty()
            && let Some(place) = [&raw.namespace, &raw.pod].into_iter().flatten().next()
        {
            self.wrong(
                place.span(),
                "only a runtime of Kubernetes knows pods, and by [identity] none is asked",
                "name its socket in identity.cri, or remove this",
            );
        }
        if let (Some(unit), Some(pod)) = (&raw.unit, raw.pod.as_ref().or(raw.namespace.as_ref()))
            && let Some((_, UnitKind::Service | UnitKind::Other)) = self::unit(unit.get_ref())
        {
            self.wrong(
                pod.span(),
                format!("`{}` is not part of any pod", unit.get_ref()),
                "units of pods end in .slice, of their containers in .scope: remove one of the two",
            );
        }
    }
}

/// The place of the first thing that only a runtime tells.
fn runtime_key(raw: &raw::Match) -> Option<Range<usize>> {
    let keys = [&raw.container, &raw.image, &raw.namespace, &raw.pod];
    first(&keys)
        .into_iter()
        .chain(raw.labels.values().map(Spanned::span))
        .min_by_key(|span| span.start)
}

/// The place of the first thing that is asked for.
fn first_key(raw: &raw::Match) -> Option<Range<usize>> {
    let qos = raw.qos.as_ref().map(Spanned::span);
    first(&[&raw.unit])
        .into_iter()
        .chain(runtime_key(raw))
        .chain(qos)
        .min_by_key(|span| span.start)
}

fn first(keys: &[&Key<String>]) -> Option<Range<usize>> {
    let spans = keys.iter().filter_map(|key| Some(key.as_ref()?.span()));
    spans.min_by_key(|span| span.start)
}
