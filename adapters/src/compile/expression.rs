//! One CEL expression, compiled once; a path that is missing yields absence, never an error.

use std::sync::{Arc, LazyLock, OnceLock};

use cel::common::ast::{EntryExpr, Expr, LiteralValue, operators};
use cel::extractors::Arguments;
use cel::{Context, Env, ExecutionError, Program};
use serde_json::Value as Json;
use thiserror::Error;

use super::functions::BUILT_IN;
use super::value::{to_cel, to_json};

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    env.add_extension(cel::extensions::strings).expect("no extension before it");
    Arc::new(env)
});

/// An expression, compiled when it is first needed: a process uses few of those it knows.
#[derive(Debug)]
pub struct Expression {
    source: String,
    compiled: OnceLock<Result<Compiled, SyntaxError>>,
}

#[derive(Debug)]
struct Compiled {
    program: Program,
    /// How deep its loops are nested.
    loops: u32,
    /// Whether it makes lists of texts.
    splits: bool,
}

/// How many rounds the loops of one evaluation may take together. A definition may come from
/// anybody who may apply one, and an answer may have millions of items.
const ROUNDS: u64 = 10_000_000;

/// Why an expression does not compile.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("expression `{source_text}`: {reason}")]
pub struct SyntaxError {
    /// The expression.
    pub source_text: String,
    /// What the parser says, on one line.
    pub reason: String,
}

/// Why an expression has no value although all its paths exist.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("evaluate `{source_text}`: {reason}")]
pub struct EvaluationError {
    /// The expression.
    pub source_text: String,
    /// What the evaluation says. Never holds a value of the data.
    pub reason: String,
}

/// A path that an expression reads: `item.networks.v4` with the root first. A step into the
/// elements of a list, by index or by a macro's variable, is `[]`.
pub type Path = Vec<String>;

impl Expression {
    /// Takes the text between `${` and `}`, and does not look at it yet.
    pub fn new(source: &str) -> Self {
        Self { source: source.to_owned(), compiled: OnceLock::new() }
    }

    /// Compiles the text between `${` and `}`.
    pub fn compile(source: &str) -> Result<Self, SyntaxError> {
        let expression = Self::new(source);
        expression.verify().map(|()| expression)
    }

    /// Says what is wrong with it, if something is.
    pub fn verify(&self) -> Result<(), SyntaxError> {
        self.compiled().map(drop).map_err(Clone::clone)
    }

    fn compiled(&self) -> Result<&Compiled, &SyntaxError> {
        self.compiled.get_or_init(|| Compiled::new(&self.source)).as_ref()
    }

    /// The expression as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The value, or `None` when a path it reads is missing.
    pub fn evaluate(&self, vars: &Vars) -> Result<Option<Json>, EvaluationError> {
        let compiled = self.compiled().map_err(|error| EvaluationError {
            source_text: self.source.clone(),
            reason: error.reason.clone(),
        })?;
        let items = if compiled.splits { vars.items.max(vars.letters) } else { vars.items };
        if items.checked_pow(compiled.loops).is_none_or(|rounds| rounds > ROUNDS) {
            let reason = format!(
                "not begun: {} nested loops over up to {items} items, and {ROUNDS} rounds are \
                 allowed in all",
                compiled.loops
            );
            return Err(EvaluationError { source_text: self.source.clone(), reason });
        }
        match compiled.program.execute(&vars.context) {
            Ok(value) => Ok(to_json(&value)),
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(EvaluationError {
                source_text: self.source.clone(),
                reason: without_values(&error),
            }),
        }
    }

    /// Every path that it reads, for the checker.
    pub fn paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        if let Ok(compiled) = self.compiled() {
            walk(&compiled.program.expression().expr, &mut Vec::new(), &mut paths);
        }
        paths
    }

    /// Every function that it calls by name, operators left out.
    pub fn functions(&self) -> Vec<String> {
        self.compiled().map(|compiled| functions(&compiled.program)).unwrap_or_default()
    }
}

impl Compiled {
    fn new(source: &str) -> Result<Self, SyntaxError> {
        let error = |reason: String| SyntaxError { source_text: source.to_owned(), reason };
        let program = ENV
            .compile(source)
            .map_err(|e| error(e.to_string().split_whitespace().collect::<Vec<_>>().join(" ")))?;
        if conditionals(program.expression()) > 1 {
            return Err(error("more than one conditional; put the case into Rust".to_owned()));
        }
        let loops = nesting(&program.expression().expr);
        let splits = functions(&program).iter().any(|name| name == "split");
        Ok(Self { program, loops, splits })
    }
}

fn functions(program: &Program) -> Vec<String> {
    let references = program.references();
    let mut names: Vec<String> =
        references.functions().into_iter().map(ToString::to_string).collect();
    names.retain(|name| name.chars().next().is_some_and(char::is_alphabetic));
    names
}

/// The variables of an evaluation.
pub struct Vars {
    context: Context<'static, 'static>,
    /// The most items that any list or map among the variables has.
    items: u64,
    /// The most letters that any text has.
    letters: u64,
    /// Values that are given as they are, nulls included, where an expression is their name alone.
    exact: Vec<(&'static str, Json)>,
}

/// What every evaluation knows: made once, since it is a good part of a small one's cost.
static BASE: LazyLock<Context<'static, 'static>> = LazyLock::new(base);

fn base() -> Context<'static, 'static> {
    let mut context = Context::with_env(Arc::clone(&ENV));
    for (name, function) in BUILT_IN {
        // A duplicate is impossible: the names are ours and each stands once.
        let _ = context.add_function(name, move |Arguments(args): Arguments| function(&args));
    }
    context
}

impl Default for Vars {
    fn default() -> Self {
        Self { context: BASE.new_inner_scope(), items: 0, letters: 0, exact: Vec::new() }
    }
}

impl Vars {
    /// Sets a variable; null means that it stays absent.
    pub fn set(&mut self, name: &str, value: &Json) -> &mut Self {
        if !value.is_null() {
            self.measure(value);
            self.context.add_variable_from_value(name, to_cel(value));
        }
        self
    }

    /// Sets a variable that `${name}` gives as it is: a null in it stays one. A simulator's answer has
    /// what the provider's has.
    pub fn set_exact(&mut self, name: &'static str, value: &Json) -> &mut Self {
        self.exact.retain(|(known, _)| *known != name);
        self.exact.push((name, value.clone()));
        self.set(name, value)
    }

    /// The value of that name, if it is given as it is.
    pub(super) fn exact(&self, name: &str) -> Option<&Json> {
        self.exact.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn measure(&mut self, value: &Json) {
        match value {
            Json::String(text) => self.letters = self.letters.max(text.len() as u64),
            Json::Array(items) => {
                self.items = self.items.max(items.len() as u64);
                for item in items {
                    self.measure(item);
                }
            }
            Json::Object(entries) => {
                self.items = self.items.max(entries.len() as u64);
                for item in entries.values() {
                    self.measure(item);
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    /// Adds a function over JSON values; `None` is an absent result.
    pub fn function(
        &mut self,
        name: &str,
        function: impl Fn(&[Json]) -> Option<Json> + Send + Sync + 'static,
    ) -> &mut Self {
        let owned = name.to_owned();
        // Only a context of its own takes functions.
        if let Context::Child { variables, .. } = &mut self.context {
            let known = std::mem::take(variables);
            self.context = base();
            if let Context::Root { variables, .. } = &mut self.context {
                *variables = known;
            }
        }
        // A second function of a name replaces the first; only built-in overloads are refused.
        let _ = self.context.add_function(name, move |Arguments(args): Arguments| {
            let args: Vec<Json> =
                args.iter().map(|arg| to_json(arg).unwrap_or(Json::Null)).collect();
            function(&args)
                .map(|value| to_cel(&value))
                .ok_or_else(|| ExecutionError::no_such_key(&owned))
        });
        self
    }
}

fn is_absence(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::NoSuchKey(_)
        | ExecutionError::IndexOutOfBounds(_)
        | ExecutionError::UndeclaredReference(_) => true,
        // A field of something that is no map: the provider answered another shape.
        ExecutionError::NoSuchOverload(overload) => overload.function() == "_._",
        _ => false,
    }
}

/// The kind of failure alone: the error's own text would show the data.
fn without_values(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchOverload(overload) => overload.to_string(),
        ExecutionError::FunctionError { function, message } => format!("{function}: {message}"),
        ExecutionError::UnexpectedType { got, want } => format!("got {got}, want {want}"),
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::Overflow(..) => "overflow".to_owned(),
        ExecutionError::ValuesNotComparable(..) => "values not comparable".to_owned(),
        _ => "operation not defined for these values".to_owned(),
    }
}

/// How deep loops are nested: what is looped over comes before the loop, what is done is in it.
fn nesting(expr: &Expr) -> u32 {
    match expr {
        Expr::Call(call) => {
            let parts = call.target.as_deref().into_iter().chain(&call.args);
            parts.map(|part| nesting(&part.expr)).max().unwrap_or_default()
        }
        Expr::Comprehension(of) => {
            let within = nesting(&of.loop_step.expr).max(nesting(&of.loop_cond.expr));
            let beside = nesting(&of.iter_range.expr).max(nesting(&of.result.expr));
            (within + 1).max(beside)
        }
        Expr::List(list) => {
            list.elements.iter().map(|item| nesting(&item.expr)).max().unwrap_or_default()
        }
        Expr::Map(map) => {
            let entries = map.entries.iter().map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    nesting(&entry.key.expr).max(nesting(&entry.value.expr))
                }
                EntryExpr::StructField(field) => nesting(&field.value.expr),
            });
            entries.max().unwrap_or_default()
        }
        Expr::Select(select) => nesting(&select.operand.expr),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => 0,
    }
}

fn conditionals(expression: &cel::IdedExpr) -> usize {
    let mut count = 0;
    visit(&expression.expr, &mut |expr| {
        if let Expr::Call(call) = expr
            && call.func_name == operators::CONDITIONAL
        {
            count += 1;
        }
    });
    count
}

/// Calls `f` on every node as written; the conditionals that macros generate are not written.
fn visit(expr: &Expr, f: &mut impl FnMut(&Expr)) {
    f(expr);
    match expr {
        Expr::Call(call) => {
            call.target.iter().for_each(|target| visit(&target.expr, f));
            call.args.iter().for_each(|arg| visit(&arg.expr, f));
        }
        Expr::Comprehension(loop_) => {
            visit(&loop_.iter_range.expr, f);
            // A filter is `cond ? accu + [x] : accu`: that conditional belongs to the macro.
            if let Expr::Call(step) = &loop_.loop_step.expr {
                step.args.iter().for_each(|arg| visit(&arg.expr, f));
            }
        }
        Expr::List(list) => list.elements.iter().for_each(|e| visit(&e.expr, f)),
        Expr::Map(map) => map.entries.iter().for_each(|entry| {
            if let EntryExpr::MapEntry(entry) = &entry.expr {
                visit(&entry.key.expr, f);
                visit(&entry.value.expr, f);
            }
        }),
        Expr::Select(select) => visit(&select.operand.expr, f),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => {}
    }
}

/// Macro variables in scope and the path that each stands for (`None`: not a path).
type Bound = Vec<(String, Option<Path>)>;

fn walk(expr: &Expr, scope: &mut Bound, paths: &mut Vec<Path>) {
    if let Some(path) = resolve(expr, scope) {
        if !path.is_empty() {
            paths.push(path);
        }
        return;
    }
    match expr {
        Expr::Select(select) => walk(&select.operand.expr, scope, paths),
        Expr::Call(call) => {
            call.target.iter().for_each(|target| walk(&target.expr, scope, paths));
            call.args.iter().for_each(|arg| walk(&arg.expr, scope, paths));
        }
        Expr::List(list) => list.elements.iter().for_each(|e| walk(&e.expr, scope, paths)),
        Expr::Map(map) => map.entries.iter().for_each(|entry| {
            if let EntryExpr::MapEntry(entry) = &entry.expr {
                walk(&entry.key.expr, scope, paths);
                walk(&entry.value.expr, scope, paths);
            }
        }),
        Expr::Comprehension(loop_) => {
            walk(&loop_.iter_range.expr, scope, paths);
            let element = resolve(&loop_.iter_range.expr, scope).filter(|p| !p.is_empty());
            let element = element.map(|mut path| {
                path.push("[]".to_owned());
                path
            });
            let before = scope.len();
            scope.push((loop_.iter_var.clone(), element));
            scope.extend(loop_.iter_var2.iter().map(|name| (name.clone(), None)));
            scope.push((loop_.accu_var.clone(), None));
            walk(&loop_.loop_step.expr, scope, paths);
            scope.truncate(before);
        }
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => {}
    }
}

/// The path that an expression is, an empty one for a macro's own variable, `None` for anything
/// else.
fn resolve(expr: &Expr, scope: &Bound) -> Option<Path> {
    match expr {
        Expr::Ident(name) => match scope.iter().rev().find(|(bound, _)| bound == name) {
            Some((_, path)) => Some(path.clone().unwrap_or_default()),
            None => Some(vec![name.clone()]),
        },
        Expr::Select(select) => Some(extend(resolve(&select.operand.expr, scope)?, &select.field)),
        Expr::Call(call) if call.target.is_none() => resolve_call(call, scope),
        _ => None,
    }
}

fn resolve_call(call: &cel::common::ast::CallExpr, scope: &Bound) -> Option<Path> {
    let [operand, step] = call.args.as_slice() else {
        let wraps = matches!(call.func_name.as_str(), "list" | "flatten");
        return match call.args.as_slice() {
            // `list(x)` has the elements of x, whether x is one or many.
            [inner] if wraps => resolve(&inner.expr, scope),
            _ => None,
        };
    };
    let known = [operators::INDEX, operators::OPT_INDEX, operators::OPT_SELECT];
    if !known.contains(&call.func_name.as_str()) {
        return None;
    }
    let path = resolve(&operand.expr, scope)?;
    match &step.expr {
        Expr::Literal(LiteralValue::String(key)) => Some(extend(path, key.inner())),
        Expr::Literal(LiteralValue::Int(_)) => Some(extend(path, "[]")),
        _ => None,
    }
}

fn extend(mut path: Path, step: &str) -> Path {
    if !path.is_empty() {
        path.push(step.to_owned());
    }
    path
}
