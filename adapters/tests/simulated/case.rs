//! A definition beside the simulated provider that its own `sandbox` section describes.

use std::fs;
use std::path::{Path, PathBuf};

use infrafabric_adapters::compile::{
    BodyTemplate, Compiled, CompiledAnswer, CompiledOperation, CompiledSandbox, Template, Tree,
    Vars, parse,
};
use infrafabric_definition::{AnswerFormat, Find};
use serde_json::{Map, Value as Json, json};

pub(crate) const MARK: &str = "if:lab";

pub(crate) fn definitions() -> Vec<Compiled> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["providers/cloud", "../examples/provider-definition", "../examples/bench"] {
        let entries = fs::read_dir(root.join(folder)).expect(folder);
        files.extend(entries.map(|entry| entry.expect(folder).path()));
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    // Beside an example's definition stand the objects that use it.
    let read = |file: &PathBuf| (file.clone(), fs::read_to_string(file).expect("readable"));
    let mut texts: Vec<(PathBuf, String)> = files.iter().map(read).collect();
    texts.retain(|(_, text)| text.lines().any(|line| line == "kind: ProviderDefinition"));
    let compile = |(file, text): &(PathBuf, String)| {
        let (name, spec) = parse(text, &file.display().to_string()).expect("parses");
        Compiled::new(&name, spec).expect("compiles")
    };
    texts.iter().map(compile).collect()
}

/// A definition with what its simulated provider knows.
pub(crate) struct Case {
    pub(crate) definition: Compiled,
    pub(crate) want: Json,
}

impl Case {
    /// Wants the first region, two CPUs with 4 GiB, and Ubuntu 24.04.
    pub(crate) fn new(definition: Compiled) -> Self {
        let mut case = Self { definition, want: Json::Null };
        let text = |row: &Json, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let row = |name: &str, fits: &dyn Fn(&Json) -> bool| {
            let rows = case.rows(name);
            let row = rows.iter().find(|row| fits(row)).cloned();
            row.unwrap_or_else(|| panic!("{name}: nothing fits in {rows:?}"))
        };
        let first = |name: &str, fits: &dyn Fn(&Json) -> bool| text(&row(name, fits), "name");
        let size = row("sizes", &|row| row["cpus"] == 2 && row["memoryMiB"].as_u64() >= Some(4096));
        let id = if size["id"].is_string() { "id" } else { "name" };
        case.want = json!({
            "name": "web-1",
            "region": first("regions", &|_| true),
            "size": text(&size, "name"),
            "sizeId": text(&size, id),
            "image": first("images", &|row| row["family"] == "ubuntu" && row["version"] == "24.04"),
            "sshKeys": ["key-1", "ssh-ed25519 AAAA user@host"],
            "userData": "#cloud-config\n",
            "bootData": "#cloud-config\n",
            "marks": [MARK, "if:web-1"],
            "tags": ["team-a"],
            "labels": {"infrafabric.io/name": "web-1"},
        });
        case
    }

    pub(crate) fn sandbox(&self) -> &CompiledSandbox {
        self.definition.sandbox.as_ref().expect("a sandbox")
    }

    pub(crate) fn operation(&self, verb: &str) -> &CompiledOperation {
        let machine = &self.definition.objects["machine"];
        let operation = match verb {
            "create" => &machine.create,
            "read" => &machine.read,
            "list" => &machine.list,
            _ => &machine.delete,
        };
        operation.as_ref().expect("there is one")
    }

    /// Whether machines are recognised by their marks, and not by their names.
    pub(crate) fn has_marks(&self) -> bool {
        self.definition.objects["machine"].find == Find::Tag
    }

    /// What the definition reads from a catalog.
    pub(crate) fn rows(&self, name: &str) -> Vec<Json> {
        let catalog = &self.definition.catalogs[name];
        let body = body(&self.sandbox().catalogs[name], catalog.list.answer, &Vars::default());
        let items = evaluate(catalog.list.items.as_ref().expect("items"), &answer(&body));
        let items = items.unwrap_or_else(|| panic!("{}: no {name}", self.definition.name()));
        let columns = |item: &Json| {
            let mut vars = Vars::default();
            vars.set("item", item);
            let columns = catalog.columns.iter();
            let present =
                columns.filter_map(|(key, tree)| Some((key.clone(), render(tree, &vars)?)));
            Json::Object(present.collect())
        };
        items.as_array().expect("a list").iter().map(columns).collect()
    }

    /// The variables of a thing that exists since `age` phases.
    pub(crate) fn thing(&self, age: usize, deleted: bool) -> Vars {
        let object = &self.sandbox().objects["machine"];
        let mut vars = self.request("create");
        vars.set("seq", &json!(7)).set("want", &self.want);
        let id = evaluate(&object.id, &vars).expect("an id");
        vars.set("id", &id).set("created", &json!("2026-11-22T10:00:00Z"));
        vars.set("region", &self.want["region"]).set("deleted", &json!(deleted));
        let nth = move |states: &[Json]| states.get(age).or(states.last()).cloned();
        vars.function("phase", nth).function("gone", nth);
        vars.function("powered", |states: &[Json]| states.first().cloned());
        let item = render(&object.item, &vars).expect("an item");
        vars.set("item", &item);
        vars
    }

    /// `req`, `query` and `headers` as the simulated provider receives them.
    pub(crate) fn request(&self, verb: &str) -> Vars {
        let operation = self.operation(verb);
        let mut given = Vars::default();
        given
            .set("want", &self.want)
            .set("token", &json!("t0k3n"))
            .set("region", &self.want["region"]);
        let parameters = self.definition.spec().parameters.iter();
        let parameters = parameters.map(|(name, parameter)| {
            let value = parameter.default.as_ref().map_or("sandbox", |default| default.as_str());
            (name.0.clone(), json!(value))
        });
        given.set("parameters", &Json::Object(parameters.collect()));
        given.set("scope", &json!({"mark": MARK})).set("id", &json!("1"));
        if !operation.steps.is_empty() && verb == "create" {
            let steps = self.steps(verb, &Vars::default());
            given.set("steps", &steps);
        }
        let path = operation.path.render(&given).expect("evaluates").expect("a path");
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let query: Map<String, Json> = form_urlencoded::parse(query.as_bytes())
            .map(|(key, value)| (key.into_owned(), Json::from(value.into_owned())))
            .collect();
        let headers = operation.headers.iter();
        let headers: Map<String, Json> = headers
            .filter_map(|(name, value)| Some((name.to_lowercase(), evaluate(value, &given)?)))
            .collect();
        let parts = self.definition.objects["machine"].parts.iter();
        let parts = parts.map(|part| (part.name.clone(), json!({})));
        given.set("parts", &Json::Object(parts.collect()));
        let req = operation.body.parts().and_then(|(_, tree)| render(tree, &given));
        let req = match &operation.body {
            BodyTemplate::Json(_) => req,
            _ => req.as_ref().map(texts),
        };
        let mut vars = Vars::default();
        vars.set("req", &req.unwrap_or(json!({})));
        vars.set("query", &Json::Object(query)).set("headers", &Json::Object(headers));
        vars
    }

    /// What the steps before an operation give.
    fn steps(&self, verb: &str, thing: &Vars) -> Json {
        let mut given = Map::new();
        for step in &self.operation(verb).steps {
            let simulated = &self.sandbox().objects["machine"].steps[&step.name];
            let body = body(&simulated.answer, step.operation.answer, thing);
            let item = step.operation.item.as_ref().expect("item");
            given.extend(evaluate(item, &answer(&body)).map(|item| (step.name.clone(), item)));
        }
        Json::Object(given)
    }

    /// The contract's outputs of a thing in an answer's body.
    pub(crate) fn outputs(&self, verb: &str, body: &Json, thing: &Vars) -> Json {
        let item = evaluate(self.operation(verb).item.as_ref().expect("item"), &answer(body));
        let item = item.unwrap_or_else(|| panic!("{}: no item in {body}", self.definition.name()));
        self.shown(&item, &self.steps(verb, thing))
    }

    pub(crate) fn read(&self, item: &Json) -> Json {
        self.shown(item, &json!({}))
    }

    fn shown(&self, item: &Json, steps: &Json) -> Json {
        let mut vars = Vars::default();
        vars.set("item", item).set("steps", steps);
        let outputs = self.definition.objects["machine"].outputs.iter();
        Json::Object(
            outputs.filter_map(|(key, tree)| Some((key.clone(), render(tree, &vars)?))).collect(),
        )
    }
}

/// The body of an answer as the definition sees it.
pub(crate) fn body(answer: &CompiledAnswer, format: AnswerFormat, vars: &Vars) -> Json {
    let body = answer.body.as_ref().and_then(|body| render(body, vars)).unwrap_or(Json::Null);
    match format {
        AnswerFormat::Xml => over_xml(&body),
        _ => body,
    }
}

/// The contract's word for a state as outputs give it.
pub(crate) fn state(outputs: &Json) -> &str {
    let state = &outputs["state"];
    let of = state["of"].as_str().unwrap_or_default();
    state[of].as_str().unwrap_or("Unknown")
}

pub(crate) fn evaluate(template: &Template, vars: &Vars) -> Option<Json> {
    template.render(vars).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn render(tree: &Tree, vars: &Vars) -> Option<Json> {
    tree.render(vars).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn answer(body: &Json) -> Vars {
    let mut vars = Vars::default();
    vars.set("body", body).set("scope", &json!({"mark": MARK}));
    vars
}

/// A form has text only.
fn texts(json: &Json) -> Json {
    match json {
        Json::Array(items) => items.iter().map(texts).collect(),
        Json::Object(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (key.clone(), texts(value))).collect())
        }
        Json::String(_) => json.clone(),
        other => Json::from(other.to_string()),
    }
}

/// What is left of a body after it went through XML: text only, no list of one, nothing empty.
pub(crate) fn over_xml(json: &Json) -> Json {
    match json {
        Json::Array(items) => match items.as_slice() {
            [] => Json::Null,
            [one] => over_xml(one),
            many => many.iter().map(over_xml).collect(),
        },
        Json::Object(entries) => {
            let entries: Map<String, Json> = entries
                .iter()
                .map(|(key, value)| (key.clone(), over_xml(value)))
                .filter(|(_, value)| !value.is_null())
                .collect();
            if entries.is_empty() { Json::Null } else { Json::Object(entries) }
        }
        Json::String(text) if text.is_empty() => Json::Null,
        Json::String(_) | Json::Null => json.clone(),
        other => Json::from(other.to_string()),
    }
}
