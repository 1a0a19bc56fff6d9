//! Field ownership: what updates take, and what server-side apply merges, removes and refuses.

pub(crate) mod managers;
pub(crate) mod set;
mod typecheck;
mod typed;

use std::fmt::Write as _;

use serde_json::{Value, json};

pub(crate) use managers::{Entry, Identity, Managers};
use set::{Set, Step};
pub(crate) use typecheck::type_errors;

use crate::clock;
use crate::meta;
use crate::schema::Schema;
use crate::status::{Failure, Result};

/// Which part of an object an endpoint writes; the rest is nobody's there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All fields.
    Whole,
    /// Everything but status.
    Main,
    /// Only status.
    Status,
    /// Neither spec nor status, as for namespaces.
    Metadata,
}

impl Scope {
    fn filter(self, set: &mut Set) {
        let status = Step::Field("status".to_owned());
        match self {
            Self::Whole => {}
            Self::Main => set.drop_branch(&[status]),
            Self::Status => set.keep_branch(&status),
            Self::Metadata => {
                set.drop_branch(&[status]);
                set.drop_branch(&[Step::Field("spec".to_owned())]);
            }
        }
        managers::strip(set);
    }
}

/// Records that `who` wrote `new` over `old`, and writes the entries into `new`.
///
/// `old` is `None` for a create. Entries sent by the client replace the live ones when they parse.
pub(crate) fn track_update(
    schema: &Schema,
    old: Option<&Value>,
    new: &mut Value,
    who: &Identity,
    scope: Scope,
) {
    let from_client = Managers::read(new);
    let reset = new["metadata"]["managedFields"] == json!([{}]);
    let live = || old.and_then(Managers::read).unwrap_or_default();
    let mut entries = match from_client {
        _ if reset => Managers::default(),
        Some(given) if !given.0.is_empty() => given,
        _ => live(),
    };
    meta::metadata_mut(new).shift_remove("managedFields");
    // Objects without entries are not tracked until somebody applies to them.
    if old.is_some() && entries.0.is_empty() {
        return;
    }
    // Parts that every object of a kind has are no one's.
    let empty = json!({"spec": {"names": {}}, "status": {}, "source": {}, "deprecatedSource": {},
        "reportingComponent": "", "reportingInstance": "", "eventTime": null,
        "firstTimestamp": null, "lastTimestamp": null, "deprecatedFirstTimestamp": null,
        "deprecatedLastTimestamp": null});
    let empty = if schema.typed { empty } else { json!({}) };
    let comparison = compare(schema, old.unwrap_or(&empty), new);
    if old.is_some() && comparison.is_same() {
        entries.write(new);
        return;
    }
    let mut changed = comparison.added.clone();
    changed.union(&comparison.modified);
    take_away(&mut entries, &changed, &comparison.removed, Some(who));
    let mut gained = changed;
    scope.filter(&mut gained);
    // Scales are written without a time there.
    let now = (who.subresource != "scale").then(clock::timestamp);
    match entries.position(who) {
        Some(at) => {
            let entry = &mut entries.0[at];
            let mut set = entry.set.difference(&comparison.removed);
            set.union(&gained);
            if set != entry.set {
                entry.time = now;
                entry.set = set;
            }
        }
        None if !gained.is_empty() => {
            entries.0.push(Entry { who: who.clone(), time: now, set: gained });
        }
        None => {}
    }
    entries.cap();
    entries.write(new);
}

fn compare(schema: &Schema, old: &Value, new: &Value) -> typed::Comparison {
    let mut comparison = typed::compare(Some(schema), old, new);
    for set in [&mut comparison.added, &mut comparison.modified, &mut comparison.removed] {
        managers::strip(set);
    }
    comparison
}

/// Removes what changed hands or vanished from everybody but `except`.
fn take_away(entries: &mut Managers, changed: &Set, removed: &Set, except: Option<&Identity>) {
    let except = except.and_then(|who| entries.position(who));
    for (index, entry) in entries.0.iter_mut().enumerate() {
        if Some(index) != except {
            let conflict = entry.set.intersection(changed);
            entry.set = entry.set.difference(&conflict).difference(removed);
        }
    }
}

/// Which fields an apply takes from other managers.
#[derive(Debug)]
pub(crate) enum Force {
    Nothing,
    Of(Set),
    Everything,
}

/// The fields of a configuration that an object still has as that says.
pub(crate) fn unchanged_since(schema: &Schema, live: &Value, config: &Value) -> Set {
    let comparison = compare(schema, live, config);
    let set = typed::field_set(Some(schema), config);
    set.difference(&comparison.modified).difference(&comparison.added)
}

/// The outcome of an apply: the object, and the entries to write once it is admitted.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) object: Value,
    entries: Managers,
    who: Identity,
    /// Whether the merge made another object of the live one.
    changed: bool,
}

/// Merges an applied configuration into a live object.
pub(crate) fn apply(
    schema: &Schema,
    live: &Value,
    applied: &Value,
    who: Identity,
    scope: Scope,
    force: &Force,
) -> Result<Applied> {
    let mut entries = Managers::read(live).unwrap_or_default();
    let mut live = live.clone();
    meta::remove(&mut live["metadata"], "managedFields");
    let exists = !meta::text(&live, "uid").is_empty();
    if exists && entries.0.is_empty() {
        entries.0.push(before_first_apply(schema, &live, &who, scope));
    }
    let mut set = typed::field_set(Some(schema), applied);
    scope.filter(&mut set);
    let merged = typed::merge(Some(schema), &live, &in_scope(applied, scope));
    let position = entries.position(&who);
    let last = position.map(|at| entries.0[at].set.clone());
    match position {
        Some(at) => {
            entries.0[at].set = set;
            entries.0[at].who.api_version.clone_from(&who.api_version);
        }
        None => entries.0.push(Entry { who: who.clone(), time: None, set }),
    }
    let object = match last {
        Some(last) if !last.is_empty() => prune(schema, &merged, &entries, &last),
        _ => merged,
    };
    let comparison = compare(schema, &live, &object);
    let mut changed = comparison.added;
    changed.union(&comparison.modified);
    match force {
        Force::Everything => {}
        Force::Nothing => refuse_conflicts(&entries, &changed, &who)?,
        Force::Of(allowed) => refuse_conflicts(&entries, &changed.difference(allowed), &who)?,
    }
    take_away(&mut entries, &changed, &comparison.removed, Some(&who));
    let changed = live != object;
    Ok(Applied { object, entries, who, changed })
}

impl Applied {
    /// Writes the entries into the admitted object; the time moves only if the object changed.
    pub(crate) fn write_entries(self, live: Option<&Value>, object: &mut Value) {
        let mut entries = self.entries;
        let changed = self.changed || live.is_none_or(|live| !same_but_entries(live, object));
        if changed && let Some(at) = entries.position(&self.who) {
            entries.0[at].time = Some(clock::timestamp());
        }
        entries.cap();
        entries.write(object);
    }
}

fn same_but_entries(live: &Value, object: &Value) -> bool {
    let bare = |value: &Value| {
        let mut value = value.clone();
        meta::remove(&mut value["metadata"], "managedFields");
        value
    };
    bare(live) == bare(object)
}

/// The part of an applied configuration that its endpoint writes.
fn in_scope(applied: &Value, scope: Scope) -> Value {
    let mut applied = applied.clone();
    if scope == Scope::Main {
        meta::remove(&mut applied, "status");
    }
    if scope == Scope::Status
        && let Some(map) = applied.as_object_mut()
    {
        map.retain(|key, _| key == "status" || key == "apiVersion" || key == "kind");
    }
    applied
}

fn before_first_apply(schema: &Schema, live: &Value, who: &Identity, scope: Scope) -> Entry {
    let mut set = compare(schema, &json!({}), live).added;
    scope.filter(&mut set);
    let who = Identity {
        manager: "before-first-apply".to_owned(),
        apply: false,
        api_version: who.api_version.clone(),
        subresource: String::new(),
    };
    Entry { who, time: Some(clock::timestamp()), set }
}

/// Removes what this manager applied before, applies no more, and nobody else owns.
fn prune(schema: &Schema, merged: &Value, entries: &Managers, last: &Set) -> Value {
    let schema = Some(schema);
    let named = |value: &Value| typed::field_set(schema, value).with_named_parents(schema);
    let last = last.with_named_parents(schema);
    let pruned = typed::remove(schema, merged, &last);
    let mut managed = Set::default();
    for entry in &entries.0 {
        managed.union(&entry.set);
    }
    let mut keep = named(&pruned);
    keep.union(&managed.with_named_parents(schema));
    let all = named(merged);
    let pruned = typed::remove(schema, merged, &all.difference(&keep));
    let dangling = all.difference(&named(&pruned)).intersection(&last);
    typed::remove(schema, merged, &dangling)
}

fn refuse_conflicts(entries: &Managers, changed: &Set, who: &Identity) -> Result<()> {
    let mine = entries.position(who);
    let mut conflicts = Vec::new();
    for (index, entry) in entries.0.iter().enumerate() {
        if Some(index) != mine {
            let fields = entry.set.intersection(changed).shown();
            if !fields.is_empty() {
                conflicts.push((entry, fields));
            }
        }
    }
    if conflicts.is_empty() {
        return Ok(());
    }
    conflicts.sort_by(|(a, _), (b, _)| a.who.manager.cmp(&b.who.manager));
    let total: usize = conflicts.iter().map(|(_, fields)| fields.len()).sum();
    let mut message = format!("Apply failed with {total} conflict");
    if total == 1 {
        let (entry, fields) = &conflicts[0];
        let _ = write!(message, ": conflict with {}: {}", entry.who.shown(), fields[0]);
    } else {
        message.push_str("s: ");
        let groups: Vec<String> = conflicts
            .iter()
            .map(|(entry, fields)| {
                format!("conflicts with {}:\n- {}", entry.who.shown(), fields.join("\n- "))
            })
            .collect();
        message.push_str(&groups.join("\n"));
    }
    let causes: Vec<Value> = conflicts
        .iter()
        .flat_map(|(entry, fields)| {
            fields.iter().map(|field| {
                json!({"reason": "FieldManagerConflict",
                       "message": format!("conflict with {}", entry.who.shown()),
                       "field": field})
            })
        })
        .collect();
    Err(Failure::apply_conflict(message, &causes))
}

#[cfg(test)]
mod tests;
