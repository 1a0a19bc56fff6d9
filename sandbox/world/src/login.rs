//! Credentials that a definition writes by templates: held against each account's own.

use std::sync::Arc;

use infrafabric_adapters::compile::{Template, Vars};
use serde_json::{Value as Json, json};

use crate::capture::Captures;
use crate::provider::{Account, Provider};
use crate::received::Received;

/// What templates of authentication see of an account.
pub(crate) fn secrets(account: &Account) -> Vars {
    let mut vars = Vars::default();
    vars.set("secret", &json!(account.secrets));
    vars
}

/// Whether the headers are what the templates write of it.
pub(crate) fn says(headers: &[(String, Template)], vars: &Vars, received: &Received) -> bool {
    headers.iter().all(|(name, template)| {
        let wanted = template.render_text(vars, ToOwned::to_owned).ok().flatten();
        wanted.is_some() && received.header(name) == wanted.as_deref()
    })
}

/// The account whose values all headers and query parameters carry.
pub(crate) fn by_headers(provider: &Provider, received: &Received) -> Option<Arc<Account>> {
    let headers = &provider.compiled.auth.headers;
    let mut accounts = provider.accounts().into_iter();
    let query = &provider.compiled.auth.query;
    accounts.find(|account| {
        let vars = secrets(account);
        let in_query = query.iter().all(|(name, template)| {
            let wanted = template.render_text(&vars, ToOwned::to_owned).ok().flatten();
            wanted.is_some() && received.query[name].as_str() == wanted.as_deref()
        });
        in_query && says(headers, &vars, received)
    })
}

/// The account that logs in with all its values.
pub(crate) fn by_login(provider: &Provider, received: &Received) -> Option<Arc<Account>> {
    let operation = provider.compiled.token.as_ref()?;
    let mut captures = Captures::default();
    captures.collect(operation, received);
    let said = captures.below("secret");
    let said = said.as_object()?;
    // What only a header says is no bare value: it is written anew.
    let logins = ["authorization"].map(|name| {
        operation.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name))
    });
    let headers: Vec<_> = logins.into_iter().flatten().collect();
    if said.is_empty() && headers.is_empty() {
        return None;
    }
    provider.accounts().into_iter().find(|account| {
        let same = |(key, value): (&String, &Json)| {
            account.secrets.get(key).map(String::as_str) == value.as_str()
        };
        let vars = secrets(account);
        let written = headers.iter().all(|(name, template)| {
            let wanted = template.render_text(&vars, ToOwned::to_owned).ok().flatten();
            wanted.is_some() && received.header(name) == wanted.as_deref()
        });
        written && said.iter().all(same)
    })
}

/// The account whose refresh token this is: the newest that it was given.
pub(crate) fn by_refresh(provider: &Provider, received: &Received) -> Option<Arc<Account>> {
    let text = |key: &str| received.req[key].as_str();
    if text("grant_type") != Some("refresh_token") {
        return None;
    }
    let keys = &provider.compiled.spec().auth.secret;
    let known = |account: &Account, place: usize| {
        keys.get(place).and_then(|key| account.secrets.get(key.as_str())).cloned()
    };
    provider.accounts().into_iter().find(|account| {
        let refresh = account.refresh().or_else(|| known(account, 0));
        text("refresh_token") == refresh.as_deref()
            && text("client_id") == known(account, 1).as_deref()
            && text("client_secret") == known(account, 2).as_deref()
    })
}
