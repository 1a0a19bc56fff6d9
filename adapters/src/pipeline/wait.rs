//! Long-running operations: asked after until they end.

use std::time::Duration;

use infrafabric_definition::Class;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::answer::Answer;
use super::call::{Call, Ready};
use super::record::Record;
use super::request::Inputs;
use super::{Pipeline, classify, vendor};
use crate::compile::{CompiledWait, Template, plain};
use crate::error::AdapterError;

/// No server's wish is followed for longer than this between two questions.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

impl Pipeline {
    /// Asks after what `first` says was begun, until it ends. The first answer is the result: it has
    /// the identity.
    pub(super) async fn wait(
        &self,
        call: &Ready<'_>,
        (wait, inputs): (&CompiledWait, &Inputs),
        first: Answer,
        record: &Record<'_>,
    ) -> Result<Answer, AdapterError> {
        // What was absent and could not be deleted is not waited for.
        if !(200..300).contains(&first.status) {
            return Ok(first);
        }
        let mut question = inputs.clone();
        question.before.push(("body", first.body.clone()));
        question.before.push(("headers", first.headers.clone()));
        if let Some(address) = &wait.address {
            let vars = question.vars(&self.parameters);
            let address = self.evaluated(&wait.poll.name, address, &vars)?;
            let Some(address) = address.filter(|address| !plain(address).is_empty()) else {
                return Ok(first);
            };
            question.page = first.address.clone().map(|here| (here, plain(&address)));
        }
        let until = Instant::now() + wait.within;
        let mut pause = wait.every / 4;
        let mut wish = vendor::pause(&first, self.clock.now()).map(|wish| wish.min(LONGEST_PAUSE));
        loop {
            tokio::time::sleep_until(until.min(Instant::now() + wish.take().unwrap_or(pause)))
                .await;
            if Instant::now() >= until {
                let seconds = wait.within.as_secs();
                return Err(in_doubt(call, &format!("it has not ended after {seconds} s")));
            }
            // It goes on without us; who comes next finds what it made.
            record.permit(call).await.map_err(|error| in_doubt(call, &error.message))?;
            pause = (pause * 3 / 2).min(wait.every);
            let poll = Call {
                name: &wait.poll.name,
                operation: Some(&wait.poll),
                inputs: question.clone(),
                effect: None,
                events: None,
            };
            let answer = match self.run(poll).await {
                Ok(answer) => answer,
                Err(error) if passes(error.class) => {
                    wish = error.retry_after.map(|wish| wish.min(LONGEST_PAUSE));
                    continue;
                }
                Err(error) => return Err(in_doubt(call, &error.message)),
            };
            wish = vendor::pause(&answer, self.clock.now()).map(|wish| wish.min(LONGEST_PAUSE));
            if self.holds(&wait.poll.name, wait.failed.as_ref(), &answer)? {
                let token = self.tokens.newest().await;
                let redactor = token.as_ref().map_or(&self.redactor, |token| &token.redactor);
                return Err(classify::ended_badly(call, &answer, redactor));
            }
            if self.holds(&wait.poll.name, Some(&wait.done), &answer)? {
                return Ok(first);
            }
        }
    }

    fn holds(
        &self,
        name: &str,
        condition: Option<&Template>,
        answer: &Answer,
    ) -> Result<bool, AdapterError> {
        let Some(condition) = condition else { return Ok(false) };
        Ok(self.evaluate(name, condition, answer)? == Some(Json::Bool(true)))
    }
}

/// Whether the next question may be answered.
fn passes(class: Class) -> bool {
    matches!(class, Class::Unavailable | Class::RateLimited | Class::Conflict)
}

/// Nobody can say how it ends.
fn in_doubt(call: &Ready<'_>, why: &str) -> AdapterError {
    let mut error = call.error(call.in_doubt(), format!("begun, and its end is not known: {why}"));
    error.sent = true;
    error
}
