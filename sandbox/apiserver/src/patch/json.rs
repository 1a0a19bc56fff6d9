//! JSON patch (RFC 6902) as the real server's library applies it, which is more lenient than the
//! RFC where controllers have come to rely on it: a missing value is null, null equals absent, what
//! is replaced need not be there, places in lists count from the end when negative. No crate does
//! that.

use serde_json::Value;

use crate::status::json_sort;

/// Why a patch does not apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It is no list of operations.
    Malformed(String),
    /// An operation does not fit the object: a failed test, a missing path, an unknown name.
    Rejected,
}

type Fit<T> = Result<T, Unfit>;

/// Applies all operations. `exact` is the patch with its numbers as they were written, which tests
/// compare.
pub(crate) fn apply(object: &mut Value, patch: &Value, exact: &Value) -> Fit<()> {
    let malformed = |value: &Value, into: &str| {
        let sort = json_sort(value);
        Unfit::Malformed(format!("json: cannot unmarshal {sort} into Go value of type {into}"))
    };
    let operations = match patch {
        Value::Null => return Ok(()),
        Value::Array(operations) => operations,
        other => return Err(malformed(other, "[]handlers.jsonPatchOp")),
    };
    if let Some(odd) = operations.iter().find(|operation| !operation.is_object()) {
        return Err(malformed(odd, "handlers.jsonPatchOp"));
    }
    for (operation, exact) in operations.iter().zip(exact.as_array().into_iter().flatten()) {
        let text = |key: &str| operation[key].as_str().ok_or(Unfit::Rejected);
        let value = || operation["value"].clone();
        let place = text("path")?;
        match text("op")? {
            "add" => add(object, place, value())?,
            "remove" => _ = remove(object, place)?,
            "replace" if place.is_empty() => *object = value(),
            "replace" => replace(object, place, value())?,
            "move" => {
                let moved = remove(object, text("from")?)?;
                add(object, place, moved)?;
            }
            "copy" => {
                let copied = get(object, text("from")?)?;
                add(object, place, copied)?;
            }
            "test" => {
                if get(object, place)? != exact["value"] {
                    return Err(Unfit::Rejected);
                }
            }
            _ => return Err(Unfit::Rejected),
        }
    }
    Ok(())
}

/// The container that a path leads to, and the key in it.
fn parent<'a>(object: &'a mut Value, path: &str) -> Fit<(&'a mut Value, String)> {
    let mut steps = path.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
    let mut key = steps.next().ok_or(Unfit::Rejected)?;
    let mut at = object;
    for next in steps {
        at = match at {
            Value::Object(map) => map.get_mut(&key).ok_or(Unfit::Rejected)?,
            Value::Array(items) => {
                let index = index(&key, items.len())?;
                items.get_mut(index).ok_or(Unfit::Rejected)?
            }
            _ => return Err(Unfit::Rejected),
        };
        key = next;
    }
    Ok((at, key))
}

/// A place in a list; negative ones count from its end.
fn index(key: &str, length: usize) -> Fit<usize> {
    let number: i64 = key.parse().map_err(|_| Unfit::Rejected)?;
    if let Ok(index) = usize::try_from(number) {
        return Ok(index);
    }
    let back = usize::try_from(number.unsigned_abs()).map_err(|_| Unfit::Rejected)?;
    length.checked_sub(back).ok_or(Unfit::Rejected)
}

fn add(object: &mut Value, path: &str, value: Value) -> Fit<()> {
    let (at, key) = parent(object, path)?;
    match at {
        Value::Object(map) => _ = map.insert(key, value),
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            let index = index(&key, items.len() + 1)?;
            if index > items.len() {
                return Err(Unfit::Rejected);
            }
            items.insert(index, value);
        }
        _ => return Err(Unfit::Rejected),
    }
    Ok(())
}

fn remove(object: &mut Value, path: &str) -> Fit<Value> {
    let (at, key) = parent(object, path)?;
    match at {
        Value::Object(map) => map.shift_remove(&key).ok_or(Unfit::Rejected),
        Value::Array(items) => {
            let index = index(&key, items.len())?;
            if index >= items.len() {
                return Err(Unfit::Rejected);
            }
            Ok(items.remove(index))
        }
        _ => Err(Unfit::Rejected),
    }
}

fn replace(object: &mut Value, path: &str, value: Value) -> Fit<()> {
    let (at, key) = parent(object, path)?;
    match at {
        Value::Object(map) => _ = map.insert(key, value),
        Value::Array(items) => {
            let index = index(&key, items.len())?;
            *items.get_mut(index).ok_or(Unfit::Rejected)? = value;
        }
        _ => return Err(Unfit::Rejected),
    }
    Ok(())
}

/// What stands at a path; null when its last step leads nowhere.
fn get(object: &mut Value, path: &str) -> Fit<Value> {
    let (at, key) = parent(object, path)?;
    match at {
        Value::Object(map) => Ok(map.get(&key).cloned().unwrap_or_default()),
        Value::Array(items) => {
            let index = index(&key, items.len())?;
            items.get(index).cloned().ok_or(Unfit::Rejected)
        }
        _ => Err(Unfit::Rejected),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(object: Value, patch: &Value) -> Fit<Value> {
        let mut object = object;
        apply(&mut object, patch, patch)?;
        Ok(object)
    }

    #[test]
    fn operations_follow_the_lenient_rules() {
        let object = || json!({"a": [1, 2], "m": {"x/y": 1}, "n": null});
        for (patch, wanted) in [
            (json!([{"op": "add", "path": "/a/-", "value": 3}]), Some(json!([1, 2, 3]))),
            (json!([{"op": "add", "path": "/a/3", "value": 3}]), None),
            (json!([{"op": "replace", "path": "/a/-1", "value": 9}]), Some(json!([1, 9]))),
            (json!([{"op": "remove", "path": "/a/0"}]), Some(json!([2]))),
            (json!([{"op": "remove", "path": "/gone"}]), None),
            (json!([{"op": "test", "path": "/gone", "value": null}]), Some(json!([1, 2]))),
            (json!([{"op": "test", "path": "/m/x~1y", "value": 1}]), Some(json!([1, 2]))),
            (json!([{"op": "test", "path": "/m/x~1y", "value": 1.0}]), None),
            (json!([{"op": "move", "from": "/a", "path": "/a/b"}]), None),
            (json!([{"op": "replace", "path": "/gone/deeper", "value": 1}]), None),
            (json!([{"op": "frobnicate", "path": "/a"}]), None),
        ] {
            let found = patched(object(), &patch).ok().map(|object| object["a"].clone());
            assert_eq!(found, wanted, "{patch}");
        }
        let copied = json!([{"op": "copy", "from": "/gone", "path": "/c"}]);
        assert_eq!(patched(object(), &copied).unwrap()["c"], Value::Null);
    }

    #[test]
    fn what_is_no_patch_is_named() {
        let wrong = patched(json!({}), &json!({"op": "add"})).unwrap_err();
        assert!(matches!(wrong, Unfit::Malformed(why) if why.contains("unmarshal object")));
        assert!(patched(json!({}), &json!([5])).is_err());
    }
}
