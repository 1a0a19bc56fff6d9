//! Sequences of operations that nobody thought of: one object, several managers, from a seed.

use serde_json::{Map, Value, json};

use super::case::{Ask, Case, Step};

const SEQUENCES: u64 = 40;
const OPERATIONS: u64 = 14;
const WIDGETS: &str = "/apis/diff.example.com/v1/namespaces/$NS/widgets";

/// Reproducible choices: splitmix64, which is enough to vary tests.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let index = self.roll(choices.len() as u64);
        choices.get(usize::try_from(index).unwrap_or_default()).copied().unwrap_or_default()
    }
}

/// The cases of a seed.
pub(crate) fn cases(seed: u64) -> Vec<Case> {
    (0..SEQUENCES).map(|number| sequence(seed, number)).collect()
}

fn sequence(seed: u64, number: u64) -> Case {
    let mut dice = Dice(seed.wrapping_mul(1000).wrapping_add(number));
    let mut steps: Vec<Step> = Vec::new();
    for _ in 0..OPERATIONS {
        let (ask, reads) = operation(&mut dice);
        if reads {
            // The version that the next body names.
            steps.push(Step::Ask(read()));
        }
        steps.push(Step::Ask(ask));
    }
    steps.push(Step::Ask(read()));
    Case { name: format!("random: seed {seed}, sequence {number}"), steps }
}

fn read() -> Ask {
    Ask { method: "GET".to_owned(), path: format!("{WIDGETS}/w"), ..Ask::default() }
}

fn write(method: &str, content_type: &str, path: String, body: &Value) -> Ask {
    Ask {
        method: method.to_owned(),
        content_type: Some(content_type.to_owned()),
        path,
        body: body.to_string(),
        ..Ask::default()
    }
}

fn object(spec: &Value, metadata: Map<String, Value>) -> Value {
    let mut object = json!({"apiVersion": "diff.example.com/v1", "kind": "Widget",
        "metadata": {"name": "w"}, "spec": spec});
    for (key, value) in metadata {
        object["metadata"][key] = value;
    }
    object
}

/// One request, and whether it names the version read before it.
fn operation(dice: &mut Dice) -> (Ask, bool) {
    let metadata = metadata(dice);
    match dice.roll(20) {
        0..=1 => {
            let body = object(&spec(dice, 40, true), metadata);
            (
                write("POST", "application/json", format!("{WIDGETS}?fieldManager=maker"), &body),
                false,
            )
        }
        2..=9 => {
            let manager = dice.pick(&["one", "two", "three"]);
            let force = if dice.chance(30) { "&force=true" } else { "" };
            let required = dice.chance(60);
            let body = object(&spec(dice, 25, required), metadata);
            let path = format!("{WIDGETS}/w?fieldManager={manager}{force}");
            (write("PATCH", "application/apply-patch+yaml", path, &body), false)
        }
        10..=13 => {
            let mut changes = spec(dice, 20, false);
            for field in ["note", "tags", "limits", "color", "ports"] {
                if dice.chance(8) {
                    changes[field] = Value::Null;
                }
            }
            let body = json!({"spec": changes, "metadata": metadata});
            let manager = dice.pick(&["editor", "one"]);
            let path = format!("{WIDGETS}/w?fieldManager={manager}");
            (write("PATCH", "application/merge-patch+json", path, &body), false)
        }
        14..=15 => {
            let body = json!({"status": status(dice)});
            let path = format!("{WIDGETS}/w/status?fieldManager=controller");
            (write("PATCH", "application/merge-patch+json", path, &body), false)
        }
        16 => {
            let body = json!({"apiVersion": "diff.example.com/v1", "kind": "Widget",
                "metadata": {"name": "w"}, "status": status(dice)});
            let path = format!("{WIDGETS}/w/status?fieldManager=reporter&force=true");
            (write("PATCH", "application/apply-patch+yaml", path, &body), false)
        }
        17..=18 => {
            let mut body = object(&spec(dice, 40, true), metadata);
            body["metadata"]["resourceVersion"] = json!("$RV");
            (
                write(
                    "PUT",
                    "application/json",
                    format!("{WIDGETS}/w?fieldManager=replacer"),
                    &body,
                ),
                true,
            )
        }
        _ => {
            let mut ask = read();
            "DELETE".clone_into(&mut ask.method);
            (ask, false)
        }
    }
}

fn metadata(dice: &mut Dice) -> Map<String, Value> {
    let mut metadata = Map::new();
    if dice.chance(25) {
        let mut labels = json!({});
        for key in ["a", "b", "c"] {
            if dice.chance(40) {
                labels[key] = json!(dice.pick(&["x", "y"]));
            }
        }
        metadata.insert("labels".to_owned(), labels);
    }
    if dice.chance(10) {
        let value = dice.pick(&["p", "q"]);
        metadata.insert("annotations".to_owned(), json!({"example.com/n": value}));
    }
    metadata
}

fn status(dice: &mut Dice) -> Value {
    let mut status = json!({});
    if dice.chance(50) {
        status["phase"] = json!(dice.pick(&["Pending", "Running"]));
    }
    if dice.chance(50) {
        status["observedGeneration"] = json!(dice.roll(4));
    }
    let mut conditions = Vec::new();
    for kind in ["Ready", "Synced"] {
        if dice.chance(40) {
            let value = dice.pick(&["True", "False"]);
            conditions.push(json!({"type": kind, "status": value, "reason": "Because"}));
        }
    }
    if !conditions.is_empty() {
        status["conditions"] = json!(conditions);
    }
    status
}

/// A spec with each field by chance; the required one always, if asked for.
fn spec(dice: &mut Dice, percent: u64, required: bool) -> Value {
    let mut spec = json!({});
    if required || dice.chance(percent) {
        spec["size"] = json!(dice.roll(15));
    }
    let mut put = |dice: &mut Dice, key: &str, make: &dyn Fn(&mut Dice) -> Value| {
        if dice.chance(percent) {
            spec[key] = make(dice);
        }
    };
    put(dice, "note", &|dice| json!(dice.pick(&["hello", "other", "no"])));
    put(dice, "color", &|dice| json!(dice.pick(&["red", "green", "blue"])));
    put(dice, "flag", &|dice| json!(dice.chance(50)));
    put(dice, "min", &|dice| json!(dice.roll(4)));
    put(dice, "replicas", &|dice| json!(dice.roll(4)));
    put(dice, "tags", &|dice| some(dice, &["a", "b", "c", "d"]).into());
    put(dice, "atoms", &|dice| json!([dice.roll(3), dice.roll(3)]));
    put(dice, "ref", &|dice| json!({"name": dice.pick(&["n", "m"])}));
    put(dice, "limits", &|dice| map(dice, &["cpu", "mem"]));
    put(dice, "free", &|dice| json!({"deep": map(dice, &["x", "y"]), "list": [dice.roll(2)]}));
    put(dice, "plain", &|dice| json!([{"a": dice.pick(&["1", "2"])}]));
    put(dice, "ports", &ports);
    spec
}

fn some(dice: &mut Dice, all: &[&str]) -> Vec<Value> {
    let mut chosen: Vec<Value> =
        all.iter().filter(|_| dice.chance(50)).map(|text| json!(text)).collect();
    if dice.chance(30) {
        chosen.reverse();
    }
    chosen
}

fn map(dice: &mut Dice, keys: &[&str]) -> Value {
    let mut map = json!({});
    for key in keys {
        if dice.chance(60) {
            map[*key] = json!(dice.roll(3));
        }
    }
    map
}

fn ports(dice: &mut Dice) -> Value {
    let mut ports = Vec::new();
    for number in [80, 81, 82] {
        if !dice.chance(50) {
            continue;
        }
        let mut port = json!({"port": number});
        if dice.chance(40) {
            port["protocol"] = json!(dice.pick(&["TCP", "UDP"]));
        }
        if dice.chance(40) {
            port["name"] = json!(dice.pick(&["http", "other"]));
        }
        if dice.chance(30) {
            port["targets"] = some(dice, &["s", "t"]).into();
        }
        ports.push(port);
    }
    json!(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_cases_again() {
        let texts = |seed| format!("{:?}", cases(seed));
        assert_eq!(texts(1), texts(1));
        assert_ne!(texts(1), texts(2));
    }
}
