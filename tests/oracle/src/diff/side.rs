//! One of the two servers, and what it answers.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::Value;

use super::case::{Ask, Await};
use super::marks::Marks;

const ANSWER: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(30);
/// What clients read of an answer's head.
const HEADERS: [&str; 5] = ["content-type", "warning", "retry-after", "cache-control", "allow"];

/// A server under one token.
#[derive(Clone)]
pub(crate) struct Side {
    pub(crate) client: Client,
    pub(crate) token: String,
}

/// One case's conversation with a side.
pub(crate) struct Talk<'a> {
    side: &'a Side,
    kept: HashMap<String, String>,
    marks: Marks,
}

/// An answer in the form that is compared.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Name and value, in the order of [`HEADERS`].
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Content,
}

/// A body in the form that is compared.
#[derive(Debug, PartialEq)]
pub(crate) enum Content {
    Json(Value),
    Text(String),
}

impl Side {
    /// Sends one request as it is; the whole answer.
    pub(crate) async fn send(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<(u16, Vec<(String, String)>, Vec<u8>), String> {
        let answer = async {
            let answer = self.client.send(request.map(Body::from)).await;
            let answer = answer.map_err(|error| crate::error::chain(&error))?;
            let status = answer.status().as_u16();
            let mut headers = Vec::new();
            for name in HEADERS {
                for value in answer.headers().get_all(name) {
                    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                    headers.push((name.to_owned(), value));
                }
            }
            let body = answer.into_body().collect().await;
            let body = body.map_err(|error| crate::error::chain(&error))?.to_bytes();
            Ok((status, headers, body.to_vec()))
        };
        let late = |_| format!("no whole answer within {} s", ANSWER.as_secs());
        tokio::time::timeout(ANSWER, answer).await.map_err(late)?
    }

    /// A request with the token, unless its headers say something else.
    pub(crate) fn request(
        &self,
        ask: &Ask,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Request<Vec<u8>>, String> {
        let mut request = Request::new(body);
        *request.method_mut() =
            ask.method.parse().map_err(|_| format!("{} is no method", ask.method))?;
        *request.uri_mut() = path.parse().map_err(|error| format!("{path} is no path: {error}"))?;
        let mut put = |name: &str, value: &str| -> Result<(), String> {
            let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
            let value = HeaderValue::try_from(value).map_err(|error| error.to_string())?;
            request.headers_mut().insert(name, value);
            Ok(())
        };
        put("authorization", &format!("Bearer {}", self.token))?;
        put("accept", "application/json")?;
        put("user-agent", "differ/1.0")?;
        if let Some(content_type) = &ask.content_type
            && (!ask.body.is_empty() || ask.method == "PATCH")
        {
            put("content-type", content_type)?;
        }
        for (name, value) in headers {
            put(name, value)?;
        }
        Ok(request)
    }

    async fn get(&self, path: &str) -> Result<(u16, Value), String> {
        let ask = Ask { method: "GET".to_owned(), ..Ask::default() };
        let (status, _, body) = self.send(self.request(&ask, path, &[], Vec::new())?).await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// Looks until a state has come.
    pub(crate) async fn until(
        &self,
        path: &str,
        wanted: Option<(&str, &str)>,
    ) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let (status, value) = self.get(path).await?;
            let there = match wanted {
                None => status == 404,
                Some((pointer, wanted)) => {
                    value.pointer(pointer).is_some_and(|found| shown(found) == wanted)
                }
            };
            if there {
                return Ok(());
            }
            if Instant::now() >= end {
                let seconds = PATIENCE.as_secs();
                return Err(format!(
                    "{path} did not become {wanted:?} within {seconds} s; it is {status} {value}"
                ));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl<'a> Talk<'a> {
    pub(crate) fn new(side: &'a Side, namespace: &str) -> Self {
        let kept = HashMap::from([("NS".to_owned(), namespace.to_owned())]);
        Self { side, kept, marks: Marks::default() }
    }

    /// Sends a request of the case.
    pub(crate) async fn ask(&mut self, ask: &Ask) -> Result<Answer, String> {
        let path = self.filled(&ask.path);
        let headers: Vec<(String, String)> =
            ask.headers.iter().map(|(name, value)| (name.clone(), self.filled(value))).collect();
        let body = large(&self.filled(&ask.body));
        let body = if ask.binary {
            let text: String = body.split_whitespace().collect();
            base64::engine::general_purpose::STANDARD
                .decode(text)
                .map_err(|error| error.to_string())?
        } else {
            body.into_bytes()
        };
        let (status, headers, body) =
            self.side.send(self.side.request(ask, &path, &headers, body)?).await?;
        let watch = ask.path.contains("watch=") || ask.path.contains("/watch/");
        let body = self.body(&body, ask, watch && status == 200);
        let headers =
            headers.into_iter().map(|(name, value)| (name, self.marks.text(&value))).collect();
        Ok(Answer { status, headers, body })
    }

    pub(crate) async fn wait(&self, wait: &Await) -> Result<(), String> {
        let path = self.filled(&wait.path);
        let wanted =
            wait.wanted.as_ref().map(|(pointer, value)| (pointer.clone(), self.filled(value)));
        let wanted = wanted.as_ref().map(|(pointer, value)| (pointer.as_str(), value.as_str()));
        self.side.until(&path, wanted).await
    }

    fn body(&mut self, bytes: &[u8], ask: &Ask, watch: bool) -> Content {
        if watch {
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let events: Result<Vec<Value>, _> = lines.map(serde_json::from_slice).collect();
            if let Ok(events) = events {
                let events = events.into_iter().filter(|event| !is_plain_bookmark(event)).collect();
                return Content::Json(self.marks.normal(Value::Array(events)));
            }
        }
        match serde_json::from_slice::<Value>(bytes) {
            Ok(value) => {
                self.keep(&value, ask);
                Content::Json(self.marks.normal(value))
            }
            Err(_) => Content::Text(self.marks.text(&String::from_utf8_lossy(bytes))),
        }
    }

    fn keep(&mut self, value: &Value, ask: &Ask) {
        for (name, field) in [("RV", "resourceVersion"), ("UID", "uid"), ("CONTINUE", "continue")] {
            if let Some(text) = value["metadata"][field].as_str().filter(|text| !text.is_empty()) {
                self.kept.insert(name.to_owned(), text.to_owned());
            }
        }
        for (name, pointer) in &ask.keeps {
            if let Some(found) = value.pointer(pointer) {
                self.kept.insert(name.clone(), shown(found));
            }
        }
    }

    /// The text with `$name` replaced by what was kept; unknown names stay.
    fn filled(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find('$') {
            out.push_str(&rest[..start]);
            let name = &rest[start + 1..];
            let length = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
            match self.kept.get(&name[..length]) {
                Some(value) => out.push_str(value),
                None => out.push_str(&rest[start..=start + length]),
            }
            rest = &name[length..];
        }
        out.push_str(rest);
        out
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is_plain_bookmark(event: &Value) -> bool {
    event["type"] == "BOOKMARK" && !event.to_string().contains("k8s.io/initial-events-end")
}

/// Sizes that nobody wants to write down.
fn large(text: &str) -> String {
    let made = |text: &str, mark: &str, make: &dyn Fn(usize) -> String| -> String {
        let mut parts = text.split(mark);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let length = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            out.push_str(&make(part[..length].parse().unwrap_or(0)));
            out.push_str(&part[length..]);
        }
        out
    };
    let text = made(text, "@bytes ", &|count| "x".repeat(count));
    made(&text, "@deep ", &|count| format!("{}{}", "[".repeat(count), "]".repeat(count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_made() {
        assert_eq!(large(r#"{"a": "@bytes 3", "b": @deep 2}"#), r#"{"a": "xxx", "b": [[]]}"#);
    }
}
