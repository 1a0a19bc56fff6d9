//! A bad action, child or simulated one is refused with the path of what is wrong and what would be right.

use std::fs;
use std::path::Path;

use infrafabric_adapters::compile::{Compiled, parse};

/// A built-in definition with one piece of text replaced.
fn changed(file: &str, from: &str, to: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("providers").join(file);
    let text = fs::read_to_string(path).expect(file);
    assert!(text.contains(from), "{file} has no `{from}`");
    text.replacen(from, to, 1)
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table, one row a mistake")]
fn actions_that_cannot_work_are_refused() {
    let table = [
        (
            "chat/slack.yaml",
            "message: Message,",
            "message: Massage,",
            "spec.webhook.as.kind.message: unknown state `Massage`, expected one of Message, Command",
        ),
        (
            "chat/line.yaml",
            "author: ",
            "auther: ",
            "spec.webhook.as.auther: unknown name `auther`, expected one of kind, id, target, author",
        ),
        (
            "chat/whatsapp-cloud.yaml",
            "secret: verifyToken, ",
            "",
            "spec.webhook.handshake: `token` and the Secret's key `secret` that it must equal come together",
        ),
        (
            "chat/microsoft-teams.yaml",
            "algorithm: jwt",
            "algorithm: sha256",
            "spec.webhook.keys: has no meaning: only `jwt` is verified by keys",
        ),
        (
            "chat/slack.yaml",
            "  verify: {get: /auth.test}",
            "",
            "spec.verify: missing: an authenticated read that changes nothing",
        ),
        (
            "chat/microsoft-teams-workflow.yaml",
            "  unproven: ",
            "  verify: {get: /}\n  unproven: ",
            "spec.verify: beside `unproven`: one of them",
        ),
        (
            "sip/twilio.yaml",
            "Password: '${secret.sipPassword}'",
            "Password: '${secret.sipPasword}'",
            "secretFields.Password: unknown `secret.sipPasword`, expected one of secret.apiKey",
        ),
        (
            "sip/twilio.yaml",
            "optionalSecret: [sipPassword]",
            "optionalSecret: [sipPassword, other]",
            "spec.auth.optionalSecret: the scheme takes 0 optional keys",
        ),
        (
            "sip/voip-ms.yaml",
            "steps: [{name: account, get: ",
            "steps: [{name: account, post: ",
            "spec.objects.trunk.delete.steps[0].post: sends something",
        ),
        (
            "ai/openai.yaml",
            "    kind: ${event.type}",
            "    kind: ${event.type}\n    as: {kind: Message}",
            "spec.webhook.as: has no meaning: the domain's contract has no events",
        ),
        (
            "chat/telegram.yaml",
            "    delete: {call",
            "    erase: {call",
            "spec.actions.erase: unknown action `erase`, expected one of send, upload, edit, delete",
        ),
        (
            "chat/discord.yaml",
            "        item: ${body}\n      key: true",
            "        item: ${body}",
            "spec.actions.send.key: false, but the call sends `token`: set it to true",
        ),
        (
            "chat/telegram.yaml",
            "        item: ${body.result}\n      as: &message",
            "        item: ${body.result}\n      key: true\n      as: &message",
            "spec.actions.send.key: true, but the call does not send `token`",
        ),
        (
            "payments/stripe.yaml",
            "sync: {call",
            "sync: {key: true, call",
            "spec.actions.sync.key: of no use: it asks, and may be asked again",
        ),
        (
            "payments/mollie.yaml",
            "description: ${want.description}",
            "description: ${want.describtion}",
            "unknown `want.describtion`, expected one of want.amount",
        ),
        (
            "payments/stripe.yaml",
            "succeeded: Paid",
            "succeeded: Payed",
            "spec.actions.charge.as.state.succeeded: unknown state `Payed`",
        ),
        (
            "chat/line.yaml",
            "state: Accepted",
            "state: Sent",
            "spec.actions.send.as.state: unknown state `Sent`, expected one of Accepted",
        ),
        (
            "ai/openai.yaml",
            "      delta: ${event.data.choices[0].delta.content}\n",
            "",
            "spec.actions.stream.delta: missing: the text that an event brings",
        ),
        (
            "ai/openai.yaml",
            "    moderate:\n",
            "    moderate:\n      delta: ${event.data}\n",
            "spec.actions.moderate.delta: `moderate` does not come in pieces",
        ),
        (
            "ai/openai.yaml",
            "    stream:\n",
            "    stream:\n      key: true\n",
            "spec.actions.stream.key: a stream that began cannot be repeated",
        ),
        (
            "ai/openai.yaml",
            "        within: 10m",
            "        within: soon",
            "spec.actions.complete.call.within: `soon` is no span such as 30s",
        ),
        (
            "ai/openai.yaml",
            "inputTokens: ${item.usage.prompt_tokens}\n        outputTokens",
            "outputTokens",
            "spec.actions.complete.as.inputTokens: missing",
        ),
        (
            "chat/slack.yaml",
            "        resolve:\n          where: ${true}",
            "        sets: {a: b}\n        x-resolve:\n          where: ${true}",
            "unknown field `x-resolve`",
        ),
        (
            "chat/telegram.yaml",
            "must: size(want.text) <= 4096",
            "must: size(want.words) <= 4096",
            "spec.actions.send.rules[0].must: unknown `want.words`",
        ),
        (
            "chat/telegram.yaml",
            "        sets: {text: '${req.text}'}",
            "        sets: {text: '${request.text}'}",
            "spec.sandbox.actions.edit.sets.text: unknown variable `request`",
        ),
        (
            "chat/telegram.yaml",
            "    things:\n      message:",
            "    things:\n      massage:",
            "spec.sandbox.things.massage: unknown thing `massage`",
        ),
        (
            "sip/twilio.yaml",
            "          same: ${item.ip_address}",
            "          same: ${child.ip_address}",
            "spec.objects.accessList.children[0].same: unknown variable `child`",
        ),
        (
            "sip/twilio.yaml",
            "          of: ${want.addresses}",
            "          of: ${want.adresses}",
            "spec.objects.accessList.children[0].of: unknown `want.adresses`",
        ),
        (
            "sip/twilio.yaml",
            "          address:\n            id: IP",
            "          adress:\n            id: IP",
            "spec.sandbox.objects.accessList.children.address: missing",
        ),
        (
            "sip/telnyx.yaml",
            "      release: {steps: *owned, answer",
            "      release: {answer",
            "spec.sandbox.actions.release.steps.number: missing",
        ),
        (
            "sip/voip-ms.yaml",
            "api_password: '${secret.password}'",
            "api_password: '${secret.pass}'",
            "spec.auth.query.api_password: unknown `secret.pass`",
        ),
        (
            "production/obs-studio.yaml",
            "endpoint: http://obs:4455",
            "endpoint: http://obs.example.com:4455",
            "spec.endpoint: expected an https:// address",
        ),
        (
            "production/obs-studio.yaml",
            "secret: [password]",
            "secret: []",
            "obs takes one key: the password",
        ),
        (
            "production/vmix.yaml",
            "    show: {call: {get:",
            "    show: {call: {rpc: Show, get:",
            "several methods",
        ),
        (
            "production/obs-studio.yaml",
            "  sandbox:\n",
            "  events: {vmix: 8099}\n  sandbox:\n",
            "spec.events: has no meaning: obs pushes on the socket that takes its requests",
        ),
        (
            "production/vmix.yaml",
            "events: {vmix: 8099}",
            "events: {vmix: 8099, homeAssistant: /api/websocket}",
            "spec.events: expected one of homeAssistant, vmix",
        ),
        (
            "production/vmix.yaml",
            "events: {vmix: 8099}",
            "events: {vmix: 0}",
            "spec.events.vmix: expected a port, 1 to 65535",
        ),
        (
            "production/vmix.yaml",
            "events: {vmix: 8099}",
            "events: {vmix: other-host:8099}",
            "spec.events.vmix",
        ),
        (
            "production/vmix.yaml",
            "events: {vmix: 8099}",
            "events: {homeAssistant: /api/websocket}",
            "spec.events.homeAssistant: lets in by a token: it needs the scheme bearer",
        ),
        (
            "production/vmix.yaml",
            "  events: {vmix: 8099}",
            "  # none",
            "spec.sandbox.actions.show.event: has no meaning: spec.events does not say where",
        ),
        (
            "production/home-assistant.yaml",
            "homeAssistant: /api/websocket",
            "homeAssistant: ws://elsewhere.example/api",
            "spec.events.homeAssistant: expected a plain path such as /api/websocket",
        ),
        (
            "production/home-assistant.yaml",
            "homeAssistant: /api/websocket",
            "homeAssistant: '//elsewhere.example/api'",
            "spec.events.homeAssistant: expected a plain path",
        ),
        (
            "production/home-assistant.yaml",
            "homeAssistant: /api/websocket",
            "socket: /api/websocket",
            "unknown field `socket`",
        ),
        (
            "production/home-assistant.yaml",
            "event: {type: state_changed, data: {entity_id: '${req.entity_id}', new_state",
            "event: {kind: state_changed, data: {entity_id: '${req.entity_id}', new_state",
            "spec.sandbox.actions.switch.event: expected a map of type and data",
        ),
        (
            "production/home-assistant.yaml",
            "state: '${now.lit}', attributes: {friendly_name: Intro}}}}",
            "state: '${then.lit}', attributes: {friendly_name: Intro}}}}",
            "spec.sandbox.actions.show.event[0].data.new_state.state: unknown variable `then`",
        ),
    ];
    for (file, from, to, wanted) in table {
        let text = changed(file, from, to);
        let said = match parse(&text, "test.yaml") {
            Err(error) => error.to_string(),
            Ok((name, spec)) => match Compiled::new(&name, spec) {
                Ok(_) => panic!("{file}: `{to}` is accepted"),
                Err(problems) => {
                    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
                }
            },
        };
        assert!(said.contains(wanted), "{file}: {wanted}\n{said}");
    }
}
