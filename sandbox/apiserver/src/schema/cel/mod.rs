//! `x-kubernetes-validations`: CEL rules, evaluated by `kube-cel`.
//!
//! The walk is ours: it finds old values through list keys and skips what did not change. Known
//! gaps of the evaluator: no static type check or cost estimate at registration, no `sortBy`,
//! `cel.bind` or two-variable macros.

mod budget;

use std::fmt;
use std::sync::Arc;

use kube_cel::cel::{IdedExpr, Program};
use kube_cel::{CompiledSchema, compile_schema, validate_compiled};
use serde_json::Value;

use self::budget::{OF_OBJECT, OF_RULE};
use super::Schema;
use super::values::{Path, old_child, old_item};
use crate::status::{FieldError, Mistake};

/// The rules of one schema node.
#[derive(Clone)]
pub(crate) struct Rules {
    rules: Arc<Vec<Rule>>,
}

struct Rule {
    compiled: CompiledSchema,
    transition: bool,
    /// Whether its cost depends on the value.
    repeats: bool,
    /// Its message, or itself, for when it cannot be evaluated.
    said: String,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rules({})", self.rules.len())
    }
}

impl Rules {
    /// Compiles the rules at one node, each with the node's types but none of the rules below.
    pub(super) fn compile(json: &Value, field: &str, errors: &mut Vec<FieldError>) -> Option<Self> {
        let rules = json["x-kubernetes-validations"].as_array()?;
        let mut shape = json.clone();
        strip_rules(&mut shape);
        let mut all = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            let at = format!("{field}.x-kubernetes-validations[{index}].rule");
            if rule["rule"].as_str().unwrap_or_default().trim().is_empty() {
                errors.push(FieldError::required(at, "rule is not specified"));
                continue;
            }
            self::check(rule, json, &at, errors);
            let mut one = shape.clone();
            one["x-kubernetes-validations"] = Value::Array(vec![rule.clone()]);
            let compiled = compile_schema(&one);
            for error in compiled.compilation_errors() {
                let detail = format!("compilation failed: {error}");
                errors.push(FieldError::invalid(&at, &rule["rule"], &detail));
            }
            let transition = compiled
                .validations
                .first()
                .and_then(|rule| rule.as_ref().ok())
                .is_some_and(|rule| rule.is_transition_rule);
            let repeats = programs(&compiled).any(budget::repeats);
            let said = [&rule["message"], &rule["rule"]].into_iter().find_map(Value::as_str);
            let said = said.unwrap_or_default().to_owned();
            all.push(Rule { compiled, transition, repeats, said });
        }
        Some(Self { rules: Arc::new(all) })
    }

    fn check(
        &self,
        value: &Value,
        old: Option<&Value>,
        path: &Path<'_>,
        left: &mut u64,
        errors: &mut Vec<FieldError>,
    ) {
        for rule in self.rules.iter() {
            // An unchanged value that broke the rule before may stay (ratcheting); transition
            // rules always run.
            if !rule.transition && old == Some(value) {
                continue;
            }
            if *left == 0 {
                return;
            }
            if rule.repeats
                && let Some(error) = rule.charge(value, old, path, left)
            {
                errors.push(error);
                return;
            }
            let Err(found) = validate_compiled(&rule.compiled, value, old) else {
                continue;
            };
            let path = &path.text();
            for failure in found {
                let field = if failure.field_path.is_empty() {
                    path.clone()
                } else if failure.field_path.starts_with(['.', '[']) || path.is_empty() {
                    format!("{path}{}", failure.field_path)
                } else {
                    format!("{path}.{}", failure.field_path)
                };
                let reason = failure.reason.as_deref();
                let broken = failure.message.strip_prefix("rule evaluation error: ");
                errors.push(match broken {
                    Some(why) => stumbled(path, value, why, &rule.said),
                    None => refusal(&field, value, reason, &failure.message),
                });
            }
        }
    }
}

/// The expressions that may be evaluated for the rules of one node.
fn programs(compiled: &CompiledSchema) -> impl Iterator<Item = &IdedExpr> {
    let rules = compiled.validations.iter().filter_map(|rule| rule.as_ref().ok());
    rules
        .flat_map(|rule| std::iter::once(&rule.program).chain(&rule.message_program))
        .map(Program::expression)
}

impl Rule {
    /// Takes what the rule may cost from what is left; the refusal when that is not enough, and
    /// then nothing is left for any other rule.
    fn charge(
        &self,
        value: &Value,
        old: Option<&Value>,
        path: &Path<'_>,
        left: &mut u64,
    ) -> Option<FieldError> {
        let cost = programs(&self.compiled).map(|expr| budget::cost(expr, value, old));
        let cost = cost.fold(0, u64::saturating_add);
        let why = if cost > OF_RULE {
            format!(
                "'operation cancelled: actual cost limit exceeded': no further validation rules \
                 will be run due to call cost exceeds limit for rule: {}",
                self.said
            )
        } else if cost >= *left {
            "validation failed due to running out of cost budget, no further validation rules \
             will be run"
                .to_owned()
        } else {
            *left -= cost;
            return None;
        };
        *left = 0;
        let sort = Value::from(super::values::type_of(value));
        Some(FieldError::invalid(path.text().trim_start_matches('.'), &sort, &why))
    }
}

/// What is said about a rule besides the rule itself.
fn check(rule: &Value, schema: &Value, at: &str, errors: &mut Vec<FieldError>) {
    let at = at.trim_end_matches(".rule");
    let text = |key: &str| rule[key].as_str().unwrap_or_default();
    if text("message").contains(['\n', '\r']) {
        let field = format!("{at}.message");
        let detail = "must not contain line breaks";
        errors.push(FieldError::invalid(field, &rule["message"], detail));
    }
    let known =
        ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
    if !rule["reason"].is_null() && !known.contains(&text("reason")) {
        let known = known.map(|reason| format!("{reason:?}"));
        errors.push(FieldError::not_supported(format!("{at}.reason"), &rule["reason"], &known));
    }
    let path = text("fieldPath");
    let steps = path.trim_start_matches('.').split('.');
    let plain = !path.contains(['[', '\'']);
    let found = steps.fold(schema, |schema, step| match &schema["properties"][step] {
        Value::Null => &schema["additionalProperties"],
        found => found,
    });
    if !path.is_empty() && plain && (!path.starts_with('.') || found.is_null()) {
        let field = format!("{at}.fieldPath");
        errors.push(FieldError::invalid(field, &rule["fieldPath"], "must be a valid path"));
    }
}

fn refusal(field: &str, value: &Value, reason: Option<&str>, message: &str) -> FieldError {
    let field = field.trim_start_matches('.');
    match reason {
        Some("FieldValueForbidden") => FieldError::forbidden(field, message),
        Some("FieldValueRequired") => FieldError::required(field, message),
        Some("FieldValueDuplicate") => FieldError::duplicate(field, value),
        // Values of many parts are not repeated.
        _ if value.is_object() || value.is_array() => FieldError::invalid_bare(field, message),
        _ => FieldError::invalid(field, value, message),
    }
}

/// A rule that could not be evaluated over a value.
fn stumbled(path: &str, value: &Value, why: &str, said: &str) -> FieldError {
    let why = why
        .replace("Index out of bounds: Int(", "index out of bounds: ")
        .replace("No such key: ", "no such key: ");
    let why = why.trim_end_matches(')');
    let detail = format!("{why} evaluating rule: {said}");
    let sort = Value::from(super::values::type_of(value));
    FieldError::invalid(path.trim_start_matches('.'), &sort, &detail)
}

fn strip_rules(json: &mut Value) {
    match json {
        Value::Object(map) => {
            map.shift_remove("x-kubernetes-validations");
            map.values_mut().for_each(strip_rules);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_rules),
        _ => {}
    }
}

/// Evaluates all rules of a schema over a value that already satisfies the schema otherwise.
pub(crate) fn validate(
    schema: &Schema,
    value: &Value,
    old: Option<&Value>,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    walk(schema, value, old, &Path::Start(path), &mut OF_OBJECT.clone(), errors);
}

fn walk(
    schema: &Schema,
    value: &Value,
    old: Option<&Value>,
    path: &Path<'_>,
    left: &mut u64,
    errors: &mut Vec<FieldError>,
) {
    if !schema.any_rules || value.is_null() {
        return;
    }
    if let Some(rules) = &schema.rules {
        rules.check(value, old, path, left, errors);
    }
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                if let Some(below) = schema.properties.get(key) {
                    walk(below, child, old_child(old, key), &Path::Field(path, key), left, errors);
                } else if let Some(below) = schema.additional.as_deref() {
                    walk(below, child, old_child(old, key), &Path::Key(path, key), left, errors);
                }
            }
        }
        Value::Array(items) => {
            let Some(below) = schema.items.as_deref() else {
                return;
            };
            for (index, item) in items.iter().enumerate() {
                let before = old_item(schema, old, item);
                walk(below, item, before, &Path::Item(path, index), left, errors);
            }
        }
        _ => {}
    }
}

/// The extra cause that tells that rules were not reached because of other mistakes.
pub(crate) fn unchecked(errors: &[FieldError]) -> Option<FieldError> {
    let blocking = |error: &FieldError| {
        matches!(
            error.mistake,
            Mistake::NotSupported
                | Mistake::Required
                | Mistake::TooLong
                | Mistake::TooMany
                | Mistake::Type
        )
    };
    errors.iter().any(blocking).then(|| {
        FieldError::invalid(
            "<nil>",
            &Value::Null,
            "some validation rules were not checked because the object was invalid; correct the \
             existing errors to complete validation",
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_name_field_reason_and_message() {
        let schema = json!({"type": "object", "properties": {
            "min": {"type": "integer"}, "max": {"type": "integer"}},
            "x-kubernetes-validations": [{
                "rule": "!has(self.max) || self.min <= self.max", "fieldPath": ".min",
                "reason": "FieldValueForbidden",
                "messageExpression": "'%d is above %d'.format([self.min, self.max])"},
                {"rule": "self.max == oldSelf.max", "message": "max is immutable"}]});
        let schema = Schema::parse(&schema, "root").unwrap();
        let mut errors = Vec::new();
        validate(&schema, &json!({"min": 3, "max": 2}), None, "spec", &mut errors);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].to_string(), "spec.min: Forbidden: 3 is above 2");
        errors.clear();
        let old = json!({"min": 1, "max": 2});
        validate(&schema, &json!({"min": 1, "max": 3}), Some(&old), "spec", &mut errors);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].message.ends_with("max is immutable"), "{errors:?}");
    }

    #[test]
    fn a_rule_that_would_take_too_long_is_not_begun() {
        let schema = json!({"type": "array", "items": {"type": "integer"},
            "x-kubernetes-validations": [
                {"rule": "self.all(x, self.all(y, self.all(z, x + y + z > 0)))"},
                {"rule": "self.size() < 3"}]});
        let schema = Schema::parse(&schema, "root").unwrap();
        let mut errors = Vec::new();
        // Eight billion additions.
        validate(&schema, &json!(vec![1; 2000]), None, "spec", &mut errors);
        assert_eq!(errors.len(), 1, "no further rule is run: {errors:?}");
        assert!(errors[0].message.contains("cost limit exceeded"), "{errors:?}");
        errors.clear();
        validate(&schema, &json!([1, 2]), None, "spec", &mut errors);
        assert!(errors.is_empty(), "{errors:?}");
    }

    #[test]
    fn a_rule_that_does_not_parse_is_refused_at_registration() {
        let schema = json!({"type": "object",
            "x-kubernetes-validations": [{"rule": "self.a ==="}]});
        let errors = Schema::parse(&schema, "root").unwrap_err();
        assert_eq!(errors[0].field, "root.x-kubernetes-validations[0].rule");
    }
}
