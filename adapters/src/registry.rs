//! All definitions in use: the built-in ones and those given at run time.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use flate2::read::DeflateDecoder;
use infrafabric_definition::{Definition, Given, extended};

use crate::compile::load::{self, LoadError, Loaded};
use crate::compile::{Compiled, Problem};

/// A definition, embedded at build.
struct BuiltIn {
    /// The file's name without its ending.
    name: &'static str,
    /// The digest of the whole.
    digest: &'static str,
    /// The definition without `sandbox` as JSON, deflated: an idle process never unpacks it.
    packed: &'static [u8],
    /// The `sandbox` section, likewise.
    sandbox: &'static [u8],
}

impl BuiltIn {
    /// The definition, with what only simulators need or without.
    fn spec(&self, sandbox: bool) -> Result<Definition, serde_json::Error> {
        let unpack = |packed| std::io::BufReader::new(DeflateDecoder::new(packed));
        let mut spec: Definition = serde_json::from_reader(unpack(self.packed))?;
        if sandbox {
            spec.sandbox = serde_json::from_reader(unpack(self.sandbox))?;
        }
        Ok(spec)
    }
}

/// Every file of `providers/<domain>/`.
const BUILT_IN: &[BuiltIn] = include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// How long a chain of extensions may be.
const LONGEST_CHAIN: usize = 4;

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
    /// A registry with the built-in definitions.
    pub fn built_in() -> Self {
        let built_in = BUILT_IN.iter().map(|file| (file.name, OnceLock::new())).collect();
        Self { built_in, given: ArcSwap::default() }
    }

    /// The definition of that name and where it came from; a built-in one without what only simulators
    /// need. `None` also for a built-in one that does not compile; `compile_all` says why.
    pub fn get(&self, name: &str) -> Option<(Arc<Compiled>, Source)> {
        if let Some(given) = self.given.load().get(name) {
            return Some((Arc::clone(given), Source::Given));
        }
        let (file, slot) = self.slot(name)?;
        match slot.get_or_init(|| first_use(file, false)) {
            Ok(compiled) => Some((Arc::clone(compiled), Source::BuiltIn)),
            Err(_) => None,
        }
    }

    /// The definition of that name with its `sandbox` section, for a simulator.
    pub fn simulated(&self, name: &str) -> Option<Arc<Compiled>> {
        match self.given.load().get(name) {
            Some(given) => Some(Arc::clone(given)),
            None => first_use(self.slot(name)?.0, true).ok(),
        }
    }

    /// Checks every built-in definition and says everything that is wrong with any; whoever uses one
    /// relies on that.
    pub fn compile_all(&self) -> Result<(), Vec<Problem>> {
        let check = |file: &BuiltIn| {
            let spec = file.spec(true).map_err(|error| unreadable(file, &error))?;
            Compiled::new(file.name, spec).map_err(|problems| {
                let at = |problem: Problem| Problem {
                    path: format!("{} {}", file.name, problem.path),
                    ..problem
                };
                problems.into_iter().map(at).collect::<Vec<_>>()
            })
        };
        let problems: Vec<Problem> =
            BUILT_IN.iter().map(check).filter_map(Result::err).flatten().collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Reads a definition from a manifest; one that extends another is made whole.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place.
    pub fn read(&self, text: &str, file: &str) -> Result<(String, Definition), Vec<String>> {
        let one = |error: LoadError| vec![error.to_string()];
        let (name, given) = match load::read(text, file).map_err(one)? {
            Loaded::Whole(name, spec) => return Ok((name, *spec)),
            Loaded::Extension(name, given) => (name, given),
        };
        let problems = |problems: Vec<Problem>| {
            problems.iter().map(|problem| format!("read {file} {problem}")).collect::<Vec<_>>()
        };
        self.resolve(&name, &given).map(|spec| (name, spec)).map_err(problems)
    }

    /// The whole definition that one as given stands for.
    pub fn resolve(&self, name: &str, given: &Given) -> Result<Definition, Vec<Problem>> {
        let problem = |path: String, reason: String| vec![Problem { path, reason }];
        let whole = match given.extends() {
            None => given.0.clone(),
            Some(base) => {
                let place = || "spec.extends".to_owned();
                let spec = self.simulated(base).filter(|_| base != name);
                let spec = spec.ok_or_else(|| {
                    problem(place(), format!("no other definition has the name `{base}`"))
                })?;
                if self.chain(base) >= LONGEST_CHAIN {
                    let reason = format!("a chain of more than {LONGEST_CHAIN} extensions");
                    return Err(problem(place(), reason));
                }
                let base = serde_json::to_value(spec.spec())
                    .map_err(|error| problem(place(), error.to_string()))?;
                extended(base, &given.0)
            }
        };
        serde_path_to_error::deserialize(whole).map_err(|error| {
            let path = error.path().to_string();
            let path = if path == "." { "spec".to_owned() } else { format!("spec.{path}") };
            problem(path, error.into_inner().to_string())
        })
    }

    /// How many definitions stand beneath one.
    fn chain(&self, name: &str) -> usize {
        let mut name = name.to_owned();
        for count in 1..=LONGEST_CHAIN {
            let found = self.get(&name);
            let base = found.and_then(|(known, _)| known.spec().extends.clone());
            let Some(base) = base else { return count };
            name = base.0;
        }
        LONGEST_CHAIN
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

    fn slot(&self, name: &str) -> Option<(&'static BuiltIn, &OnceLock<Outcome>)> {
        let file = BUILT_IN.iter().find(|file| file.name == name)?;
        Some((file, self.built_in.get(name)?))
    }
}

/// Unpacks and compiles a built-in definition.
fn first_use(file: &BuiltIn, sandbox: bool) -> Outcome {
    let spec = file.spec(sandbox).map_err(|error| unreadable(file, &error));
    let compiled = spec.and_then(|spec| Compiled::trusted(file.name, file.digest, spec));
    if let Err(problems) = &compiled {
        for problem in problems {
            tracing::error!(definition = file.name, %problem, "built-in definition refused");
        }
    }
    compiled.map(Arc::new)
}

fn unreadable(file: &BuiltIn, error: &serde_json::Error) -> Vec<Problem> {
    vec![Problem { path: file.name.to_owned(), reason: error.to_string() }]
}
