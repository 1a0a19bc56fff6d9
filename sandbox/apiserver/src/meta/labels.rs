//! Label selectors: `a=b,c!=d,e in (f,g),h notin (i),j,!k,n>3`.

use crate::status::{Failure, Result};

/// A parsed selector; empty selects everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LabelSelector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Above(i64),
    Below(i64),
}

impl LabelSelector {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Parser::new(text).selector().map_err(Failure::bad_request)
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn matches(&self, labels: &[(String, String)]) -> bool {
        self.0.iter().all(|requirement| {
            let value =
                labels.iter().find(|(key, _)| *key == requirement.key).map(|(_, value)| value);
            let number = || value.and_then(|value| value.parse::<i64>().ok());
            match &requirement.test {
                Test::In(values) => value.is_some_and(|value| values.contains(value)),
                Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::Above(bound) => number().is_some_and(|number| number > *bound),
                Test::Below(bound) => number().is_some_and(|number| number < *bound),
            }
        })
    }
}

/// A word, or one of the signs.
#[derive(Debug, Clone, PartialEq)]
enum Token {
    End,
    Word(String),
    Sign(&'static str),
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::End => "",
            Self::Word(word) => word,
            Self::Sign(sign) => sign,
        }
    }
}

const SIGNS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];

/// The parser of the real server, with its messages.
struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn new(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            if let Some(sign) = sign {
                tokens.push(Token::Sign(sign));
                rest = rest[sign.len()..].trim_start();
                continue;
            }
            let special = |c: char| c.is_whitespace() || "=!(),><".contains(c);
            let end = rest.find(special).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = rest[end..].trim_start();
        }
        Self { tokens, at: 0 }
    }

    fn peek(&self) -> Token {
        self.tokens.get(self.at).cloned().unwrap_or(Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn selector(mut self) -> std::result::Result<LabelSelector, String> {
        let mut all = Vec::new();
        loop {
            match self.peek() {
                Token::End => return Ok(LabelSelector(all)),
                Token::Word(_) | Token::Sign("!") => {
                    let requirement = self.requirement();
                    all.push(requirement.map_err(|e| format!("unable to parse requirement: {e}"))?);
                    match self.next() {
                        Token::End => return Ok(LabelSelector(all)),
                        Token::Sign(",") => {
                            let after = self.peek();
                            if !matches!(after, Token::Word(_) | Token::Sign("!")) {
                                let after = after.text();
                                return Err(format!(
                                    "found '{after}', expected: identifier after ','"
                                ));
                            }
                        }
                        other => {
                            let found = other.text();
                            return Err(format!(
                                "found '{found}', expected: ',' or 'end of string'"
                            ));
                        }
                    }
                }
                other @ Token::Sign(_) => {
                    let found = other.text();
                    return Err(format!(
                        "found '{found}', expected: !, identifier, or 'end of string'"
                    ));
                }
            }
        }
    }

    fn requirement(&mut self) -> std::result::Result<Requirement, String> {
        let absent = self.peek() == Token::Sign("!");
        if absent {
            self.at += 1;
        }
        let key = match self.next() {
            Token::Word(word) => word,
            other => return Err(format!("found '{}', expected: identifier", other.text())),
        };
        if let Some(problem) = super::names::qualified_problem(&key) {
            return Err(format!("<nil>: Invalid value: {key:?}: {problem}"));
        }
        let made = |test| Requirement { key: key.clone(), test };
        if absent {
            return Ok(made(Test::Absent));
        }
        let operator = match self.peek() {
            Token::End | Token::Sign(",") => return Ok(made(Test::Exists)),
            token => token.text().to_owned(),
        };
        if !matches!(operator.as_str(), "=" | "==" | "!=" | "in" | "notin" | ">" | "<") {
            return Err(format!("found '{operator}', expected: in, notin, =, ==, !=, gt, lt"));
        }
        self.at += 1;
        let values = match operator.as_str() {
            "in" | "notin" => self.values()?,
            _ => vec![self.value()?],
        };
        for (index, value) in values.iter().enumerate() {
            if let Some(problem) = super::names::label_value_problem(value) {
                return Err(format!("values[{index}][{key}]: Invalid value: {value:?}: {problem}"));
            }
        }
        let bound = || {
            values[0].parse::<i64>().map_err(|_| {
                format!(
                    "values[0]: Invalid value: {:?}: for 'Gt', 'Lt' operators, the value must be \
                     an integer",
                    values[0]
                )
            })
        };
        Ok(made(match operator.as_str() {
            "=" | "==" | "in" => Test::In(values),
            "!=" | "notin" => Test::NotIn(values),
            ">" => Test::Above(bound()?),
            _ => Test::Below(bound()?),
        }))
    }

    fn value(&mut self) -> std::result::Result<String, String> {
        match self.peek() {
            Token::End | Token::Sign(",") => Ok(String::new()),
            Token::Word(word) => {
                self.at += 1;
                Ok(word)
            }
            other @ Token::Sign(_) => {
                Err(format!("found '{}', expected: identifier", other.text()))
            }
        }
    }

    fn values(&mut self) -> std::result::Result<Vec<String>, String> {
        match self.next() {
            Token::Sign("(") => {}
            other => return Err(format!("found '{}' expected: '('", other.text())),
        }
        let mut values = Vec::new();
        loop {
            match self.next() {
                Token::Word(word) => {
                    values.push(word);
                    match self.next() {
                        Token::Sign(",") => {}
                        Token::Sign(")") => return Ok(values),
                        other => {
                            return Err(format!("found '{}', expected: ',' or ')'", other.text()));
                        }
                    }
                }
                Token::Sign(",") => values.push(String::new()),
                Token::Sign(")") => {
                    values.push(String::new());
                    return Ok(values);
                }
                other => {
                    let found = other.text();
                    return Err(format!("found '{found}', expected: ',', ')' or identifier"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_selects_as_documented() {
        let labels = [("app".to_owned(), "web".to_owned()), ("n".to_owned(), "5".to_owned())];
        for (selector, expected) in [
            ("app=web", true),
            ("app==web,n", true),
            ("app!=web", false),
            ("other!=web", true),
            ("app in (db, web)", true),
            ("app notin (db,web)", false),
            ("!app", false),
            ("!gone", true),
            ("n>4,n<6", true),
            ("", true),
        ] {
            assert_eq!(
                LabelSelector::parse(selector).unwrap().matches(&labels),
                expected,
                "{selector}"
            );
        }
        for bad in ["a in b", "=x", "a=(", "n>x"] {
            assert!(LabelSelector::parse(bad).is_err(), "{bad}");
        }
    }
}
