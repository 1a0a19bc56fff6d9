//! The columns of tables: declared by definitions, or the built-in kinds' own.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::jsonpath::JsonPath;
use crate::clock;
use crate::kinds::Builtin;
use crate::meta;

/// One column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    name: String,
    kind: String,
    format: String,
    description: String,
    priority: i64,
    cell: Cell,
}

#[derive(Debug, Clone)]
enum Cell {
    Name,
    Path(JsonPath),
    /// The first of several paths that has a value.
    FirstOf(Vec<JsonPath>),
    /// How many entries the maps under these fields have.
    Count(&'static [&'static str]),
    /// How many items a list has.
    Length(&'static str),
    EventObject,
    EventSource,
}

impl Column {
    fn new(name: &str, kind: &str, priority: i64, cell: Cell) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            format: String::new(),
            description: String::new(),
            priority,
            cell,
        }
    }

    fn name() -> Self {
        let mut column = Self::new("Name", "string", 0, Cell::Name);
        "name".clone_into(&mut column.format);
        "Name must be unique within a namespace.".clone_into(&mut column.description);
        column
    }

    fn path(name: &str, kind: &str, priority: i64, path: &str) -> Self {
        let path = JsonPath::parse(path)
            .unwrap_or_else(|| JsonPath::parse("").expect("empty path parses"));
        Self::new(name, kind, priority, Cell::Path(path))
    }

    fn first_of(name: &str, kind: &str, priority: i64, paths: &[&str]) -> Self {
        let paths = paths.iter().filter_map(|path| JsonPath::parse(path)).collect();
        Self::new(name, kind, priority, Cell::FirstOf(paths))
    }

    fn age() -> Self {
        Self::path("Age", "date", 0, ".metadata.creationTimestamp")
    }

    /// The columns of a definition's version: the name, then its own or the age.
    pub(crate) fn declared(columns: &Value) -> Vec<Self> {
        let mut all = vec![Self::name()];
        let Some(list) = columns.as_array().filter(|list| !list.is_empty()) else {
            all.push(Self::age());
            return all;
        };
        for json in list {
            let text = |key: &str| json[key].as_str().unwrap_or_default();
            let priority = json["priority"].as_i64().unwrap_or_default();
            let mut column = Self::path(text("name"), text("type"), priority, text("jsonPath"));
            text("format").clone_into(&mut column.format);
            text("description").clone_into(&mut column.description);
            all.push(column);
        }
        all
    }

    pub(super) fn definition(&self) -> Value {
        json!({"name": self.name, "type": self.kind, "format": self.format,
            "description": self.description, "priority": self.priority})
    }

    pub(super) fn cell(&self, object: &Value) -> Value {
        match &self.cell {
            Cell::Name => json!(meta::name(object)),
            Cell::Path(path) => self.value(&path.find(object)),
            Cell::FirstOf(paths) => {
                let found = paths.iter().map(|path| path.find(object));
                let mut found = found.filter(|found| found.iter().any(|value| !value.is_null()));
                self.value(&found.next().unwrap_or_default())
            }
            Cell::Count(fields) => {
                let count =
                    |field: &&str| object[*field].as_object().map_or(0, serde_json::Map::len);
                json!(fields.iter().map(count).sum::<usize>())
            }
            Cell::Length(field) => json!(object[*field].as_array().map_or(0, Vec::len)),
            Cell::EventObject => {
                let about = if object["involvedObject"].is_object() {
                    &object["involvedObject"]
                } else {
                    &object["regarding"]
                };
                let text = |key: &str| about[key].as_str().unwrap_or_default();
                json!(format!("{}/{}", text("kind").to_lowercase(), text("name")))
            }
            Cell::EventSource => {
                let source = object["source"]["component"].as_str().filter(|text| !text.is_empty());
                json!(source.or(object["reportingComponent"].as_str()).unwrap_or_default())
            }
        }
    }

    fn value(&self, found: &[&Value]) -> Value {
        let Some(first) = found.first().filter(|value| !value.is_null()) else {
            return Value::Null;
        };
        match self.kind.as_str() {
            "integer" | "number" | "boolean" => (*first).clone(),
            "date" => first.as_str().map_or(Value::Null, |text| json!(age(text))),
            _ => {
                let shown = |value: &&Value| match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                json!(found.iter().map(shown).collect::<Vec<_>>().join(" "))
            }
        }
    }
}

/// How long ago a timestamp was, as kubectl shows it: `5s`, `3m12s`, `4h`, `2d3h`.
fn age(text: &str) -> String {
    let Ok(then) = DateTime::parse_from_rfc3339(text) else {
        return "<unknown>".to_owned();
    };
    human((clock::now() - then.with_timezone(&Utc)).num_seconds())
}

fn human(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let pair = |big: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{small_unit}") }
    };
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1..=0 => "0s".to_owned(),
        1..120 => format!("{seconds}s"),
        120..600 => pair(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => pair(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => pair(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => pair(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

/// The columns of a built-in kind.
pub(crate) fn builtin(builtin: Builtin) -> Vec<Column> {
    let mut all = match builtin {
        Builtin::CoreEvent | Builtin::Event => return events(builtin),
        _ => vec![Column::name()],
    };
    match builtin {
        Builtin::Namespace => all.push(Column::path("Status", "string", 0, ".status.phase")),
        Builtin::Secret => {
            all.push(Column::path("Type", "string", 0, ".type"));
            all.push(Column::new("Data", "string", 0, Cell::Count(&["data"])));
        }
        Builtin::ConfigMap => {
            all.push(Column::new("Data", "string", 0, Cell::Count(&["data", "binaryData"])));
        }
        Builtin::ServiceAccount => {
            all.push(Column::new("Secrets", "string", 0, Cell::Length("secrets")));
        }
        Builtin::Lease => all.push(Column::path("Holder", "string", 0, ".spec.holderIdentity")),
        Builtin::CustomResourceDefinition => {
            let created = ".metadata.creationTimestamp";
            all.push(Column::path("Created At", "string", 0, created));
            return all;
        }
        _ => {}
    }
    all.push(Column::age());
    all
}

fn events(builtin: Builtin) -> Vec<Column> {
    let (last, first, message, count) = if builtin == Builtin::CoreEvent {
        (".lastTimestamp", ".firstTimestamp", ".message", ".count")
    } else {
        (".deprecatedLastTimestamp", ".deprecatedFirstTimestamp", ".note", ".deprecatedCount")
    };
    vec![
        // Events of the newer group carry their time elsewhere; a repeated one in its series.
        Column::first_of(
            "Last Seen",
            "date",
            0,
            &[".series.lastObservedTime", last, ".eventTime", first],
        ),
        Column::path("Type", "string", 0, ".type"),
        Column::path("Reason", "string", 0, ".reason"),
        Column::new("Object", "string", 0, Cell::EventObject),
        Column::path("Subobject", "string", 1, ".involvedObject.fieldPath"),
        Column::new("Source", "string", 1, Cell::EventSource),
        Column::path("Message", "string", 0, message),
        Column::first_of("First Seen", "date", 1, &[first, ".eventTime"]),
        Column::path("Count", "string", 1, count),
        Column::path("Name", "string", 1, ".metadata.name"),
    ]
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn ages_read_as_kubectl_prints_them() {
        for (seconds, expected) in [
            (5, "5s"),
            (119, "119s"),
            (125, "2m5s"),
            (600, "10m"),
            (10_800, "3h"),
            (90_000, "25h"),
            (180_000, "2d2h"),
            (864_000, "10d"),
        ] {
            assert_eq!(human(seconds), expected);
        }
    }
}
