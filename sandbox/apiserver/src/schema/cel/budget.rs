//! What a rule may cost. The evaluator counts nothing while it runs, so the most that a rule can
//! come to over a value is reckoned before it runs.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue};
use serde_json::Value;

/// The most that one evaluation may cost, as at the real server; a step here is an operation there.
pub(super) const OF_RULE: u64 = 1_000_000;
/// The most that all rules over one object may cost.
pub(super) const OF_OBJECT: u64 = 10_000_000;

/// Whether the cost of an expression depends on the value.
pub(super) fn repeats(expr: &IdedExpr) -> bool {
    match &expr.expr {
        Expr::Comprehension(_) => true,
        Expr::Call(call) if is_range(call) => true,
        _ => children(expr).into_iter().any(repeats),
    }
}

/// The most steps that an expression can take over a value and the one before it.
pub(super) fn cost(expr: &IdedExpr, value: &Value, old: Option<&Value>) -> u64 {
    Reckoning { value, old, scopes: Vec::new() }.steps(expr)
}

fn is_range(call: &CallExpr) -> bool {
    let of_lists = |target: &IdedExpr| matches!(&target.expr, Expr::Ident(name) if name == "lists");
    call.func_name == "lists.range"
        || call.func_name == "range" && call.target.as_deref().is_some_and(of_lists)
}

/// The parts of an expression that are evaluated once each time it is.
fn children(expr: &IdedExpr) -> Vec<&IdedExpr> {
    match &expr.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Select(select) => vec![&*select.operand],
        Expr::Map(map) => map.entries.iter().flat_map(|entry| parts(&entry.expr)).collect(),
        Expr::Struct(of) => of.entries.iter().flat_map(|entry| parts(&entry.expr)).collect(),
        Expr::Comprehension(_) | Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {
            Vec::new()
        }
    }
}

fn parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

struct Reckoning<'v> {
    value: &'v Value,
    old: Option<&'v Value>,
    /// The variables of the loops around, with everything that they can be, where that is known.
    scopes: Vec<(String, Option<Vec<&'v Value>>)>,
}

impl<'v> Reckoning<'v> {
    fn steps(&mut self, expr: &IdedExpr) -> u64 {
        match &expr.expr {
            Expr::Comprehension(of) => self.comprehension(of),
            Expr::Call(call) if is_range(call) => self.length(expr).saturating_add(1),
            _ => children(expr)
                .into_iter()
                .fold(1, |sum, child| u64::saturating_add(sum, self.steps(child))),
        }
    }

    fn comprehension(&mut self, of: &ComprehensionExpr) -> u64 {
        let rounds = self.length(&of.iter_range);
        let range = self.values(&of.iter_range);
        let items = range.map(|range| {
            let items = range.into_iter().filter_map(Value::as_array).flatten();
            items.collect()
        });
        let around = self.steps(&of.iter_range).saturating_add(self.steps(&of.accu_init));
        self.scopes.push((of.iter_var.clone(), items));
        // What is accumulated is known by its steps alone.
        self.scopes.push((of.accu_var.clone(), None));
        let each = self.steps(&of.loop_cond).saturating_add(self.steps(&of.loop_step));
        let result = self.steps(&of.result);
        self.scopes.truncate(self.scopes.len() - 2);
        around.saturating_add(result).saturating_add(rounds.saturating_mul(each))
    }

    /// How many items the value of an expression has at most.
    fn length(&self, expr: &IdedExpr) -> u64 {
        if let Some(values) = self.values(expr) {
            return values.into_iter().map(items).max().unwrap_or_default();
        }
        match &expr.expr {
            Expr::List(list) => list.elements.len() as u64,
            Expr::Map(map) => map.entries.len() as u64,
            Expr::Comprehension(of) => self.length(&of.iter_range),
            Expr::Call(call) if is_range(call) => self.range(call),
            Expr::Call(call) => {
                let operands = call.target.as_deref().into_iter().chain(&call.args);
                let sum = operands.fold(0, |sum, one| u64::saturating_add(sum, self.length(one)));
                let sum = sum.max(longest(self.value));
                if call.func_name == "flatten" { sum.saturating_mul(sum) } else { sum }
            }
            _ => longest(self.value),
        }
    }

    /// The length of a list of numbers; one that cannot be known is too long.
    fn range(&self, call: &CallExpr) -> u64 {
        let Some(count) = call.args.first() else { return 0 };
        if let Expr::Literal(LiteralValue::Int(number)) = &count.expr {
            return u64::try_from(*number.inner()).unwrap_or_default();
        }
        let counts = self.values(count);
        counts.map_or(u64::MAX, |all| {
            all.into_iter().filter_map(Value::as_u64).max().unwrap_or_default()
        })
    }

    /// Everything that a path such as `self.items` can be; `None` when it is no path.
    fn values(&self, expr: &IdedExpr) -> Option<Vec<&'v Value>> {
        match &expr.expr {
            Expr::Ident(name) => {
                let scope = self.scopes.iter().rfind(|(variable, _)| variable == name);
                match (scope, name.as_str()) {
                    (Some((_, values)), _) => values.clone(),
                    (None, "self") => Some(vec![self.value]),
                    (None, "oldSelf") => Some(self.old.into_iter().collect()),
                    (None, _) => None,
                }
            }
            Expr::Select(select) => {
                let of = self.values(&select.operand)?;
                Some(of.into_iter().filter_map(|value| value.get(&select.field)).collect())
            }
            Expr::Call(call) if call.func_name == "_[_]" => {
                let mut all = Vec::new();
                for value in self.values(call.args.first()?)? {
                    match value {
                        Value::Array(items) => all.extend(items),
                        Value::Object(map) => all.extend(map.values()),
                        _ => {}
                    }
                }
                Some(all)
            }
            _ => None,
        }
    }
}

fn items(value: &Value) -> u64 {
    (match value {
        Value::Array(items) => items.len(),
        Value::Object(map) => map.len(),
        Value::String(text) => text.len(),
        _ => 0,
    }) as u64
}

/// The most items that anything in a value has.
fn longest(value: &Value) -> u64 {
    let below = match value {
        Value::Array(items) => items.iter().map(longest).max(),
        Value::Object(map) => map.values().map(longest).max(),
        _ => None,
    };
    items(value).max(below.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use kube_cel::cel::Program;
    use serde_json::json;

    use super::*;

    fn of(rule: &str, value: &Value) -> u64 {
        cost(Program::compile(rule).unwrap().expression(), value, None)
    }

    #[test]
    fn loops_multiply_what_they_loop_over_and_nothing_else() {
        let value = json!({"few": [1, 2], "many": vec![1; 1000], "groups": [{"of": [1, 2, 3]}],
            "count": 7});
        assert!(of("self.few.size() < self.many.size()", &value) < 10);
        assert!(of("self.few.all(x, self.few.all(y, x != y))", &value) < 100);
        assert!(of("self.groups.all(g, g.of.all(x, x > 0))", &value) < 100);
        assert!(of("self.many.all(x, x > 0)", &value) > 1000);
        assert!(of("self.many.all(x, self.many.all(y, x != y))", &value) > OF_RULE);
        assert!(
            of("self.many.filter(x, x > 0).all(x, self.many.all(y, x != y))", &value) > OF_RULE
        );
        assert!(of("lists.range(self.count).all(x, x < 9)", &value) < 100);
        assert!(of("lists.range(2000000000).size() > 0", &value) > OF_RULE);
        assert!(of("lists.range(self.count * 1000000000).size() > 0", &value) > OF_RULE);
    }
}
