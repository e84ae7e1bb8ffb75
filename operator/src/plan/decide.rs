//! The parent of all decisions: what may be touched at all, then formation, layout, removal, wishes, objects.

use super::conditions::conditions;
use super::formation::{Formation, formation};
use super::layout::{self, Layout, Stage};
use super::outcome::{Plan, Step, Sweep, Wait};
use super::outlook::Outlook;
use super::reason::Reason;
use super::risk::{Risk, Situation, risk};
use super::status::status;
use super::view::View;
use super::{growth, mend, secrets, wishes};
use crate::build;
use crate::observe::{ObjectSeen, Observed};
use crate::resource::{Kind, Resource};
use crate::validate::{Problems, Subject, Validated};

/// Decides what to do for the Cluster `subject`.
pub fn plan(
    subject: &Subject,
    validated: &Result<Validated, Problems>,
    observed: &Observed,
) -> Plan {
    if subject.deleting {
        return Plan::nothing();
    }
    let view = View::new(subject, observed);
    match validated {
        Err(problems) => look_on(subject, problems, &view),
        Ok(validated) => act(subject, validated, &view, observed),
    }
}

/// A spec that contradicts itself: nothing is touched, and what runs goes on being reported.
fn look_on(subject: &Subject, problems: &Problems, view: &View) -> Plan {
    let names: Vec<String> = view
        .nodes
        .iter()
        .filter(|node| node.seen.is_some())
        .map(|node| node.name.to_owned())
        .collect();
    let outlook = Outlook {
        subject,
        spec: Err(problems),
        view,
        formation: &formation(subject, view, &names),
        layout: &Layout::new(),
        risk: &Risk::default(),
        wait: None,
        templates: &build::Templates::new(),
    };
    let wait = Wait::for_(Reason::SpecInvalid, problems.to_string());
    Plan {
        wait: Some(wait),
        conditions: conditions(&outlook),
        status: Some(status(&outlook)),
        ..Plan::nothing()
    }
}

fn act(subject: &Subject, validated: &Validated, view: &View, observed: &Observed) -> Plan {
    let wanted = layout::before_formation(subject, validated, view);
    let formation = formation(subject, view, &wanted);
    let stage = Stage::of(&formation);
    let mut layout = layout::layout(validated, view, stage);
    let formation = without_leavers(formation, &layout);
    let templates = build::templates(build::Origin { subject, validated }, layout.keys());
    let mut now = Situation {
        subject,
        validated,
        view,
        layout: &layout.clone(),
        templates: &templates,
    };
    let risk = match formation {
        Formation::Formed => risk(&now),
        Formation::Bootstrapping { first: true, .. } => Risk::default(),
        _ => forming(&now),
    };
    shrink(&mut layout, &risk);
    now.layout = &layout;
    let names = layout::node_names(subject, &layout);
    let wishes = wishes::wishes(&now, &formation, &risk, &names);
    let claims = wishes::claims(view, &wishes);
    let resources = build::all(&build::Wanted {
        subject,
        validated,
        view,
        layout: &layout,
        wishes: &wishes,
        claims: &claims,
        templates: &templates,
    });

    let conflict = conflict(subject, &resources, observed);
    let hold = hold(validated, view, &formation, conflict.as_ref());
    let mut outlook = Outlook {
        subject,
        spec: Ok(validated),
        view,
        formation: &formation,
        layout: &layout,
        risk: &risk,
        wait: None,
        templates: &templates,
    };
    let wait = conflict
        .or_else(|| risk.wait.clone())
        .or_else(|| formation_wait(&formation, &outlook));
    outlook.wait = wait.as_ref();
    let told = Plan {
        conditions: conditions(&outlook),
        status: Some(status(&outlook)),
        ..Plan::nothing()
    };
    if hold {
        return Plan { wait, ..told };
    }
    Plan {
        create_key: !has(observed, Kind::Secret),
        grow: growth::claims(validated, view),
        sweep: sweep(subject, &resources, observed),
        resources: resources
            .into_iter()
            .filter(|wanted| rival(subject, wanted, observed).is_none())
            .filter(|wanted| !is_replaced(view, wanted))
            .collect(),
        step: risk.step.clone().or_else(|| bootstrap(&formation)),
        wait,
        ..told
    }
}

/// True when nothing at all may be written.
fn hold(
    validated: &Validated,
    view: &View,
    formation: &Formation,
    conflict: Option<&Wait>,
) -> bool {
    let stopped = matches!(formation, Formation::Conflict(_) | Formation::Lost(_));
    let blocked = conflict.is_some() && view.sets.is_empty();
    validated.paused || stopped || blocked
}

/// Nodes that nobody wants any more go before the cluster is formed without them.
fn without_leavers(formation: Formation, layout: &Layout) -> Formation {
    let leaving = layout.values().any(|zone| zone.replicas < zone.nodes);
    match formation {
        Formation::Bootstrapping { first: true, .. } if leaving => {
            Formation::Gathering(Wait::for_(
                Reason::PodTerminating,
                "pods that are no longer wanted have yet to go",
            ))
        }
        formation => formation,
    }
}

/// Before the cluster is formed only broken pods are replaced.
fn forming(now: &Situation) -> Risk {
    mend::broken(now)
        .map(|broken| mend::replace(Risk::default(), broken))
        .unwrap_or_default()
}

/// A StatefulSet on its way out takes nothing over: it is made anew once it is gone.
fn is_replaced(view: &View, wanted: &Resource) -> bool {
    wanted.kind == Kind::StatefulSet
        && view
            .sets
            .values()
            .any(|set| set.deleting && set.name == wanted.name)
}

fn shrink(layout: &mut Layout, risk: &Risk) {
    if let Some(Step::Shrink { zone, replicas, .. }) = &risk.step
        && let Some(here) = layout.get_mut(zone)
    {
        here.replicas = *replicas;
    }
}

fn bootstrap(formation: &Formation) -> Option<Step> {
    match formation {
        Formation::Bootstrapping {
            node,
            member,
            voters,
            first: true,
        } => Some(Step::Bootstrap {
            node: node.clone(),
            member: member.clone(),
            voters: *voters,
        }),
        _ => None,
    }
}

fn formation_wait(formation: &Formation, outlook: &Outlook) -> Option<Wait> {
    let missing = || secrets::missing(outlook.spec.ok()?, outlook.view);
    match formation {
        Formation::Conflict(wait) | Formation::Lost(wait) => Some(wait.clone()),
        Formation::Formed if outlook.risk.step.is_some() => None,
        _ if missing().is_some() => missing(),
        Formation::Gathering(wait) | Formation::Adopting(wait) => Some(wait.clone()),
        Formation::Bootstrapping { node, .. } => Some(Wait::for_(
            Reason::Forming,
            format!("{node} forms the cluster and has yet to report it"),
        )),
        Formation::Formed => outlook.unfinished(),
    }
}

fn has(observed: &Observed, kind: Kind) -> bool {
    observed.objects.iter().any(|object| object.kind == kind)
}

/// The object that has the name of a wanted one and is not the operator's to write.
fn rival<'a>(
    subject: &Subject,
    wanted: &Resource,
    observed: &'a Observed,
) -> Option<&'a ObjectSeen> {
    observed
        .objects
        .iter()
        .find(|object| object.kind == wanted.kind && object.name == wanted.name)
        .filter(|object| is_foreign(subject, object))
}

fn is_foreign(subject: &Subject, object: &ObjectSeen) -> bool {
    match &object.owner {
        Some(owner) => owner.uid != subject.uid,
        None => !object.labelled,
    }
}

/// Why a wanted object, or the key, cannot be written.
fn conflict(subject: &Subject, resources: &[Resource], observed: &Observed) -> Option<Wait> {
    let key = observed
        .objects
        .iter()
        .find(|object| object.kind == Kind::Secret && is_foreign(subject, object));
    let rivals = resources
        .iter()
        .filter_map(|wanted| rival(subject, wanted, observed));
    let object = key.into_iter().chain(rivals).next()?;
    let name = format!("{} {}", object.kind.name(), object.name);
    Some(match &object.owner {
        Some(owner) if owner.kind == "Cluster" && owner.name == subject.name => {
            let message = format!(
                "{name} of the former Cluster {} is still being deleted",
                owner.uid
            );
            Wait::for_(Reason::FormerClusterLeaving, message)
        }
        Some(owner) => Wait::for_(
            Reason::NameConflict,
            format!("{name} belongs to {} {}", owner.kind, owner.name),
        ),
        None => Wait::for_(
            Reason::NameConflict,
            format!("{name} exists and was not made by the operator"),
        ),
    })
}

/// Objects of ours that nothing wants.
fn sweep(subject: &Subject, resources: &[Resource], observed: &Observed) -> Vec<Sweep> {
    observed
        .objects
        .iter()
        .filter(|object| object.kind.is_swept() && object.labelled)
        .filter(|object| {
            object
                .owner
                .as_ref()
                .is_some_and(|owner| owner.uid == subject.uid)
        })
        .filter(|object| {
            !resources
                .iter()
                .any(|wanted| wanted.kind == object.kind && wanted.name == object.name)
        })
        .map(|object| Sweep {
            kind: object.kind,
            name: object.name.clone(),
            uid: object.uid.clone(),
        })
        .collect()
}
