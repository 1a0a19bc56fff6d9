//! A bad definition is refused with the path of what is wrong and what would be right.

use std::fs;
use std::path::Path;

use infrafabric_adapters::compile::{Compiled, LoadError, parse};
use infrafabric_adapters::registry::{Registry, Source};

fn file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).expect(path)
}

/// The bench definition with one piece of text replaced.
fn bench(from: &str, to: &str) -> String {
    changed("examples/bench/bench.yaml", from, to)
}

fn aws(from: &str, to: &str) -> String {
    changed("adapters/providers/cloud/aws.yaml", from, to)
}

fn changed(path: &str, from: &str, to: &str) -> String {
    let text = file(path);
    assert!(text.contains(from), "{path} has no `{from}`");
    text.replacen(from, to, 1)
}

/// `path: reason` of everything that is wrong.
fn problems(text: &str) -> Vec<String> {
    let (name, spec) = parse(text, "test.yaml").unwrap_or_else(|error| panic!("{error}"));
    match Compiled::new(&name, spec) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table, one row a mistake")]
fn a_definition_that_compiles_but_cannot_work_is_refused() {
    let create = "post: /machines";
    let read = "      read: {get: '/machines/${id}', item: '${body.machine}'}\n";
    let delete = "delete: {delete: '/machines/${id}'}";
    let delete_with = |more: &str| format!("delete: {{delete: '/machines/${{id}}', {more}}}");
    let table = [
        // Limits.
        (
            bench("  verify:", "  limits: {retryAfter: '${body.wait}'}\n  verify:"),
            "spec.limits.retryAfter: `body.wait`: in the sandbox's answer `body` has no `wait`",
        ),
        // Deliveries.
        (
            bench("  verify:", "  webhook: {secret: [hook], signature: '${hedders.x}'}\n  verify:"),
            "spec.webhook.signature: unknown variable `hedders`",
        ),
        (
            bench("  verify:", "  webhook: {secret: [], signature: '${headers.x}'}\n  verify:"),
            "spec.webhook.secret: missing",
        ),
        (
            bench(
                "  verify:",
                "  webhook: {secret: [hook], algorithm: token, text: '${body}', signature: '${headers.x}'}\n  verify:",
            ),
            "spec.webhook.text: has no meaning",
        ),
        (
            bench(
                "scheme: bearer, secret: [token]",
                "scheme: exchange, secret: [token], token: {post: /l, steps: [{name: a, get: /a, item: '${body}'}]}",
            ),
            "spec.auth.token.steps: has no meaning",
        ),
        // Bodies.
        (
            bench(create, "post: /machines\n        text: x"),
            "spec.objects.machine.create: two bodies, json and text",
        ),
        (
            bench(delete, &delete_with("form: [1]")),
            "spec.objects.machine.delete.form: expected a map",
        ),
        (
            bench(delete, &delete_with("multipart: x")),
            "spec.objects.machine.delete.multipart: expected a map",
        ),
        (
            bench(delete, &delete_with("xml: {a: 1, b: 2}")),
            "spec.objects.machine.delete.xml: expected a map with one key",
        ),
        // Names of the contract.
        (
            bench("want.name", "want.nam"),
            "spec.objects.machine.create.json.name: unknown `want.nam`",
        ),
        (
            bench("want.name", "want.name.first"),
            "spec.objects.machine.create.json.name: `want.name.first`",
        ),
        (
            bench("want.name", "id"),
            "spec.objects.machine.create.json.name: unknown variable `id`, here",
        ),
        (
            bench("'/machines/${id}'", "'/machines/${want.name}'"),
            "spec.objects.machine.read.get: unknown variable `want`",
        ),
        (
            bench("want.marks + want.tags", "want.tags"),
            "spec.objects.machine.identity.find: by `tag`, but the create",
        ),
        (
            bench("  marks: ${item.tags}\n", "  color: ${item.tags}\n"),
            "spec.objects.machine.as.color: unknown name `color`, expected one of id, state,",
        ),
        (
            bench("        id: ${item.id}\n", ""),
            "spec.objects.machine.as.id: missing: the provider's identity",
        ),
        (
            bench("starting: Creating", "starting: Booting"),
            "spec.objects.machine.as.state.starting: unknown state `Booting`, expected one of Creating,",
        ),
        (bench("of: '${item.state}', ", ""), "spec.objects.machine.as.state.of: missing"),
        (
            bench("    machine:\n      identity", "    maschine:\n      identity"),
            "spec.objects.maschine: unknown object `maschine`, expected one of machine",
        ),
        (
            bench("    regions:\n      list", "    zones:\n      list"),
            "spec.catalogs.zones: unknown catalog `zones`, expected one of sizes, prices, images, regions",
        ),
        (
            bench("      as:\n        id:", "      whenStopped: [melt]\n      as:\n        id:"),
            "spec.objects.machine.whenStopped: unknown verb `melt`, expected one of start, stop,",
        ),
        (bench("cpus: '${item.cpus}', ", ""), "spec.catalogs.sizes.as.cpus: missing: virtual CPUs"),
        (
            bench("cpus: '${item.cpus}'", "cpus: two"),
            "spec.catalogs.sizes.as.cpus: expected a whole number",
        ),
        // Operations.
        (
            bench(read, ""),
            "spec.objects.machine.read: missing: a machine needs create, read, list and delete",
        ),
        (
            bench("post: /machines", "post: machines"),
            "spec.objects.machine.create.post: path `machines` must begin with /",
        ),
        (
            bench(create, "post: /machines\n        put: /machines"),
            "spec.objects.machine.create: several methods",
        ),
        (
            bench(create, "post: //evil.example/machines"),
            "spec.objects.machine.create.post: begins with //",
        ),
        (
            bench(create, "post: /machines\n        endpoint: eu"),
            "spec.objects.machine.create.endpoint: unknown endpoint `eu`",
        ),
        (
            bench(create, "post: /machines\n        headers: {Authorization: 'Bearer x'}"),
            "spec.objects.machine.create.headers.Authorization: written by the pipeline alone",
        ),
        (
            bench(create, "post: /machines\n        headers: {X-Token: '${token}'}"),
            "spec.objects.machine.identity.key: false, but the create sends `token`",
        ),
        (
            bench("lag: 1s", "lag: 1s, key: true"),
            "spec.objects.machine.identity.key: true, but the create does not send `token`",
        ),
        (
            bench("lag: 1s", "lag: soon"),
            "spec.objects.machine.identity.lag: `soon` is no span such as 30s",
        ),
        (
            bench("item: ${body.machine}\n", "items: ${body.machine}\n"),
            "spec.objects.machine.create.item: missing",
        ),
        (
            bench("items: '${body.machines}', cursor: '${body.next}'", "cursor: '${body.next}'"),
            "spec.objects.machine.list.items: missing",
        ),
        (
            bench(", cursor: '${body.next}'", ""),
            "spec.objects.machine.list.cursor: missing: the request uses `cursor`",
        ),
        (bench("&page=${cursor}", ""), "spec.objects.machine.list.cursor: never sent"),
        (
            bench("tag=${scope.mark}", "tag=x"),
            "spec.objects.machine.list: does not use `scope.mark`",
        ),
        (
            bench("scope.mark", "scope.project"),
            "spec.objects.machine.list.get: unknown `scope.project`, expected one of scope.mark",
        ),
        // Expressions.
        (
            bench("${want.name}", "${want.name +}"),
            "spec.objects.machine.create.json.name: expression `want.name +`",
        ),
        (
            bench("${want.name}", "${want.name"),
            "spec.objects.machine.create.json.name: `${want.name`: `${` without its `}`",
        ),
        (
            bench("${want.name}", "${upper(want.name)}"),
            "spec.objects.machine.create.json.name: unknown function `upper`",
        ),
        (
            bench("${want.name}", "${phase(want.name)}"),
            "spec.objects.machine.create.json.name: unknown function `phase`",
        ),
        // Paths of answers.
        (
            bench("id: ${item.id}", "id: ${item.uuid}"),
            "spec.objects.machine.as.id: `item.uuid`: in the sandbox's answer `item` has no `uuid`, only id, image, ip",
        ),
        (
            bench("id: ${item.id}", "id: ${item.?uuid.orValue(\"\")}"),
            "spec.objects.machine.as.id: `item.uuid`",
        ),
        (
            bench("item: ${body.machine}\n", "item: ${body.server}\n"),
            "spec.objects.machine.create.item: `body.server`: in the sandbox's answer `body` has no `server`, only machine",
        ),
        (
            bench("cursor: '${body.next}'", "cursor: '${body.meta.next}'"),
            "spec.objects.machine.list.cursor: `body.meta.next`",
        ),
        (
            bench("memoryMiB: '${item.memory}'", "memoryMiB: '${item.ram}'"),
            "spec.catalogs.sizes.as.memoryMiB: `item.ram`: in the sandbox's answer `item` has no `ram`",
        ),
        // Facts.
        (
            bench("https://api.bench.example", "http://api.bench.example"),
            "spec.endpoint: expected an https:// address",
        ),
        (
            bench("https://api.bench.example", "https://api.bench.example/"),
            "spec.endpoint: ends with /",
        ),
        (
            bench("https://api.bench.example", "https://${want.name}.example"),
            "spec.endpoint: unknown variable `want`, here there is region, parameters",
        ),
        (
            bench("https://api.bench.example", "https://${parameters.host}.example"),
            "spec.endpoint: unknown `parameters.host`: spec.parameters declares none",
        ),
        (
            bench("secret: [token]}", "secret: [token]}\n  limits: {requests: 250/d}"),
            "spec.limits.requests: `250/d` is no rate such as 250/m",
        ),
        (bench("2026-11-22", "2026-13-22"), "spec.checked: `2026-13-22` is no day"),
        (bench("[token]", "[token, other]"), "spec.auth.secret: bearer takes one key"),
        (bench("scheme: bearer", "scheme: ovh"), "spec.auth.secret: ovh takes three keys"),
        (
            bench("scheme: bearer, secret: [token]", "scheme: basic, secret: [a, b, c]"),
            "spec.auth.secret: basic takes the keys of user and password",
        ),
        (bench("scheme: bearer", "scheme: header"), "spec.auth.name: missing: the header or query"),
        (bench("scheme: bearer", "scheme: query"), "spec.auth.name: missing: the header or query"),
        (
            bench("scheme: bearer", "scheme: bearer, name: X-Token"),
            "spec.auth.name: only a token in a header or query has a name",
        ),
        (
            bench("scheme: bearer", "scheme: header, name: Content-Type"),
            "spec.auth.name: `Content-Type` says what the request is",
        ),
        (
            bench("scheme: bearer, secret: [token]", "scheme: oauth2, secret: [id, key]"),
            "spec.auth.token: missing: the call that gives an access token",
        ),
        (
            bench("scheme: bearer, ", "scheme: bearer, token: {post: /token}, "),
            "spec.auth.token: only the schemes oauth2, oauth2-refresh, jwt-bearer and exchange fetch",
        ),
        (
            bench("scheme: bearer, ", "scheme: oauth2, token: {get: /token}, "),
            "spec.auth.token: expected a post",
        ),
        (
            bench("scheme: bearer, ", "scheme: oauth2, token: {post: /token, json: {a: b}}, "),
            "spec.auth.token.json: expected a form",
        ),
        (
            bench(
                "scheme: bearer, ",
                "scheme: oauth2, token: {post: /token, form: {client_secret: a}}, ",
            ),
            "spec.auth.token.form.client_secret: written by the pipeline alone",
        ),
        (
            bench("scheme: bearer", "scheme: header, name: User-Agent"),
            "spec.auth.name: `User-Agent` says what the request is",
        ),
        (
            bench("scheme: bearer", "scheme: query, name: page"),
            "spec.objects.machine.list: sets `page`, which carries the token",
        ),
        (
            bench("scheme: bearer", "scheme: header, name: X-Token")
                .replace("get: /account", "get: /account, headers: {x-token: a}"),
            "spec.verify: sets `X-Token`, which carries the token",
        ),
        (
            bench("scheme: bearer", "scheme: query, name: key, prefix: 'Token '"),
            "spec.auth.prefix: only a token in a header or path has a prefix",
        ),
        (
            bench("scheme: bearer", "scheme: header, name: X-Token, prefix: 'Schlüssel '"),
            "spec.auth.prefix: has characters that no header has",
        ),
        (
            bench("scheme: bearer", "scheme: path"),
            "spec.auth.prefix: missing: what stands before the token",
        ),
        (
            bench("scheme: bearer", "scheme: path, prefix: bot"),
            "spec.auth.prefix: must begin with /",
        ),
        (bench("scheme: bearer", "scheme: none"), "spec.auth.secret: none takes no keys"),
        (
            bench("scheme: bearer", "scheme: headers"),
            "spec.auth.headers: missing: the scheme writes it",
        ),
        (
            bench("[token]", "[token], headers: {X-A: '${secret.token}'}"),
            "spec.auth.headers: has no meaning in the scheme bearer",
        ),
        (
            bench(
                "scheme: bearer, secret: [token]",
                "scheme: headers, secret: [token], headers: {X-A: '${secret.tokn}'}",
            ),
            "spec.auth.headers.X-A: unknown `secret.tokn`",
        ),
        (
            bench(
                "scheme: bearer, secret: [token]",
                "scheme: headers, secret: [token], headers: {Host: '${secret.token}'}",
            ),
            "spec.auth.headers.Host: `Host` says what the request is",
        ),
        (bench("scheme: bearer", "scheme: hmac"), "spec.auth.sign: missing: the scheme writes it"),
        (
            bench(
                "scheme: bearer, secret: [token]",
                "scheme: hmac, secret: [token], sign: {key: other, text: '${body}', query: {s: '${signature}'}}",
            ),
            "spec.auth.sign.key: `other` is no key of spec.auth.secret",
        ),
        (
            bench(
                "scheme: bearer, secret: [token]",
                "scheme: hmac, secret: [token], sign: {key: token, text: '${signature}', query: {s: '${signature}'}}",
            ),
            "spec.auth.sign.text: unknown variable `signature`",
        ),
        (
            bench(
                "scheme: bearer, secret: [token]",
                "scheme: hmac, secret: [token], sign: {key: token, text: '${body}'}",
            ),
            "spec.auth.sign: carries no signature",
        ),
        (
            bench("scheme: bearer", "carrier: query, scheme: bearer"),
            "spec.auth.carrier: only an access token has a carrier",
        ),
        (
            bench("scheme: bearer", "lives: 1h, scheme: bearer"),
            "spec.auth.lives: only an access token has a life",
        ),
        (
            bench(
                "scheme: bearer, secret: [token]",
                "scheme: exchange, secret: [token], token: {post: /l, json: {t: '${secret.x}'}}",
            ),
            "spec.auth.token.json.t: unknown `secret.x`",
        ),
        (
            bench("/machines/${id}", "/machines/${id}?t=${secret.token}"),
            "spec.objects.machine.read.get: unknown variable `secret`",
        ),
        (
            bench("scheme: bearer", "scheme: oauth2-refresh"),
            "spec.auth.secret: oauth2-refresh takes the refresh token",
        ),
        (aws("service: ec2, ", ""), "spec.auth.service: missing: aws-sigv4 signs for a service"),
        (
            aws("[accessKeyId, secretAccessKey]", "[accessKeyId, accessKeyId]"),
            "spec.auth.secret: `accessKeyId` twice",
        ),
        (
            bench("scheme: bearer", "scheme: oci"),
            "spec.auth.secret: oci takes four keys: tenancy, user, fingerprint and the private key",
        ),
        (
            bench("scheme: bearer", "scheme: jwt-bearer"),
            "spec.auth.token: missing: the call that gives an access token",
        ),
        (
            bench("scheme: bearer", "scheme: bearer, scope: all"),
            "spec.auth.scope: only jwt-bearer signs a scope",
        ),
        // What a call brings along.
        (
            bench(delete, &delete_with("wait: {get: /work, done: status == 200, every: 0s}")),
            "spec.objects.machine.delete.wait.every: `0s` is no span such as 30s",
        ),
        (
            bench(delete, &delete_with("wait: {get: work, done: status == 200}")),
            "spec.objects.machine.delete.wait.get: path `work` must begin with /",
        ),
        (
            bench(delete, &delete_with("wait: {get: '/work/${want.name}', done: status == 200}")),
            "spec.objects.machine.delete.wait.get: unknown variable `want`",
        ),
        (
            bench(delete, &delete_with("wait: {get: /work, done: item.status == 200}")),
            "spec.objects.machine.delete.wait.done: unknown variable `item`",
        ),
        (
            bench(delete, &delete_with("wait: {get: /work, done: status == 200}")),
            "spec.sandbox.objects.machine.wait: missing: who waits for the end of an operation",
        ),
        (
            bench("delete: {status: 204}", "delete: {status: 204}\n        wait: {body: {a: b}}"),
            "spec.sandbox.objects.machine.wait: simulates nothing: no operation waits",
        ),
        (
            bench(delete, &delete_with("steps: [{name: a, get: /a, item: '${body}'}]")),
            "spec.sandbox.objects.machine.steps.a: missing",
        ),
        (
            bench(
                delete,
                &delete_with("steps: [{name: a, get: '/a/${want.name}', item: '${body}'}]"),
            ),
            "spec.objects.machine.delete.steps[0].get: unknown variable `want`",
        ),
        (
            bench(
                delete,
                &delete_with(
                    "steps: [{name: a, get: /a, item: '${body}'}, {name: a, get: /b, item: '${body}'}]",
                ),
            ),
            "spec.objects.machine.delete.steps[1].name: `a` twice",
        ),
        (
            bench("'/machines/${id}', item", "'/machines/${steps.a}', item"),
            "spec.objects.machine.read.get: unknown variable `steps`",
        ),
        (
            bench(
                "      create:\n",
                "      parts: [{name: room, create: {put: '/rooms/${want.name}'}}]\n      create:\n",
            ),
            "spec.objects.machine.identity.find: what has parts is addressed by its name: find it by `name`",
        ),
        (
            bench(
                "      create:\n",
                "      parts: [{name: room, create: {post: /rooms}}]\n      create:\n",
            ),
            "spec.objects.machine.parts[0].create: is no put at `want.name` and sends no `token`",
        ),
        (
            bench(
                "      create:\n",
                "      parts: [{name: room, create: {put: '/rooms/${want.name}'}}]\n      create:\n",
            ),
            "spec.sandbox.objects.machine.parts.room: missing",
        ),
        (
            bench("post: /machines", "put: /machines/${want.name}"),
            "spec.objects.machine.identity.key: false, but the create is a put at `want.name`",
        ),
        // Error rules.
        (
            aws("operation: machine.read", "operation: machine.get"),
            "spec.errors[8].operation: unknown operation `machine.get`, expected one of address.create,",
        ),
        (
            aws("body.Response.Errors.Error.Code in", "body.Response.Errors.Code in"),
            "spec.errors[0].when: `body.Response.Errors.Code`: in the sandbox's answer `body.Response.Errors` has no `Code`, only Error",
        ),
        // The simulated provider.
        (
            bench("accepts: {token: bench-token}", "accepts: {}"),
            "spec.sandbox.accepts.token: missing",
        ),
        (
            bench("name: ${req.name}", "name: ${want.name}"),
            "spec.sandbox.objects.machine.item.name: unknown variable `want`",
        ),
        (
            bench("      regions: {body: {regions: [{name: north}, {name: south}]}}\n", ""),
            "spec.sandbox.catalogs.regions: missing",
        ),
    ];
    for (text, expected) in table {
        let found = problems(&text);
        let hit = found.iter().any(|problem| problem.starts_with(expected));
        assert!(hit, "expected: {expected}\nfound: {}", found.join("\n"));
    }
}

#[test]
fn all_problems_are_said_at_once() {
    let text = bench("want.name", "want.nam").replace("item.cpus", "item.cores");
    assert_eq!(problems(&text).len(), 2, "{:?}", problems(&text));
}

#[test]
fn a_file_that_is_no_definition_is_refused_with_its_place() {
    let table = [
        (
            bench("  title: Bench cloud", "  titel: Bench cloud"),
            "test.yaml:6:3 spec.titel: unknown field `titel`",
        ),
        (
            bench("running: Running}", "running: Running, off: Stopped}"),
            "spec.objects.machine.as.state.off: `off` is a boolean in YAML 1.1 and text in YAML 1.2: quote it ('off')",
        ),
        (
            bench("title: Bench cloud", "title: yes"),
            "test.yaml:6:10 spec.title: `yes` is a boolean",
        ),
        (
            bench("checked: 2026-11-22", "checked: 12:30"),
            "spec.checked: `12:30` is a number of base 60",
        ),
        (
            bench("status: 201", "status: 0201"),
            "spec.sandbox.objects.machine.create.status: `0201` is octal",
        ),
        (bench("status: 201", "status: many"), "spec.sandbox.objects.machine.create.status: "),
        (bench("  docs:", "  title: Twice\n  docs:"), "duplicate"),
        (bench("scheme: bearer", "scheme: digest"), "spec.auth.scheme: unknown variant `digest`"),
        (
            bench("kind: ProviderDefinition", "kind: Provider"),
            "test.yaml:3:7 kind: `Provider`, expected `ProviderDefinition`",
        ),
        (
            bench("infrafabric.io/v1alpha1", "v1"),
            "apiVersion: `v1`, expected `infrafabric.io/v1alpha1`",
        ),
        (bench("{name: bench}", "{name: Bench}"), "metadata.name: `Bench` is no name"),
        (format!("{}\n---\na: 1\n", bench("x", "x")), "2 documents, give one definition a file"),
        (String::new(), "0 documents"),
        ("a: [1".to_owned(), "parse test.yaml:"),
        (format!("a: &a [{}]\nb: [*a, *a]", "x, ".repeat(60_000)), "read test.yaml"),
        ("#".repeat(600 * 1024), "read test.yaml: 614400 bytes"),
    ];
    for (text, expected) in table {
        let error = parse(&text, "test.yaml").expect_err(expected).to_string();
        assert!(error.contains(expected), "expected: {expected}\nfound: {error}");
    }
}

#[test]
fn an_ambiguous_scalar_has_an_error_of_its_own() {
    let error = parse("on: 1", "test.yaml").expect_err("refused");
    assert!(matches!(error, LoadError::Ambiguous { .. }), "{error:?}");
}

#[test]
fn a_built_ins_name_is_refused_unless_allowed() {
    let registry = Registry::built_in();
    let (_, spec) = parse(&file("examples/bench/bench.yaml"), "bench.yaml").expect("parses");
    let refused = registry.put("aws", spec.clone(), false).expect_err("refused");
    assert_eq!(refused[0].path, "metadata.name");
    assert!(refused[0].reason.contains("`aws` is a built-in definition"), "{}", refused[0].reason);
    registry.put("aws", spec, true).expect("allowed");
    let title =
        |registry: &Registry| registry.get("aws").map(|(d, s)| (d.spec().title.0.clone(), s));
    assert_eq!(title(&registry), Some(("Bench cloud".to_owned(), Source::Given)));
    registry.remove("aws");
    assert_eq!(title(&registry).map(|(_, source)| source), Some(Source::BuiltIn));
}

#[test]
fn a_bad_definition_leaves_the_old_one_serving() {
    let registry = Registry::built_in();
    let put = |text: &str| {
        let (name, spec) = parse(text, "bench.yaml").expect("parses");
        registry.put(&name, spec, false)
    };
    let first = put(&file("examples/bench/bench.yaml")).expect("good");
    put(&bench("want.name", "want.nam")).expect_err("bad");
    let (serving, source) = registry.get("bench").expect("serves");
    assert_eq!((serving.digest(), source), (first.digest(), Source::Given));
    put(&bench("Bench cloud", "Bench 2")).expect("good");
    assert_ne!(registry.get("bench").expect("serves").0.digest(), first.digest());
    assert!(registry.names().contains(&("bench".to_owned(), Source::Given)));
    assert!(registry.names().contains(&("linode".to_owned(), Source::BuiltIn)));
}

/// A definition that changes DigitalOcean's.
const DIALECT: &str = "apiVersion: infrafabric.io/v1alpha1
kind: ProviderDefinition
metadata: {name: ocean}
spec:
  extends: digitalocean
  title: Ocean
  endpoint: https://api.ocean.example
  without: [objects.network, sandbox.objects.network]
  limits: {requests: 10/s}
";

#[test]
fn a_dialect_is_made_whole_of_what_it_extends() {
    let registry = Registry::built_in();
    let (name, spec) = registry.read(DIALECT, "ocean.yaml").expect("reads");
    let compiled = registry.put(&name, spec, false).expect("compiles");
    let base = registry.simulated("digitalocean").expect("built in");
    let (own, its) = (compiled.capabilities(), base.capabilities());
    let left: Vec<_> = its.iter().filter(|name| !name.starts_with("network.")).collect();
    assert_eq!(own.iter().collect::<Vec<_>>(), left);
    assert_ne!(compiled.digest(), base.digest());
    let limits = compiled.spec().limits.as_ref().expect("limits");
    assert_eq!(limits.requests.as_ref().expect("a rate").0, "10/s");
    assert_eq!(limits.remaining_header, base.spec().limits.as_ref().expect("its").remaining_header);
    assert!(compiled.sandbox.is_some(), "the simulator comes with it");
}

#[test]
fn a_dialect_that_cannot_be_made_whole_says_where_and_why() {
    let registry = Registry::built_in();
    let table = [
        (
            "extends: digitalocean",
            "extends: nobody",
            "spec.extends: no other definition has the name `nobody`",
        ),
        (
            "name: ocean",
            "name: digitalocean",
            "spec.extends: no other definition has the name `digitalocean`",
        ),
        ("title: Ocean", "titel: Ocean", "unknown field `titel`"),
        ("title: Ocean", "title: [Ocean]", "spec.title: "),
        (
            "  limits: {",
            "  objects: {machine: {create: {post: [x]}}}\n  limits: {",
            "spec.objects.machine.create.post: ",
        ),
        ("title: Ocean", "title: on", "is a boolean in YAML 1.1"),
    ];
    for (from, to, wanted) in table {
        assert!(DIALECT.contains(from));
        let refused = registry.read(&DIALECT.replace(from, to), "ocean.yaml").expect_err(wanted);
        let said = refused.join("; ");
        assert!(said.contains(wanted) && said.contains("ocean.yaml"), "{said}");
    }
    // What it is after that is checked as any other.
    let wrong = DIALECT.replace("without: [", "without: [catalogs.sizes, ");
    let (name, spec) = registry.read(&wrong, "ocean.yaml").expect("reads");
    let refused = registry.put(&name, spec, false).expect_err("refused");
    assert_eq!(refused[0].path, "spec.sandbox.catalogs.sizes");
    // A chain has an end.
    let mut base = "digitalocean".to_owned();
    let last = (0..6).find_map(|i| {
        let text = DIALECT.replace("extends: digitalocean", &format!("extends: {base}"));
        base = format!("ocean-{i}");
        match registry.read(&text.replace("name: ocean", &format!("name: {base}")), "x") {
            Ok((name, spec)) => {
                registry.put(&name, spec, false).map(drop).err().map(|p| format!("{p:?}"))
            }
            Err(refused) => Some(refused.join("; ")),
        }
    });
    assert!(last.is_some_and(|said| said.contains("a chain of more than 4 extensions")));
}
