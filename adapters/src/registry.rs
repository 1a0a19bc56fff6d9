//! All definitions in use: the built-in ones and those given at run time.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use flate2::read::DeflateDecoder;
use infrafabric_definition::Definition;

use crate::compile::{Compiled, Problem, parse};

/// A definition's file, embedded at build.
struct BuiltIn {
    /// The folder it stands in.
    domain: &'static str,
    /// The file's name without its ending.
    name: &'static str,
    /// The file, deflated: an idle process never unpacks it.
    packed: &'static [u8],
}

impl BuiltIn {
    fn text(&self) -> std::io::Result<String> {
        let mut text = String::new();
        DeflateDecoder::new(self.packed).read_to_string(&mut text)?;
        Ok(text)
    }
}

/// Every file of `providers/<domain>/`.
const BUILT_IN: &[BuiltIn] = include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// The definitions by name, swapped atomically; calls in flight finish on the one they began with.
///
/// A built-in definition is parsed and compiled when it is first asked for: a process that uses
/// two of a hundred pays for two.
#[derive(Debug, Default)]
pub struct Registry {
    built_in: BTreeMap<&'static str, OnceLock<Outcome>>,
    given: ArcSwap<BTreeMap<String, Arc<Compiled>>>,
}

type Outcome = Result<Arc<Compiled>, Vec<Problem>>;

/// Where a definition came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Embedded in the binary.
    BuiltIn,
    /// Given at run time (a ProviderDefinition object, a file).
    Given,
}

impl Registry {
    /// A registry with the built-in definitions. Fails when two of them have one name.
    pub fn built_in() -> Result<Self, Vec<Problem>> {
        let mut registry = Self::default();
        let mut problems = Vec::new();
        for file in BUILT_IN {
            if registry.built_in.insert(file.name, OnceLock::new()).is_some() {
                let reason = format!("a second definition of the name `{}`", file.name);
                problems.push(Problem { path: format!("providers/{}", file.domain), reason });
            }
        }
        if problems.is_empty() { Ok(registry) } else { Err(problems) }
    }

    /// The definition of that name and where it came from. `None` also for a built-in one that
    /// does not compile; `compile_all` says why.
    pub fn get(&self, name: &str) -> Option<(Arc<Compiled>, Source)> {
        if let Some(given) = self.given.load().get(name) {
            return Some((Arc::clone(given), Source::Given));
        }
        match self.compiled(name)? {
            Ok(compiled) => Some((Arc::clone(compiled), Source::BuiltIn)),
            Err(_) => None,
        }
    }

    /// Checks every built-in definition and says everything that is wrong with any; whoever uses one
    /// relies on that.
    pub fn compile_all(&self) -> Result<(), Vec<Problem>> {
        let checked = BUILT_IN.iter().map(|file| compile(file, Compiled::new));
        let problems: Vec<Problem> = checked.filter_map(Result::err).flatten().collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Takes a definition into use, or says everything that is wrong with it and keeps the old one.
    /// A built-in's name is refused unless `allow_override`.
    pub fn put(
        &self,
        name: &str,
        spec: Definition,
        allow_override: bool,
    ) -> Result<Arc<Compiled>, Vec<Problem>> {
        if self.built_in.contains_key(name) && !allow_override {
            let reason = format!(
                "`{name}` is a built-in definition: choose another name, or start the operator \
                 with --allow-definition-override"
            );
            return Err(vec![Problem { path: "metadata.name".to_owned(), reason }]);
        }
        if let Some(same) = self.given.load().get(name).filter(|old| *old.spec() == spec) {
            return Ok(Arc::clone(same));
        }
        let compiled = Arc::new(Compiled::new(name, spec)?);
        self.change(|given| {
            given.insert(name.to_owned(), Arc::clone(&compiled));
        });
        Ok(compiled)
    }

    /// Forgets a given definition; a built-in of the name serves again.
    pub fn remove(&self, name: &str) {
        self.change(|given| {
            given.remove(name);
        });
    }

    /// All names, sorted, with their source.
    pub fn names(&self) -> Vec<(String, Source)> {
        let mut names: BTreeMap<String, Source> =
            self.built_in.keys().map(|name| ((*name).to_owned(), Source::BuiltIn)).collect();
        names.extend(self.given.load().keys().map(|name| (name.clone(), Source::Given)));
        names.into_iter().collect()
    }

    fn change(&self, f: impl Fn(&mut BTreeMap<String, Arc<Compiled>>)) {
        self.given.rcu(|given| {
            let mut given = BTreeMap::clone(given);
            f(&mut given);
            given
        });
    }

    fn compiled(&self, name: &str) -> Option<&Outcome> {
        let file = BUILT_IN.iter().find(|file| file.name == name)?;
        let slot = self.built_in.get(name)?;
        Some(slot.get_or_init(|| {
            let compiled = compile(file, Compiled::trusted);
            if let Err(problems) = &compiled {
                for problem in problems {
                    tracing::error!(definition = name, %problem, "built-in definition refused");
                }
            }
            compiled
        }))
    }
}

/// Parses and compiles a built-in file: its name and folder are the definition's name and domain.
fn compile(
    file: &BuiltIn,
    make: fn(&str, Definition) -> Result<Compiled, Vec<Problem>>,
) -> Outcome {
    let place = format!("providers/{}/{}.yaml", file.domain, file.name);
    let problem = |reason: String| vec![Problem { path: file.name.to_owned(), reason }];
    let text = file.text().map_err(|error| problem(error.to_string()))?;
    let (name, spec) = parse(&text, &place).map_err(|error| problem(error.to_string()))?;
    if name != file.name {
        return Err(problem(format!("metadata.name is `{name}`, the file says `{}`", file.name)));
    }
    if spec.domain.as_str() != file.domain {
        let domain = spec.domain.as_str();
        return Err(problem(format!("spec.domain is `{domain}`, the folder is `{}`", file.domain)));
    }
    make(&name, spec).map(Arc::new).map_err(|problems| {
        let at =
            |problem: Problem| Problem { path: format!("{place} {}", problem.path), ..problem };
        problems.into_iter().map(at).collect()
    })
}
