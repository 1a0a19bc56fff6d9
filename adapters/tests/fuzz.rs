//! Definitions and answers as nobody would write them: refused or read, never a panic, and always
//! an end.

use std::sync::{Arc, LazyLock};

use infrafabric_adapters::compile::{Compiled, Template, Vars, parse};
use infrafabric_adapters::registry::Registry;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::{Map, Value as Json};

/// A definition with everything in it.
const BENCH: &str = include_str!("../../examples/bench/bench.yaml");

static BUILT_IN: LazyLock<Vec<Arc<Compiled>>> = LazyLock::new(|| {
    let registry = Registry::built_in();
    registry.names().iter().filter_map(|(name, _)| registry.simulated(name)).collect()
});

/// What is done to a text.
#[derive(Clone, Debug)]
enum Change {
    Cut { line: usize },
    Double { line: usize },
    Swap { line: usize, other: usize },
    Indent { line: usize, by: usize },
    Insert { at: usize, text: String },
    End { at: usize },
}

fn change() -> impl Strategy<Value = Change> {
    let line = any::<prop::sample::Index>().prop_map(|index| index.index(10_000));
    let pieces = prop::sample::select(vec![
        "${",
        "}",
        "'",
        "\"",
        ": ",
        "\n",
        "[",
        "{",
        "&a ",
        "*a",
        "!!binary ",
        "- ",
        "# ",
        "\u{0}",
        "${want.marks.map(x, want.marks)}",
        "${item[99999]}",
        "${1/0}",
        "${body.a.b.c[0].d}",
        "\t",
        "null",
        "9223372036854775808",
        "1e999",
        "\u{202e}",
    ]);
    let text = prop_oneof![pieces.prop_map(str::to_owned), "\\PC{0,12}"];
    prop_oneof![
        line.clone().prop_map(|line| Change::Cut { line }),
        line.clone().prop_map(|line| Change::Double { line }),
        (line.clone(), line.clone()).prop_map(|(line, other)| Change::Swap { line, other }),
        (line.clone(), 0_usize..9).prop_map(|(line, by)| Change::Indent { line, by }),
        (line.clone(), text).prop_map(|(at, text)| Change::Insert { at, text }),
        line.prop_map(|at| Change::End { at }),
    ]
}

fn changed(text: &str, changes: &[Change]) -> String {
    let mut text = text.to_owned();
    for change in changes {
        let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
        if lines.is_empty() {
            break;
        }
        let count = lines.len();
        match change {
            Change::Cut { line } => drop(lines.remove(line % count)),
            Change::Double { line } => lines.insert(line % count, lines[line % count].clone()),
            Change::Swap { line, other } => lines.swap(line % count, other % count),
            Change::Indent { line, by } => {
                let line = &mut lines[line % count];
                *line = format!("{}{}", " ".repeat(*by), line.trim_start());
            }
            Change::Insert { at, text: piece } => {
                let whole = lines.join("\n");
                let at = (0..=at % (whole.len() + 1)).rev().find(|at| whole.is_char_boundary(*at));
                let (before, after) = whole.split_at(at.unwrap_or(0));
                text = format!("{before}{piece}{after}");
                continue;
            }
            Change::End { at } => lines.truncate(at % (count + 1)),
        }
        text = lines.join("\n");
    }
    text
}

fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "\\PC{0,16}".prop_map(Json::from),
    ];
    // The names that definitions ask for, so that expressions go deep.
    let names = prop::sample::select(vec![
        "id",
        "name",
        "status",
        "networks",
        "v4",
        "ip_address",
        "type",
        "size_slug",
        "region",
        "slug",
        "image",
        "tags",
        "flavor",
        "ipAddresses",
        "ip",
        "instanceState",
        "tagSet",
        "item",
        "main_ip",
        "ipv4",
        "price",
        "hourly",
        "ram",
        "quota",
        "available",
        "label",
        "placement",
        "availabilityZone",
        "power_status",
        "server_status",
    ]);
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec((names.clone(), inner), 0..8).prop_map(|entries| {
                let entries = entries.into_iter().map(|(name, value)| (name.to_owned(), value));
                Json::Object(entries.collect::<Map<_, _>>())
            }),
        ]
    })
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("seeds"))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_changed_definition_is_refused_or_compiled(changes in prop::collection::vec(change(), 1..5)) {
        let text = changed(BENCH, &changes);
        if let Ok((name, spec)) = parse(&text, "fuzz.yaml") {
            match Compiled::new(&name, spec) {
                Ok(compiled) => prop_assert_eq!(compiled.digest().len(), 64),
                Err(problems) => {
                    prop_assert!(!problems.is_empty());
                    prop_assert!(problems.iter().all(|problem| !problem.reason.is_empty()));
                }
            }
        }
    }

    #[test]
    fn a_text_as_an_expression_is_refused_or_compiled(text in "\\PC{0,40}") {
        for text in [text.clone(), format!("${{{text}}}"), format!("${{item.{text}}}")] {
            if let Ok(template) = Template::compile(&text) {
                let mut vars = Vars::default();
                vars.set("item", &Json::from("a"));
                let _ = template.render(&vars);
            }
        }
    }

    #[test]
    fn an_answer_of_any_shape_is_read_or_absent(answer in value()) {
        for definition in BUILT_IN.iter() {
            let mut vars = Vars::default();
            vars.set("item", &answer).set("body", &answer).set("status", &Json::from(400));
            for object in definition.objects.values() {
                for output in object.outputs.values() {
                    let _ = output.render(&vars);
                }
            }
            for rule in definition.errors.iter().filter_map(|rule| rule.when.as_ref()) {
                let _ = rule.render(&vars);
            }
            for catalog in definition.catalogs.values() {
                let _ = catalog.list.items.as_ref().map(|items| items.render(&vars));
                for column in catalog.columns.values() {
                    let _ = column.render(&vars);
                }
            }
        }
    }
}
