//! Form bodies: lists and maps flattened as the provider writes them.

use infrafabric_definition::FormStyle;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value as Json;

use crate::compile::plain;

/// What stays as it is: RFC 3986's unreserved characters and no others. A browser's form leaves `*`
/// and encodes `~`; who verifies a signature by encoding the form anew does neither.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The form of a JSON map, in the order of the map.
pub(crate) fn encode(value: &Json, style: FormStyle) -> String {
    let mut pairs = Vec::new();
    flatten("", value, style, &mut pairs);
    let pairs: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{}={}", escape(key), escape(value))).collect();
    pairs.join("&")
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string().replace("%20", "+")
}

fn flatten(prefix: &str, value: &Json, style: FormStyle, pairs: &mut Vec<(String, String)>) {
    let below = |key: &str| match (prefix, style) {
        ("", _) => key.to_owned(),
        (_, FormStyle::Dots) => format!("{prefix}.{key}"),
        _ => format!("{prefix}[{key}]"),
    };
    match value {
        Json::Null => {}
        Json::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                let name = match style {
                    FormStyle::Dots => below(&(i + 1).to_string()),
                    FormStyle::Brackets => below(&i.to_string()),
                    FormStyle::Repeated => prefix.to_owned(),
                };
                flatten(&name, item, style, pairs);
            }
        }
        Json::Object(entries) => {
            for (key, item) in entries {
                flatten(&below(key), item, style, pairs);
            }
        }
        scalar => pairs.push((prefix.to_owned(), plain(scalar))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_unreserved_characters_stay_and_a_space_is_a_plus() {
        let form = json!({"Filter": ["ubuntu*-24.04 ~x/%20é"]});
        assert_eq!(encode(&form, FormStyle::Dots), "Filter.1=ubuntu%2A-24.04+~x%2F%2520%C3%A9");
    }

    #[test]
    fn lists_count_from_one_and_the_order_stays() {
        let form = json!({
            "Action": "RunInstances", "MinCount": 1, "Dry": false, "None": null, "Empty": [],
            "TagSpecification": [{"ResourceType": "instance",
                "Tag": [{"Key": "a", "Value": "1"}, {"Key": "b c", "Value": "x&y=z"}]}],
        });
        assert_eq!(
            encode(&form, FormStyle::Dots),
            "Action=RunInstances&MinCount=1&Dry=false&TagSpecification.1.ResourceType=instance\
             &TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=1\
             &TagSpecification.1.Tag.2.Key=b+c&TagSpecification.1.Tag.2.Value=x%26y%3Dz"
        );
    }

    #[test]
    fn each_style_writes_lists_and_maps_its_way() {
        let form = json!({"a": [{"b": 1}, {"b": 2}], "c": ["x", "y"], "d": {"e": true}});
        for (style, wanted) in [
            (FormStyle::Dots, "a.1.b=1&a.2.b=2&c.1=x&c.2=y&d.e=true"),
            (FormStyle::Brackets, "a[0][b]=1&a[1][b]=2&c[0]=x&c[1]=y&d[e]=true"),
            (FormStyle::Repeated, "a[b]=1&a[b]=2&c=x&c=y&d[e]=true"),
        ] {
            let written = encode(&form, style).replace("%5B", "[").replace("%5D", "]");
            assert_eq!(written, wanted);
        }
    }
}
