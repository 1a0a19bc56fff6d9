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
    /// Whether the definition says `string` whatever the cell computes.
    as_text: bool,
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
    NodeStatus,
    NodeRoles,
    /// A field of `status.nodeInfo`.
    NodeInfo(&'static str),
    /// An address of that type.
    NodeAddress(&'static str),
    EventObject,
    EventSource,
    EventPart,
}

impl Column {
    fn new(name: &str, kind: &str, priority: i64, cell: Cell) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            format: String::new(),
            description: String::new(),
            priority,
            as_text: false,
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

    /// Computes a date and calls it a text, as the built-in kinds do.
    fn shown_as_text(mut self) -> Self {
        self.as_text = true;
        self
    }

    fn named(mut self) -> Self {
        "name".clone_into(&mut self.format);
        self
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
            column.description = match text("description") {
                "" => format!(
                    "Custom resource definition column (in JSONPath format): {}",
                    text("jsonPath")
                ),
                given => given.to_owned(),
            };
            all.push(column);
        }
        all
    }

    pub(super) fn definition(&self) -> Value {
        let kind = if self.as_text { "string" } else { &self.kind };
        json!({"name": self.name, "type": kind, "format": self.format,
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
            Cell::NodeStatus => json!(node_status(object)),
            Cell::NodeRoles => json!(node_roles(object)),
            Cell::NodeInfo(field) => {
                let text = object["status"]["nodeInfo"][*field].as_str().unwrap_or_default();
                let unknown = text.is_empty() && *field != "kubeletVersion";
                json!(if unknown { "<unknown>" } else { text })
            }
            Cell::NodeAddress(kind) => {
                let all = object["status"]["addresses"].as_array().into_iter().flatten();
                let mut found = all.filter(|address| address["type"] == *kind);
                json!(found.next().and_then(|a| a["address"].as_str()).unwrap_or("<none>"))
            }
            Cell::EventObject => {
                let about = if object["involvedObject"].is_object() {
                    &object["involvedObject"]
                } else {
                    &object["regarding"]
                };
                let text = |key: &str| about[key].as_str().unwrap_or_default();
                json!(format!("{}/{}", text("kind").to_lowercase(), text("name")))
            }
            Cell::EventPart => {
                let path = object["involvedObject"]["fieldPath"].as_str();
                json!(path.or(object["regarding"]["fieldPath"].as_str()).unwrap_or_default())
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
        Builtin::Lease => all.push(Column::path("Holder", "string", 0, ".spec.holderIdentity")),
        Builtin::CustomResourceDefinition => {
            let created = ".metadata.creationTimestamp";
            all.push(Column::path("Created At", "date", 0, created));
            return all;
        }
        Builtin::Node => return nodes(all),
        _ => {}
    }
    all.push(Column::age().shown_as_text());
    all
}

fn nodes(mut all: Vec<Column>) -> Vec<Column> {
    let info = |name: &str, priority, field: &'static str| {
        Column::new(name, "string", priority, Cell::NodeInfo(field))
    };
    let address =
        |name: &str, kind: &'static str| Column::new(name, "string", 1, Cell::NodeAddress(kind));
    all.extend([
        Column::new("Status", "string", 0, Cell::NodeStatus),
        Column::new("Roles", "string", 0, Cell::NodeRoles),
        Column::age().shown_as_text(),
        info("Version", 0, "kubeletVersion"),
        address("Internal-IP", "InternalIP"),
        address("External-IP", "ExternalIP"),
        info("OS-Image", 1, "osImage"),
        info("Kernel-Version", 1, "kernelVersion"),
        info("Container-Runtime", 1, "containerRuntimeVersion"),
    ]);
    all
}

fn node_status(node: &Value) -> String {
    let mut conditions = node["status"]["conditions"].as_array().into_iter().flatten();
    let ready = conditions.rfind(|condition| condition["type"] == "Ready");
    let mut status = match ready.map(|ready| ready["status"] == "True") {
        Some(true) => "Ready",
        Some(false) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if node["spec"]["unschedulable"] == true {
        status.push_str(",SchedulingDisabled");
    }
    status
}

fn node_roles(node: &Value) -> String {
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    let roles = labels.filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/"));
    let mut roles: Vec<&str> = roles.collect();
    roles.sort_unstable();
    if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") }
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
        )
        .shown_as_text(),
        Column::path("Type", "string", 0, ".type"),
        Column::path("Reason", "string", 0, ".reason"),
        Column::new("Object", "string", 0, Cell::EventObject),
        Column::new("Subobject", "string", 1, Cell::EventPart),
        Column::new("Source", "string", 1, Cell::EventSource),
        Column::path("Message", "string", 0, message),
        Column::first_of("First Seen", "date", 1, &[first, ".eventTime"]).shown_as_text(),
        Column::path("Count", "integer", 1, count).shown_as_text(),
        Column::path("Name", "string", 1, ".metadata.name").named(),
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
