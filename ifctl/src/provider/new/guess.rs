//! What of a definition can be guessed, and what is left to say.

use serde_json::{Map, Value as Json, json};

use super::model::Model;

/// Words by which a machine goes in an API's paths.
const MACHINES: [&str; 9] = [
    "servers",
    "instances",
    "droplets",
    "machines",
    "virtual-machines",
    "virtualmachines",
    "vms",
    "vm",
    "compute",
];
const SIZES: [&str; 8] =
    ["sizes", "plans", "types", "server_types", "flavors", "instance-types", "packages", "sizings"];
const IMAGES: [&str; 4] = ["images", "os", "templates", "distributions"];
const REGIONS: [&str; 5] = ["regions", "locations", "zones", "datacenters", "sites"];

/// Which input a property of the creation is, by words in its name.
const INPUTS: [(&str, &[&str]); 7] = [
    ("${want.name}", &["name", "label", "hostname"]),
    ("${want.region}", &["region", "location", "zone", "datacenter", "site"]),
    ("${want.size}", &["size", "plan", "type", "server_type", "flavor", "package"]),
    ("${want.image}", &["image", "os", "os_id", "template", "distribution"]),
    ("${want.bootData}", &["user_data", "userdata", "cloud_init", "cloudinit"]),
    ("${want.sshKeys}", &["ssh_keys", "sshkeys", "sshkey_id", "authorized_keys", "ssh_key_ids"]),
    ("${want.marks + want.tags}", &["tags"]),
];

/// Which of ours a vendor's state is, by words in it.
const STATES: [(&str, &[&str]); 7] = [
    (
        "Creating",
        &[
            "new",
            "creat",
            "provision",
            "pending",
            "initializ",
            "starting",
            "build",
            "install",
            "boot",
            "queue",
        ],
    ),
    ("Stopping", &["stopping", "shutting", "powering_off"]),
    ("Deleting", &["deleting", "terminating", "removing"]),
    ("Gone", &["deleted", "terminated", "archive", "removed"]),
    ("Failed", &["error", "fail"]),
    ("Stopped", &["off", "stop", "offline", "shut", "halt", "inactive"]),
    ("Running", &["active", "running", "online", "started", "on", "ok"]),
];

/// Without a description: the shape of a machine, to be filled in.
pub(super) fn skeleton(spec: &mut Json, notes: &mut Vec<String>) {
    spec["objects"] = json!({"machine": {
        "identity": {"find": "tag", "lag": "60s"},
        "create": {
            "post": "/servers",
            "json": {"name": "${want.name}", "region": "${want.region}", "size": "${want.size}",
                "image": "${want.image}", "user_data": "${want.bootData}", "tags": "${want.marks + want.tags}"},
            "item": "${body.server}",
        },
        "read": {"get": "/servers/${id}", "item": "${body.server}"},
        "list": {"get": "/servers?tag=${scope.mark}", "items": "${body.servers}"},
        "delete": {"delete": "/servers/${id}"},
        "as": {
            "id": "${string(item.id)}",
            "state": {"of": "${item.status}", "creating": "Creating", "running": "Running", "stopped": "Stopped"},
            "name": "${item.name}",
            "addresses": "${[{'ip': item.ip, 'public': true}]}",
            "marks": "${item.tags}",
        },
    }});
    notes.push(
        "objects.machine is the usual shape: put in the vendor's paths, names and states"
            .to_owned(),
    );
    notes.push(
        "identity.lag is how late its list may be: take the worst that anybody reported".to_owned(),
    );
    let item = json!({"id": "${id}", "name": "${req.name}", "status": "${phase('creating', 'running')}",
        "ip": "198.18.0.${seq % 250 + 1}", "tags": "${req.?tags.orValue([])}"});
    simulated(spec, &item, ("server", "servers"), 201);
}

/// With one: what its paths and schemas say.
pub(super) fn objects(model: &Model, spec: &mut Json, notes: &mut Vec<String>) {
    let Some((collection, single)) = machine(model) else {
        notes.push(
            "the description has no path that looks like machines: the shape is the usual one"
                .to_owned(),
        );
        return skeleton(spec, notes);
    };
    let (create, list) = (&collection.1["post"], &collection.1["get"]);
    let request = model.request(create).unwrap_or_default();
    let (status, made) = model.answer(create).unwrap_or((201, Json::Null));
    let (_, shown) = model.answer(&single.1["get"]).unwrap_or((200, Json::Null));
    let (_, listed) = model.answer(list).unwrap_or((200, Json::Null));
    let (item_at, item) = one(&shown);
    let (made_at, _) = one(&made);
    let items_at = many(&listed);
    let path = |text: &str| text.replace(parameter(single.0).as_str(), "${id}");
    let (body, missing) = inputs(&request);
    for name in missing {
        notes.push(format!("create: `{name}` is required, and what it is was not guessed"));
    }
    let tagged = item["properties"].get("tags").is_some() && body.get("tags").is_some();
    let find = if tagged { "tag" } else { "name" };
    let query = list["parameters"].as_array().into_iter().flatten();
    let by_tag = query.filter_map(|one| one["name"].as_str()).find(|name| name.starts_with("tag"));
    let filter = by_tag.filter(|_| tagged).map(|name| format!("?{name}=${{scope.mark}}"));
    let items = match (&filter, tagged) {
        (None, true) => format!("${{{items_at}.filter(i, scope.mark in i.tags)}}"),
        _ => format!("${{{items_at}}}"),
    };
    let outputs = outputs(&item, tagged, notes);
    let mut machine = json!({
        "identity": {"find": find, "lag": "60s"},
        "create": {"post": collection.0, "json": body, "item": format!("${{{made_at}}}")},
        "read": {"get": path(single.0), "item": format!("${{{item_at}}}")},
        "list": {"get": format!("{}{}", collection.0, filter.unwrap_or_default()), "items": items},
        "delete": {"delete": path(single.0)},
        "as": outputs,
    });
    let (verbs, answers) = verbs(model, single.0);
    if !verbs.is_empty() {
        machine["verbs"] = Json::Object(verbs);
    }
    spec["objects"] = json!({"machine": machine});
    notes.push(format!("machines were taken to be at {}", collection.0));
    notes.push(
        "identity.lag is how late the list may be: take the worst that anybody reported".to_owned(),
    );
    notes.push(
        "list: say how the next page is reached (`next` or `cursor`), if there are pages"
            .to_owned(),
    );
    catalogs(model, notes);
    let example = example(&item, &spec["objects"]["machine"]["as"]);
    let key = |place: &str| place.strip_prefix("body.").unwrap_or_default().to_owned();
    simulated(spec, &example, (&key(&made_at), &key(&items_at)), status);
    if !answers.is_empty() {
        spec["sandbox"]["objects"]["machine"]["verbs"] = Json::Object(answers);
    }
}

type At<'a> = (&'a str, &'a Json);

/// The path of all machines and of one.
fn machine(model: &Model) -> Option<(At<'_>, At<'_>)> {
    let mut found: Vec<(usize, At<'_>, At<'_>)> = Vec::new();
    for (path, item) in model.paths() {
        let last = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let Some(rank) = MACHINES.iter().position(|word| last == *word) else { continue };
        if item.get("post").is_none() || item.get("get").is_none() || path.contains('{') {
            continue;
        }
        let single = model.paths().find(|(other, item)| {
            let rest = other.strip_prefix(path).and_then(|rest| rest.strip_prefix("/{"));
            rest.is_some_and(|rest| rest.ends_with('}') && !rest.contains('/'))
                && item.get("get").is_some()
                && item.get("delete").is_some()
        });
        if let Some(single) = single {
            found.push((path.len() * 10 + rank, (path, item), single));
        }
    }
    found.into_iter().min_by_key(|(rank, ..)| *rank).map(|(_, all, one)| (all, one))
}

/// `{server_id}` in a path.
fn parameter(path: &str) -> String {
    let start = path.rfind('{').unwrap_or_default();
    path[start..].to_owned()
}

/// Where one thing stands in an answer, and its schema.
fn one(schema: &Json) -> (String, Json) {
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let inner = properties.iter().find(|(_, property)| property["properties"].get("id").is_some());
    match inner {
        Some((name, property)) if !properties.contains_key("id") => {
            (format!("body.{name}"), property.clone())
        }
        _ => ("body".to_owned(), schema.clone()),
    }
}

/// Where the list stands in an answer.
fn many(schema: &Json) -> String {
    let properties = schema["properties"].as_object();
    let list = properties.into_iter().flatten().find(|(_, one)| one["type"] == "array");
    list.map_or_else(|| "body".to_owned(), |(name, _)| format!("body.{name}"))
}

/// The body of a creation, and required properties that nothing was found for.
fn inputs(schema: &Json) -> (Json, Vec<String>) {
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let (mut body, mut missing, mut used) = (Map::new(), Vec::new(), Vec::new());
    // The required first: `name` before `hostname`, if that is the one.
    let mut names: Vec<&String> = properties.keys().collect();
    names.sort_by_key(|name| !required.contains(&name.as_str()));
    for name in names {
        let lower = name.to_ascii_lowercase();
        let input = INPUTS
            .iter()
            .find(|(input, words)| words.contains(&lower.as_str()) && !used.contains(input));
        match input {
            Some((input, _)) => {
                used.push(*input);
                body.insert(name.clone(), json!(input));
            }
            None if required.contains(&name.as_str()) => missing.push(name.clone()),
            None => {}
        }
    }
    (Json::Object(body), missing)
}

/// What is read of a machine.
fn outputs(item: &Json, tagged: bool, notes: &mut Vec<String>) -> Json {
    let properties = item["properties"].as_object().cloned().unwrap_or_default();
    let of = |names: &[&str]| {
        names.iter().find(|name| properties.contains_key(**name)).map(|name| (*name).to_owned())
    };
    let id = of(&["id", "uuid", "identifier"]).unwrap_or_else(|| "id".to_owned());
    let mut state = json!({});
    let word = of(&["status", "state", "power_status"]).unwrap_or_else(|| "status".to_owned());
    state["of"] = json!(format!("${{item.{word}}}"));
    let values = properties.get(&word).and_then(|property| property["enum"].as_array()).cloned();
    let values: Vec<String> =
        values.unwrap_or_default().iter().filter_map(Json::as_str).map(ToOwned::to_owned).collect();
    for value in &values {
        let lower = value.to_ascii_lowercase();
        let ours = STATES.iter().find(|(_, words)| {
            words
                .iter()
                .any(|word| if word.len() <= 3 { lower == *word } else { lower.contains(word) })
        });
        match ours {
            Some((ours, _)) => state[value] = json!(ours),
            None => notes.push(format!("as.state: `{value}` is Unknown until it is mapped")),
        }
    }
    if values.is_empty() {
        notes.push(format!(
            "as.state: the description does not list the values of `{word}`; these are guesses"
        ));
        state["creating"] = json!("Creating");
        state["running"] = json!("Running");
        state["stopped"] = json!("Stopped");
    }
    let mut outputs = json!({"id": format!("${{string(item.{id})}}"), "state": state});
    if let Some(name) = of(&["name", "label", "hostname"]) {
        outputs["name"] = json!(format!("${{item.{name}}}"));
    }
    match of(&["ip", "main_ip", "public_ip", "ip_address", "ipv4"]) {
        Some(ip) => {
            outputs["addresses"] = json!(format!("${{[{{'ip': item.{ip}, 'public': true}}]}}"));
        }
        None => notes.push("as.addresses: where its addresses stand was not guessed".to_owned()),
    }
    if tagged {
        outputs["marks"] = json!("${item.tags}");
    }
    outputs
}

/// What else can be done, where it has a path of its own, and how it is answered.
fn verbs(model: &Model, single: &str) -> (Map<String, Json>, Map<String, Json>) {
    let (mut verbs, mut answers) = (Map::new(), Map::new());
    for (verb, words) in [
        ("start", ["start", "boot", "power-on"]),
        ("stop", ["stop", "shutdown", "halt"]),
        ("reboot", ["reboot", "restart", "reset"]),
    ] {
        let mut paths = words.iter().map(|word| format!("{single}/{word}"));
        let Some((operation, path)) =
            paths.find_map(|path| Some((model.at(&path)?.get("post")?, path)))
        else {
            continue;
        };
        let path = path.replace(&parameter(single), "${id}");
        verbs.insert(verb.to_owned(), json!({"post": path}));
        let (status, schema) = model.answer(operation).unwrap_or((204, Json::Null));
        let mut answer = json!({"status": status});
        if schema.get("properties").is_some() {
            answer["body"] = sample(&schema);
        }
        answers.insert(verb.to_owned(), answer);
    }
    (verbs, answers)
}

/// Catalogs need columns that a name does not tell: they are said, not written.
fn catalogs(model: &Model, notes: &mut Vec<String>) {
    for (catalog, words) in [("sizes", &SIZES[..]), ("images", &IMAGES), ("regions", &REGIONS)] {
        let found = model.paths().find(|(path, item)| {
            let last = path.rsplit('/').next().unwrap_or_default();
            item.get("get").is_some() && !path.contains('{') && words.contains(&last)
        });
        let at = found.map_or("not found".to_owned(), |(path, _)| format!("at {path}"));
        notes.push(format!("catalogs.{catalog} is left to write: {at}"));
    }
}

/// The thing as its simulator shows it: what `as` reads is what the request said.
fn example(item: &Json, outputs: &Json) -> Json {
    let mut example = Map::new();
    let required: Vec<&str> =
        item["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    for (name, property) in item["properties"].as_object().into_iter().flatten() {
        let reads = outputs.to_string().contains(&format!("item.{name}"));
        if reads || required.contains(&name.as_str()) {
            example.insert(name.clone(), value(name, property, outputs));
        }
    }
    Json::Object(example)
}

fn value(name: &str, property: &Json, outputs: &Json) -> Json {
    let of = outputs["state"]["of"].as_str().unwrap_or_default();
    if of.contains(&format!("item.{name}}}")) {
        let states = outputs["state"].as_object().cloned().unwrap_or_default();
        let first = |ours: &str| {
            states.iter().find(|(_, state)| *state == ours).map(|(word, _)| word.clone())
        };
        let (creating, running) = (first("Creating"), first("Running"));
        let running = running.unwrap_or_else(|| "running".to_owned());
        let creating = creating.unwrap_or_else(|| running.clone());
        return json!(format!("${{phase('{creating}', '{running}')}}"));
    }
    let whole = property["type"] == "integer";
    match name {
        "id" | "uuid" | "identifier" if whole => json!("${int(id)}"),
        "id" | "uuid" | "identifier" => json!("${id}"),
        "name" | "label" | "hostname" => json!(format!("${{req.{name}}}")),
        "tags" => json!("${req.?tags.orValue([])}"),
        "ip" | "main_ip" | "public_ip" | "ip_address" | "ipv4" => {
            json!("198.18.0.${seq % 250 + 1}")
        }
        _ => sample(property),
    }
}

/// A value of a schema: its example, or the least of its type.
fn sample(schema: &Json) -> Json {
    if let Some(example) = schema.get("example").or_else(|| schema["enum"].get(0)) {
        return example.clone();
    }
    match schema["type"].as_str() {
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some("object") => {
            let required =
                schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
            let needed =
                required.map(|name| (name.to_owned(), sample(&schema["properties"][name])));
            Json::Object(needed.collect())
        }
        _ => json!("text"),
    }
}

/// The simulator of a machine.
fn simulated(spec: &mut Json, item: &Json, (one, many): (&str, &str), status: u16) {
    let wrapped =
        |key: &str, value: &str| if key.is_empty() { json!(value) } else { json!({key: value}) };
    let secret = spec["auth"]["secret"].as_array().cloned().unwrap_or_default();
    let accepts = secret
        .iter()
        .filter_map(Json::as_str)
        .map(|key| (key.to_owned(), json!(format!("sandbox-{key}"))));
    let accepts: Map<String, Json> = accepts.collect();
    let whole = item["id"] == "${int(id)}";
    spec["sandbox"] = json!({
        "accepts": accepts,
        "error": {"body": {"code": "${error.code}", "message": "${error.message}"}},
        "verify": {"body": {}},
        "objects": {"machine": {
            "id": if whole { "${1000 + seq}" } else { "m-${seq}" },
            "item": item,
            "create": {"status": status, "body": wrapped(one, "${item}")},
            "read": {"body": wrapped(one, "${item}")},
            "list": {"where": "${!has(query.tag) || query.tag in item.tags}", "body": wrapped(many, "${items}")},
            "delete": {"status": 204},
        }},
    });
}
