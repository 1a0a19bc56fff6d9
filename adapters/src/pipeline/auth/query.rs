//! A token in the query: some providers know no other place.

use url::Url;

/// Sets a query parameter, in place of any of that name: the address of a next page may carry it
/// already.
pub(super) fn put(url: &mut Url, name: &str, value: &str) {
    let others: Vec<String> = url
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(|pair| !pair.is_empty() && !names(pair, name))
        .map(ToOwned::to_owned)
        .collect();
    // What stands there already keeps its spelling.
    url.set_query((!others.is_empty()).then(|| others.join("&")).as_deref());
    url.query_pairs_mut().append_pair(name, value);
}

fn names(pair: &str, name: &str) -> bool {
    form_urlencoded::parse(pair.as_bytes()).next().is_some_and(|(key, _)| key == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_token(url: &str) -> String {
        let mut url = Url::parse(url).expect("a URL");
        put(&mut url, "api_key", "a&b=c");
        url.to_string()
    }

    #[test]
    fn a_token_is_added_once_and_encoded() {
        let wanted = "https://api.example.com/things?api_key=a%26b%3Dc";
        assert_eq!(with_token("https://api.example.com/things"), wanted);
        assert_eq!(with_token("https://api.example.com/things?api_key=old"), wanted);
    }

    #[test]
    fn what_stands_there_already_keeps_its_spelling() {
        assert_eq!(
            with_token("https://api.example.com/?q=a%20b&api%5Fkey=old&x=~"),
            "https://api.example.com/?q=a%20b&x=~&api_key=a%26b%3Dc"
        );
    }
}
