//! Lists: page after page, bounded.

use infrafabric_definition::{AnswerFormat, Class};
use serde_json::{Value as Json, json};
use url::Url;

use super::Pipeline;
use super::answer::Answer;
use super::call::Call;
use super::request::Inputs;
use crate::compile::{CompiledOperation, Expression, Template, Vars, plain};
use crate::error::AdapterError;

const MOST_PAGES: usize = 1_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// Where the next page is.
#[derive(Clone, Debug)]
enum Next {
    Page(Url, String),
    Cursor(Json),
}

impl Next {
    /// Whether two pages name the same next one.
    fn leads_where(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Page(_, to), Self::Page(_, before)) => to == before,
            (Self::Cursor(to), Self::Cursor(before)) => to == before,
            _ => false,
        }
    }
}

impl Pipeline {
    /// Everything that a list operation shows, over all its pages.
    pub(crate) async fn list(
        &self,
        name: &str,
        operation: Option<&CompiledOperation>,
        inputs: Inputs,
    ) -> Result<Vec<Json>, AdapterError> {
        let mut items = Vec::new();
        let mut bytes = 0;
        let mut page = inputs.clone();
        let mut last = None;
        for number in 1..=MOST_PAGES {
            let call = Call { name, operation, inputs: page, effect: None, events: None };
            let answer = self.run(call).await?;
            // The pipeline answered, so the operation is declared.
            let Some(operation) = operation else { return Ok(items) };
            bytes += answer.bytes;
            items.extend(self.items(name, operation, &answer, inputs.mark.as_deref())?);
            let read = (number, items.len());
            let Some(next) = self.next(name, operation, &answer, read)? else { return Ok(items) };
            if bytes > MOST_BYTES {
                return Err(self.odd(name, "a list of more than 64 MiB"));
            }
            if last.as_ref().is_some_and(|last| next.leads_where(last)) {
                return Err(self.odd(name, "a list whose next page is the same page"));
            }
            page = inputs.clone();
            match &next {
                Next::Page(from, to) => page.page = Some((from.clone(), to.clone())),
                Next::Cursor(cursor) => page.cursor = Some(cursor.clone()),
            }
            last = Some(next);
        }
        Err(self.odd(name, "a list of more than 1000 pages"))
    }

    /// The things on one page. Where the answer has another shape than the definition says, the
    /// page is an error and never an empty list: who believes it would make everything again.
    fn items(
        &self,
        name: &str,
        operation: &CompiledOperation,
        answer: &Answer,
        mark: Option<&str>,
    ) -> Result<Vec<Json>, AdapterError> {
        let mut vars = answer.vars();
        if let Some(mark) = mark {
            vars.set("scope", &json!({ "mark": mark }));
        }
        let items = match &operation.items {
            Some(template) => self.evaluated(name, template, &vars)?,
            None => Some(answer.body.clone()),
        };
        // A loop over a map has its keys, or nothing: no list is not an empty one.
        let over_whole = |path: Vec<String>| path.len() > 1 && path[0] == "body" && path[1] == "[]";
        let loops = operation.items.iter().flat_map(Template::expressions);
        if !answer.body.is_array() && loops.flat_map(Expression::paths).any(over_whole) {
            return Err(self.odd(name, "success without the list"));
        }
        match items {
            Some(Json::Array(items)) => Ok(items),
            None if is_empty_xml(operation, answer) => Ok(Vec::new()),
            _ => Err(self.odd(name, "success without the list")),
        }
    }

    fn next(
        &self,
        name: &str,
        operation: &CompiledOperation,
        answer: &Answer,
        (page, count): (usize, usize),
    ) -> Result<Option<Next>, AdapterError> {
        let text = |template: &Option<Template>| {
            let Some(template) = template else { return Ok(None) };
            let mut vars = answer.vars();
            vars.set("page", &json!(page)).set("count", &json!(count));
            self.evaluated(name, template, &vars)
        };
        let given = |value: &Json| !matches!(value, Json::Null) && value.as_str() != Some("");
        if let Some(next) = text(&operation.next)?.filter(given) {
            let here = answer.address.clone();
            return Ok(here.map(|here| Next::Page(here, plain(&next))));
        }
        Ok(text(&operation.cursor)?.filter(given).map(Next::Cursor))
    }

    /// An expression over an answer.
    pub(crate) fn evaluate(
        &self,
        name: &str,
        template: &Template,
        answer: &Answer,
    ) -> Result<Option<Json>, AdapterError> {
        self.evaluated(name, template, &answer.vars())
    }

    pub(super) fn evaluated(
        &self,
        name: &str,
        template: &Template,
        vars: &Vars,
    ) -> Result<Option<Json>, AdapterError> {
        template.render(vars).map_err(|error| {
            let message = "an answer that does not fit the definition's expression";
            self.odd(name, message).because(error)
        })
    }

    /// A failure of a read that was answered with success.
    pub(crate) fn odd(&self, name: &str, what: &str) -> AdapterError {
        let message = format!("answered {what}");
        let mut error =
            AdapterError::new(Class::Unavailable, self.definition.name(), name, message);
        error.sent = true;
        error
    }
}

/// XML says an empty list by an element without content, which is absent to expressions. The root
/// element tells it from another answer.
fn is_empty_xml(operation: &CompiledOperation, answer: &Answer) -> bool {
    let root = answer.body.as_object().and_then(|body| body.keys().next());
    let (AnswerFormat::Xml, Some(root), Some(items)) = (operation.answer, root, &operation.items)
    else {
        return false;
    };
    let names_root = |path: Vec<String>| path.len() > 1 && path[0] == "body" && path[1] == *root;
    items.expressions().flat_map(Expression::paths).any(names_root)
}
