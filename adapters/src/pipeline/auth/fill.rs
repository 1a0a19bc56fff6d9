//! Fields of a body that come from the Secret: a password that a trunk gets.

use serde_json::{Map, Value as Json};

use super::{Credentials, SignError};
use crate::compile::{BodyTemplate, CompiledOperation, Vars, plain};
use crate::pipeline::request::Request;

impl Credentials {
    /// Puts what comes from the Secret into a request that is about to leave. The rendered request, of
    /// which digests are made, stays without it.
    pub(crate) fn fill(
        &self,
        operation: &CompiledOperation,
        rendered: &Request,
        request: &mut reqwest::Request,
    ) -> Result<(), SignError> {
        let values = self.fields(operation)?;
        if values.is_empty() {
            return Ok(());
        }
        let body = if let BodyTemplate::Json(_) = operation.body {
            let mut body: Map<String, Json> =
                serde_json::from_slice(&rendered.body).unwrap_or_default();
            let values = values.into_iter();
            body.extend(values.map(|(field, value)| (field.to_owned(), Json::from(value))));
            Json::Object(body).to_string().into_bytes()
        } else {
            let body = String::from_utf8_lossy(&rendered.body).into_owned();
            let mut form = form_urlencoded::Serializer::new(body);
            form.extend_pairs(values);
            form.finish().into_bytes()
        };
        *request.body_mut() = Some(body.into());
        Ok(())
    }

    /// The fields of an operation that come from the Secret; what it lacks is said before anything is
    /// written down.
    pub(crate) fn fields<'a>(
        &self,
        operation: &'a CompiledOperation,
    ) -> Result<Vec<(&'a str, String)>, SignError> {
        if operation.secret_fields.is_empty() {
            return Ok(Vec::new());
        }
        let mut vars = Vars::default();
        vars.set("secret", &self.secret());
        let mut values = Vec::new();
        for (field, template) in &operation.secret_fields {
            let absent = |source| SignError::Field { field: field.clone(), source };
            let value = template.render(&vars).map_err(|error| absent(Some(error)))?;
            let value = value.as_ref().map(plain).filter(|value| !value.is_empty());
            values.push((field.as_str(), value.ok_or_else(|| absent(None))?));
        }
        Ok(values)
    }
}
