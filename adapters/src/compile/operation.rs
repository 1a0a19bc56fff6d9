//! Operations with their templates compiled.

use std::time::Duration;

use infrafabric_definition::{AnswerFormat, Free, Method, Name, Operation, Span, Step, Text, Wait};
use serde_json::Value as Json;

use super::definition::{Problem, Problems};
use super::expression::{EvaluationError, Expression, Vars};
use super::template::{Template, Tree, plain};

/// How an exchange travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// As a request of its own.
    Http,
    /// On the account's socket.
    Socket,
}

/// One exchange, ready to be rendered.
#[derive(Debug)]
pub struct CompiledOperation {
    /// `machine.create`, `verify`, `sizes.list`.
    pub name: String,
    /// How it travels.
    pub transport: Transport,
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: PathTemplate,
    /// One of the definition's endpoints; the main one when absent.
    pub endpoint: Option<String>,
    /// Whether credentials are kept from it.
    pub anonymous: bool,
    /// Request headers.
    pub headers: Vec<(String, Template)>,
    /// The body.
    pub body: BodyTemplate,
    /// Fields of the body that come from the Secret.
    pub secret_fields: Vec<(String, Template)>,
    /// How the answer is read.
    pub answer: AnswerFormat,
    /// The thing in the answer.
    pub item: Option<Template>,
    /// Whether that says something which only the request knows.
    pub item_reads_request: bool,
    /// The things in the answer.
    pub items: Option<Template>,
    /// The URL of the next page.
    pub next: Option<Template>,
    /// The value of `cursor` for the next page.
    pub cursor: Option<Template>,
    /// The reads before the request.
    pub steps: Vec<CompiledStep>,
    /// How long its answer may take, where that is longer than usual.
    pub within: Option<Duration>,
    /// What says how it ended when its answer was lost.
    pub resolve: Option<Box<CompiledOperation>>,
    /// What is waited for.
    pub wait: Option<Box<CompiledWait>>,
    /// Whether it asks after another operation: what an answer says of that one is no failure of the
    /// question.
    pub poll: bool,
}

/// A read before a request.
#[derive(Debug)]
pub struct CompiledStep {
    /// Its name beneath `steps`.
    pub name: String,
    /// The read.
    pub operation: CompiledOperation,
}

/// A long-running operation.
#[derive(Debug)]
pub struct CompiledWait {
    /// The question.
    pub poll: CompiledOperation,
    /// The whole address, where the first answer gives it.
    pub address: Option<Template>,
    /// True at the end.
    pub done: Template,
    /// True when it ended badly.
    pub failed: Option<Template>,
    /// The longest pause between two questions.
    pub every: Duration,
    /// How long it is waited for.
    pub within: Duration,
}

/// A request body.
#[derive(Debug)]
pub enum BodyTemplate {
    /// None.
    Empty,
    /// JSON.
    Json(Tree),
    /// A form.
    Form(Tree),
    /// Fields and files.
    Multipart(Tree),
    /// XML.
    Xml(Tree),
    /// Plain text.
    Text(Tree),
}

impl BodyTemplate {
    /// The definition's word for it, and what it is written from.
    pub fn parts(&self) -> Option<(&'static str, &Tree)> {
        match self {
            Self::Empty => None,
            Self::Json(tree) => Some(("json", tree)),
            Self::Form(tree) => Some(("form", tree)),
            Self::Multipart(tree) => Some(("multipart", tree)),
            Self::Xml(tree) => Some(("xml", tree)),
            Self::Text(tree) => Some(("text", tree)),
        }
    }
}

/// A path with its query, split so that each value is encoded and an absent one left out.
#[derive(Debug)]
pub struct PathTemplate {
    /// As written: the vendor's path template for metrics.
    pub text: String,
    /// The path.
    pub path: Template,
    /// The query parameters.
    pub query: Vec<(String, Template)>,
}

impl PathTemplate {
    fn compile(text: &str, path: &str, trusted: bool) -> Result<Self, Problem> {
        let problem = |reason: String| Problem { path: path.to_owned(), reason };
        if !text.starts_with('/') {
            return Err(problem(format!("path `{text}` must begin with /")));
        }
        let (head, tail) = split_outside_expressions(text, '?');
        let read = if trusted { Template::split } else { Template::compile };
        let template = |text: &str| read(text).map_err(|e| problem(e.to_string()));
        let mut query = Vec::new();
        let mut rest = tail;
        while let Some(text) = rest {
            let (pair, more) = split_outside_expressions(text, '&');
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| problem(format!("query parameter `{pair}` without `=`")))?;
            query.push((key.to_owned(), template(value)?));
            rest = more;
        }
        Ok(Self { text: text.to_owned(), path: template(head)?, query })
    }

    /// The vendor's path template without its query, for spans.
    pub fn pattern(&self) -> &str {
        split_outside_expressions(&self.text, '?').0
    }

    /// The path and query; `None` when a value in the path itself is absent.
    pub fn render(&self, vars: &Vars) -> Result<Option<String>, EvaluationError> {
        let Some(mut text) = self.path.render_text(vars, encode_segment)? else {
            return Ok(None);
        };
        let mut query = form_urlencoded::Serializer::new(String::new());
        let mut any = false;
        for (key, value) in &self.query {
            if let Some(value) = value.render(vars)? {
                query.append_pair(key, &plain(&value));
                any = true;
            }
        }
        if any {
            text.push('?');
            // A space is `%20` in every API; `+` is one only in forms.
            text.push_str(&query.finish().replace('+', "%20"));
        }
        Ok(Some(text))
    }
}

/// Splits at the first separator that stands outside `${}`.
fn split_outside_expressions(text: &str, separator: char) -> (&str, Option<&str>) {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if c == separator && depth == 0 => return (&text[..at], Some(&text[at + 1..])),
            _ => {}
        }
    }
    (text, None)
}

fn encode_segment(text: &str) -> String {
    const SEGMENT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    // A segment of dots would climb out of its place.
    match text {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => percent_encoding::utf8_percent_encode(text, SEGMENT).to_string(),
    }
}

impl CompiledOperation {
    /// Compiles an operation; every problem it has goes to `problems`.
    pub(super) fn compile(
        name: &str,
        operation: &Operation,
        answer: AnswerFormat,
        path: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        let before = problems.len();
        let request = operation.request().map_err(|error| {
            problems.push(Problem { path: path.to_owned(), reason: error.to_string() });
        });
        let (method, text) = request.ok()?;
        let verb = method.as_str().to_ascii_lowercase();
        let rpc = operation.rpc.is_some();
        let text = if rpc { format!("/{text}") } else { text.0.clone() };
        let compiled = PathTemplate::compile(&text, &format!("{path}.{verb}"), problems.trusted)
            .map_err(|problem| problems.push(problem));
        let mut headers = Vec::new();
        for (key, value) in &operation.headers {
            let place = format!("{path}.headers.{key}");
            headers.extend(text_template(value, &place, problems).map(|t| (key.0.clone(), t)));
        }
        let mut secret_fields = Vec::new();
        for (key, value) in &operation.secret_fields {
            let place = format!("{path}.secretFields.{key}");
            secret_fields
                .extend(text_template(value, &place, problems).map(|t| (key.0.clone(), t)));
        }
        let optional = |text: &Option<Text>, key: &str, problems: &mut Problems| {
            let text = text.as_ref()?;
            text_template(text, &format!("{path}.{key}"), problems)
        };
        let mut steps = Vec::new();
        for (i, step) in operation.steps.iter().enumerate() {
            let place = format!("{path}.steps[{i}]");
            steps.extend(self::step(name, step, answer, &place, problems));
        }
        let wait = operation.wait.as_ref().and_then(|wait| {
            let answer = operation.answer.unwrap_or(answer);
            let place = format!("{path}.wait");
            self::wait(name, wait, operation.endpoint.as_ref(), answer, &place, problems)
        });
        let within = operation.within.as_ref();
        let within = within.and_then(|given| span(given, &format!("{path}.within"), problems));
        let item = optional(&operation.item, "item", problems);
        let compiled = Self {
            name: name.to_owned(),
            transport: if rpc { Transport::Socket } else { Transport::Http },
            method,
            item_reads_request: [&operation.item, &operation.items]
                .into_iter()
                .flatten()
                .any(reads_request),
            endpoint: operation.endpoint.as_ref().map(|name| name.0.clone()),
            anonymous: operation.anonymous,
            headers,
            answer: operation.answer.unwrap_or(answer),
            item,
            items: optional(&operation.items, "items", problems),
            next: optional(&operation.next, "next", problems),
            cursor: optional(&operation.cursor, "cursor", problems),
            body: body(operation, path, problems),
            secret_fields,
            steps,
            within,
            resolve: None,
            wait: wait.map(Box::new),
            poll: false,
            path: compiled.ok()?,
        };
        (problems.len() == before).then_some(compiled)
    }

    /// Calls `f` on every template of the request, with its place.
    pub fn request_templates<'a>(&'a self, path: &str, f: &mut impl FnMut(&str, &'a Template)) {
        let verb = self.method.as_str().to_ascii_lowercase();
        f(&format!("{path}.{verb}"), &self.path.path);
        self.path.query.iter().for_each(|(_, t)| f(&format!("{path}.{verb}"), t));
        self.headers.iter().for_each(|(key, t)| f(&format!("{path}.headers.{key}"), t));
        if let Some((key, tree)) = self.body.parts() {
            tree.templates(&format!("{path}.{key}"), f);
        }
    }

    /// Calls `f` on every template over the answer, with its place.
    pub fn answer_templates<'a>(&'a self, path: &str, f: &mut impl FnMut(&str, &'a Template)) {
        let named = [
            ("item", &self.item),
            ("items", &self.items),
            ("next", &self.next),
            ("cursor", &self.cursor),
        ];
        for (key, template) in named {
            if let Some(template) = template {
                f(&format!("{path}.{key}"), template);
            }
        }
    }

    /// Whether a repetition is the same effect: the request carries `token`, or it is a PUT at the
    /// thing's own name.
    pub fn repeatable(&self) -> bool {
        let reads = |template: &Template, wanted: &[&str]| {
            template.expressions().flat_map(Expression::paths).any(|path| path == wanted)
        };
        self.sends_token()
            || self.method == Method::Put && reads(&self.path.path, &["want", "name"])
    }

    /// Whether it sends something: what only asks is a GET, or a request on a socket before another.
    pub fn sends(&self) -> bool {
        self.method != Method::Get && self.transport == Transport::Http
    }

    /// Whether the request carries `token`.
    pub fn sends_token(&self) -> bool {
        let mut found = false;
        self.request_templates("", &mut |_, template| {
            found |= template.expressions().flat_map(Expression::paths).any(|p| p == ["token"]);
        });
        found
    }
}

/// Whether a text could read `want`, `id` or `token`: what the answer alone says is not carried along.
fn reads_request(text: &Text) -> bool {
    let words = text.0.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '"')));
    let mut words = words.into_iter();
    words.any(|word| matches!(word, "id" | "token") || word.split('.').next() == Some("want"))
}

/// A read before the request of `name`.
fn step(
    name: &str,
    step: &Step,
    answer: AnswerFormat,
    path: &str,
    problems: &mut Problems,
) -> Option<CompiledStep> {
    let read = Operation {
        get: step.get.clone(),
        rpc: step.rpc.clone(),
        post: step.post.clone(),
        endpoint: step.endpoint.clone(),
        anonymous: step.anonymous,
        json: step.json.clone(),
        form: step.form.clone(),
        multipart: step.multipart.clone(),
        answer: step.answer,
        item: Some(step.item.clone()),
        ..Operation::default()
    };
    let name = format!("{name}.{}", step.name);
    let operation = CompiledOperation::compile(&name, &read, answer, path, problems)?;
    Some(CompiledStep { name: step.name.0.clone(), operation })
}

/// What is waited for after the request of `name`.
fn wait(
    name: &str,
    wait: &Wait,
    endpoint: Option<&Name>,
    answer: AnswerFormat,
    path: &str,
    problems: &mut Problems,
) -> Option<CompiledWait> {
    let address = if wait.get.as_str().starts_with("${") {
        Some(text_template(&wait.get, &format!("{path}.get"), problems)?)
    } else {
        None
    };
    // The path of an address that an answer gives is known when it came.
    let get = address.as_ref().map_or_else(|| wait.get.clone(), |_| "/".into());
    let read = Operation { get: Some(get), endpoint: endpoint.cloned(), ..Operation::default() };
    let mut poll =
        CompiledOperation::compile(&format!("{name}.wait"), &read, answer, path, problems)?;
    poll.poll = true;
    let span = |given: &Option<Span>, key: &str, otherwise, problems: &mut Problems| {
        let given = given.as_ref();
        given.and_then(|g| span(g, &format!("{path}.{key}"), problems)).unwrap_or(otherwise)
    };
    let failed = wait.failed.as_ref();
    Some(CompiledWait {
        poll,
        address,
        every: span(&wait.every, "every", Duration::from_secs(2), problems),
        within: span(&wait.within, "within", Duration::from_mins(10), problems),
        failed: failed.and_then(|failed| condition(failed, &format!("{path}.failed"), problems)),
        done: condition(&wait.done, &format!("{path}.done"), problems)?,
    })
}

/// A span of time that is not empty.
fn span(given: &Span, path: &str, problems: &mut Problems) -> Option<Duration> {
    let span = given.duration().filter(|span| !span.is_zero());
    if span.is_none() {
        let reason = format!("`{given}` is no span such as 30s");
        problems.push(Problem { path: path.to_owned(), reason });
    }
    span
}

/// A condition is an expression by itself; `${}` around it may be left out.
pub(crate) fn condition(text: &Text, path: &str, problems: &mut Problems) -> Option<Template> {
    let text = if text.0.contains("${") {
        text.clone()
    } else {
        format!("${{{}}}", text.0).as_str().into()
    };
    text_template(&text, path, problems)
}

/// The body's shape, made from its tree.
type Shape = fn(Tree) -> BodyTemplate;

fn body(operation: &Operation, path: &str, problems: &mut Problems) -> BodyTemplate {
    let text = operation.text.as_ref().map(|text| Free(Json::String(text.0.clone())));
    let all: [(&str, Option<&Free>, Shape); 5] = [
        ("json", operation.json.as_ref(), BodyTemplate::Json),
        ("form", operation.form.as_ref(), BodyTemplate::Form),
        ("multipart", operation.multipart.as_ref(), BodyTemplate::Multipart),
        ("xml", operation.xml.as_ref(), BodyTemplate::Xml),
        ("text", text.as_ref(), BodyTemplate::Text),
    ];
    let mut given = all.into_iter().filter_map(|(key, body, shape)| Some((key, body?, shape)));
    let Some((key, Free(body), shape)) = given.next() else { return BodyTemplate::Empty };
    if let Some((other, ..)) = given.next() {
        let reason = format!("two bodies, {key} and {other}: give one");
        problems.push(Problem { path: path.to_owned(), reason });
    }
    let mapped = matches!(key, "form" | "multipart" | "xml");
    let whole = body.as_str().is_some_and(|text| text.starts_with("${"));
    if mapped && !body.is_object() && !whole {
        let reason = "expected a map, or an expression that gives one".to_owned();
        problems.push(Problem { path: format!("{path}.{key}"), reason });
    }
    if key == "xml" && body.as_object().is_some_and(|map| map.len() != 1) {
        let reason = "expected a map with one key: XML has one root element".to_owned();
        problems.push(Problem { path: format!("{path}.xml"), reason });
    }
    tree(body, &format!("{path}.{key}"), problems).map_or(BodyTemplate::Empty, shape)
}

/// Compiles a text; a problem goes to `problems`.
pub(crate) fn text_template(text: &Text, path: &str, problems: &mut Problems) -> Option<Template> {
    let read = if problems.trusted { Template::split } else { Template::compile };
    read(text.as_str())
        .map_err(|error| {
            problems.push(Problem { path: path.to_owned(), reason: error.to_string() });
        })
        .ok()
}

/// Compiles a tree; a problem goes to `problems`.
pub(crate) fn tree(json: &Json, path: &str, problems: &mut Problems) -> Option<Tree> {
    let read = if problems.trusted { Tree::split } else { Tree::compile };
    read(json, path)
        .map_err(|error| {
            problems.push(Problem { path: error.path, reason: error.source.to_string() });
        })
        .ok()
}
