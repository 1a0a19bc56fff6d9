//! Text and trees with expressions in `${}`, compiled once and rendered often.

use serde_json::{Map, Value as Json};
use thiserror::Error;

use super::expression::{EvaluationError, Expression, SyntaxError, Vars};

/// A string with expressions in it. One expression and nothing else keeps its type; several parts
/// become text, and the whole is absent when one part is.
#[derive(Debug)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Literal(String),
    Expression(Expression),
}

/// Why a template does not compile.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TemplateError {
    /// A `${` without its `}`.
    #[error("`{0}`: `${{` without its `}}`")]
    Open(String),
    /// An expression is wrong.
    #[error(transparent)]
    Syntax(SyntaxError),
}

impl Template {
    /// Splits the text and compiles its expressions. A `$` that no `{` follows is itself.
    pub fn compile(text: &str) -> Result<Self, TemplateError> {
        let template = Self::split(text)?;
        template.verify().map(|()| template)
    }

    /// Splits the text; its expressions are compiled when they are first needed.
    pub fn split(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            if start > 0 {
                parts.push(Part::Literal(rest[..start].to_owned()));
            }
            let body = &rest[start + 2..];
            let end = expression_end(body).ok_or_else(|| TemplateError::Open(text.to_owned()))?;
            parts.push(Part::Expression(Expression::new(body[..end].trim())));
            rest = &body[end + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// Says what is wrong with its expressions, if something is.
    pub fn verify(&self) -> Result<(), TemplateError> {
        self.expressions().try_for_each(|e| e.verify().map_err(TemplateError::Syntax))
    }

    /// The text when there is no expression in it.
    pub fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The expression when there is nothing else.
    pub fn whole(&self) -> Option<&Expression> {
        match self.parts.as_slice() {
            [Part::Expression(expression)] => Some(expression),
            _ => None,
        }
    }

    /// Its expressions, in order.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expression(expression) => Some(expression),
            Part::Literal(_) => None,
        })
    }

    /// The value, or `None` when it is absent.
    pub fn render(&self, vars: &Vars) -> Result<Option<Json>, EvaluationError> {
        if let Some(expression) = self.whole() {
            return match vars.exact(expression.source()) {
                Some(value) => Ok(Some(value.clone())),
                None => expression.evaluate(vars),
            };
        }
        Ok(self.render_text(vars, ToOwned::to_owned)?.map(Json::String))
    }

    /// The text, with `encode` applied to what the expressions give, or `None` when one is absent.
    pub fn render_text(
        &self,
        vars: &Vars,
        encode: impl Fn(&str) -> String,
    ) -> Result<Option<String>, EvaluationError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Expression(expression) => match expression.evaluate(vars)? {
                    Some(value) => text.push_str(&encode(&plain(&value))),
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(text))
    }

    /// The parts for matching a text against the template: literal text, or `None` for a value.
    pub fn pattern(&self) -> impl Iterator<Item = Option<&str>> {
        self.parts.iter().map(|part| match part {
            Part::Literal(text) => Some(text.as_str()),
            Part::Expression(_) => None,
        })
    }
}

/// A string as it is, anything else as JSON.
pub fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Where the expression ends: its closing brace, with braces of map literals and strings skipped.
fn expression_end(body: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

/// A JSON shape whose strings are templates. Map entries and list elements that are absent are
/// left out.
#[derive(Debug)]
pub enum Tree {
    /// A value without templates.
    Constant(Json),
    /// A string.
    Text(Template),
    /// A list.
    List(Vec<Tree>),
    /// A map.
    Map(Vec<(String, Tree)>),
}

/// A template error with the path inside the tree.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{path}: {source}")]
pub struct TreeError {
    /// Where in the tree, `.json.tags[0]`.
    pub path: String,
    /// What is wrong there.
    pub source: TemplateError,
}

impl Tree {
    /// Compiles every string in the shape; `path` begins the paths of errors.
    pub fn compile(json: &Json, path: &str) -> Result<Self, TreeError> {
        Self::of(json, path, &Template::compile)
    }

    /// Splits every string in the shape; expressions are compiled when they are first needed.
    pub fn split(json: &Json, path: &str) -> Result<Self, TreeError> {
        Self::of(json, path, &Template::split)
    }

    fn of(
        json: &Json,
        path: &str,
        template: &impl Fn(&str) -> Result<Template, TemplateError>,
    ) -> Result<Self, TreeError> {
        Ok(match json {
            Json::String(text) => {
                let template =
                    template(text).map_err(|source| TreeError { path: path.to_owned(), source })?;
                Self::Text(template)
            }
            Json::Array(items) => Self::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(i, item)| Self::of(item, &format!("{path}[{i}]"), template))
                    .collect::<Result<_, _>>()?,
            ),
            Json::Object(entries) => Self::Map(
                entries
                    .iter()
                    .map(|(key, value)| {
                        Ok((key.clone(), Self::of(value, &format!("{path}.{key}"), template)?))
                    })
                    .collect::<Result<_, TreeError>>()?,
            ),
            constant => Self::Constant(constant.clone()),
        })
    }

    /// The value, or `None` when it is absent.
    pub fn render(&self, vars: &Vars) -> Result<Option<Json>, EvaluationError> {
        Ok(match self {
            Self::Constant(value) => Some(value.clone()),
            Self::Text(template) => template.render(vars)?,
            Self::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    list.extend(item.render(vars)?);
                }
                Some(Json::Array(list))
            }
            Self::Map(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    if let Some(value) = value.render(vars)? {
                        map.insert(key.clone(), value);
                    }
                }
                Some(Json::Object(map))
            }
        })
    }

    /// Calls `f` on every template with its path.
    pub fn templates<'a>(&'a self, path: &str, f: &mut impl FnMut(&str, &'a Template)) {
        match self {
            Self::Constant(_) => {}
            Self::Text(template) => f(path, template),
            Self::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    item.templates(&format!("{path}[{i}]"), f);
                }
            }
            Self::Map(entries) => {
                for (key, value) in entries {
                    value.templates(&format!("{path}.{key}"), f);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn vars() -> Vars {
        let mut vars = Vars::default();
        vars.set(
            "item",
            &json!({
                "id": 7, "size": 80.0, "price": 0.006, "name": "a", "none": null,
                "net": {"v4": [{"ip": "1.2.3.4", "type": "public"}]},
                "one": {"k": 1}
            }),
        );
        vars
    }

    fn render(tree: impl Into<Json>) -> Option<Json> {
        Tree::compile(&tree.into(), "").expect("compiles").render(&vars()).expect("evaluates")
    }

    #[test]
    fn one_expression_keeps_its_type() {
        assert_eq!(render(json!("${item.id}")), Some(json!(7)));
        assert_eq!(render(json!("${string(item.id)}")), Some(json!("7")));
        assert_eq!(render(json!("x-${item.id}")), Some(json!("x-7")));
        assert_eq!(render(json!("${item.size}")), Some(json!(80)));
        assert_eq!(render(json!("${item.price}")), Some(json!(0.006)));
    }

    #[test]
    fn a_missing_path_is_absent_and_never_an_error() {
        for text in [
            "${item.nope}",
            "${item.nope.deeper}",
            "${item.none}",
            "${item.none.x}",
            "a${nope}",
            "${item.net.v4[3].ip}",
            "${list(item.nope).map(x, x.y)}",
            "${item.name.nope}",
        ] {
            assert_eq!(render(json!(text)), None, "{text}");
        }
        assert_eq!(render(json!({"a": "${item.nope}", "b": 1})), Some(json!({"b": 1})));
        assert_eq!(render(json!(["${item.nope}", 1])), Some(json!([1])));
        assert_eq!(render(json!("${item.?nope.orValue(3)}")), Some(json!(3)));
    }

    #[test]
    fn maps_and_quotes_do_not_end_an_expression() {
        let text = r#"${item.net.v4.map(n, {"ip": n.ip, "brace": "}"})}"#;
        assert_eq!(render(json!(text)), Some(json!([{"brace": "}", "ip": "1.2.3.4"}])));
    }

    #[test]
    fn list_and_flatten_tame_xml() {
        assert_eq!(render(json!("${list(item.one).map(x, x.k)}")), Some(json!([1])));
        assert_eq!(render(json!("${flatten([[1], [2, 3]])}")), Some(json!([1, 2, 3])));
        let flags = render(json!("${keyed(['a', 'b'], '')}"));
        assert_eq!(flags, Some(json!({"a": "", "b": ""})));
        assert_eq!(render(json!("${base64('hi')}")), Some(json!("aGk=")));
        assert_eq!(render(json!("${json({'a': 1})}")), Some(json!("{\"a\":1}")));
        let sorted = json!([{"key": "a", "value": 2}, {"key": "b", "value": 1}]);
        assert_eq!(render(json!("${pairs({'b': 1, 'a': 2})}")), Some(sorted));
        // As `uuid.uuid5(uuid.NAMESPACE_OID, "a")` of Python gives it.
        let uuid = "d720e32d-4765-5177-b65b-42dd7f6e6445";
        assert_eq!(render(json!("${uuid('a')}")), Some(json!(uuid)));
    }

    #[test]
    fn paths_follow_macro_variables_and_list() {
        let paths = |text: &str| Expression::compile(text).expect("compiles").paths();
        let path = |text: &str| text.split('.').map(ToOwned::to_owned).collect::<Vec<_>>();
        let found = paths("list(item.net.v4).filter(n, n.type == 'x').map(n, n.ip)");
        assert!(found.contains(&path("item.net.v4.[].type")), "{found:?}");
        assert_eq!(paths("want.marks + want.tags"), [path("want.marks"), path("want.tags")]);
        assert_eq!(paths("body['a'].b[0].c"), [path("body.a.b.[].c")]);
        assert_eq!(paths("body.?a.?b.orValue(1)"), [path("body.a.b")]);
        assert_eq!(paths("has(body.a.b)"), [path("body.a.b")]);
    }

    #[test]
    fn an_expression_that_would_take_too_long_is_not_begun() {
        let many = json!({"list": vec![1; 5000], "text": "a,".repeat(5000)});
        let mut vars = Vars::default();
        vars.set("body", &many);
        let refused = |text: &str| {
            let template = Template::compile(text).expect("compiles");
            template.render(&vars).map(drop).map_err(|error| error.to_string())
        };
        refused("${body.list.filter(x, x > 0).map(x, x + 1)}").expect("one loop after the other");
        let nested = "${body.list.map(x, body.list.map(y, x + y))}";
        let error = refused(nested).expect_err("25 million rounds");
        assert!(error.contains("2 nested loops over up to 5000 items"), "{error}");
        let split = "${body.text.split(',').map(x, body.text.split(',').map(y, x + y))}";
        refused(split).expect_err("lists that were not there before count too");
    }

    #[test]
    fn bad_expressions_are_refused_with_their_text() {
        let refusal = |text: &str| Template::compile(text).expect_err("refused").to_string();
        assert!(refusal("${item.").contains("without its"));
        assert!(refusal("${1 +}").contains("`1 +`"));
        assert!(refusal("${a ? (b ? 1 : 2) : 3}").contains("more than one conditional"));
        assert!(Template::compile("${list(item.x).filter(n, n.y ? true : false)}").is_ok());
    }
}
