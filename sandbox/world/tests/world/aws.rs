//! The real EC2 definition, asked by requests that the vendor's own signer signed.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use infrafabric_adapters::clock::Clock;
use infrafabric_world::FaultSpec;

use crate::definitions::built_in;
use crate::harness::{Answer, Harness};

const KEY: (&str, &str) = ("AKIASANDBOX000000000", "sandbox-secret-access-key");
const FORM: &str = "application/x-www-form-urlencoded";

struct Ec2 {
    world: Harness,
}

impl Ec2 {
    async fn start() -> Self {
        Self { world: Harness::start(vec![built_in("aws")]).await }
    }

    async fn ask(&self, region: &str, body: &str) -> Answer {
        self.signed(KEY, region, "ec2", body).await
    }

    async fn signed(&self, key: (&str, &str), region: &str, service: &str, body: &str) -> Answer {
        let identity: Identity = Credentials::new(key.0, key.1, None, None, "test").into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(self.world.clock.now().into())
            .settings(SigningSettings::default())
            .build()
            .expect("parameters")
            .into();
        let url = format!("{}/p/aws/", self.world.world.url());
        let host = self.world.world.address().to_string();
        let sent = [("host", host.as_str()), ("content-type", FORM)];
        let signable = SignableRequest::new(
            "POST",
            url.as_str(),
            sent.into_iter(),
            SignableBody::Bytes(body.as_bytes()),
        );
        let signed = sign(signable.expect("signable"), &params).expect("signed");
        let (headers, _) = signed.into_parts().0.into_parts();
        let mut all = sent.to_vec();
        all.extend(headers.iter().map(|header| (header.name(), header.value())));
        self.world.send("POST", "/p/aws/", &all, body).await.expect("answers")
    }
}

fn run(token: &str, mark: &str, size: &str) -> String {
    let fields = [
        ("Action", "RunInstances"),
        ("Version", "2016-11-15"),
        ("ClientToken", token),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("ImageId", "ami-0a1b2c3d4e5f60718"),
        ("InstanceType", size),
        ("UserData", "I2Nsb3VkLWNvbmZpZw=="),
        ("TagSpecification.1.ResourceType", "instance"),
        ("TagSpecification.1.Tag.1.Key", mark),
        ("TagSpecification.1.Tag.1.Value", ""),
        ("TagSpecification.1.Tag.2.Key", "Name"),
        ("TagSpecification.1.Tag.2.Value", "web & co"),
    ];
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn describe(mark: &str) -> String {
    format!(
        "Action=DescribeInstances&Version=2016-11-15&MaxResults=1000&Filter.1.Name=tag-key\
         &Filter.1.Value.1={mark}&Filter.2.Name=instance-state-name&Filter.2.Value.1=pending\
         &Filter.2.Value.2=running&Filter.2.Value.3=shutting-down"
    )
}

fn by_id(action: &str, id: &str) -> String {
    format!("Action={action}&Version=2016-11-15&InstanceId.1={id}")
}

/// The text of the first element of that name.
fn element(text: &str, name: &str) -> String {
    let start = text.find(&format!("<{name}>")).map(|at| at + name.len() + 2);
    let start = start.unwrap_or_else(|| panic!("no <{name}> in {text}"));
    text[start..start + text[start..].find("</").expect("closed")].to_owned()
}

#[tokio::test]
async fn an_instance_lives_through_the_query_api() {
    let ec2 = Ec2::start().await;
    let made = ec2.ask("us-east-1", &run("t1", "if-mark", "t3.medium")).await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(made.headers["content-type"], "text/xml;charset=UTF-8");
    let text = made.text();
    assert!(
        text.contains("<RunInstancesResponse>") && text.contains("<value>web &amp; co</value>")
    );
    let id = element(&text, "instanceId");
    assert_eq!(element(&text, "availabilityZone"), "us-east-1a");

    let state = async || {
        let read = ec2.ask("us-east-1", &by_id("DescribeInstances", &id)).await.text();
        element(&read[read.find("<instanceState>").expect("state")..], "name")
    };
    assert_eq!(state().await, "pending");
    ec2.world.advance(Duration::from_secs(10));
    assert_eq!(state().await, "running");
    let listed = ec2.ask("us-east-1", &describe("if-mark")).await.text();
    assert_eq!(element(&listed, "instanceId"), id);
    assert!(!ec2.ask("us-east-1", &describe("other")).await.text().contains("<instanceId>"));
    assert!(!ec2.ask("eu-central-1", &describe("if-mark")).await.text().contains("<instanceId>"));
    let elsewhere = ec2.ask("eu-central-1", &by_id("DescribeInstances", &id)).await;
    assert_eq!(element(&elsewhere.text(), "Code"), "InvalidInstanceID.NotFound");

    let shown = ec2.world.client.things(Some("aws")).await.expect("things");
    assert_eq!((shown[0].state.as_str(), shown[0].name.as_deref()), ("Running", Some("web & co")));
    assert_eq!(shown[0].marks, ["if-mark", "Name=web & co"]);

    assert_eq!(ec2.ask("us-east-1", &by_id("TerminateInstances", &id)).await.status, 200);
    assert_eq!(state().await, "shutting-down");
    ec2.world.advance(Duration::from_secs(10));
    assert_eq!(state().await, "terminated");
    assert_eq!(ec2.ask("us-east-1", &by_id("TerminateInstances", &id)).await.status, 200);
    let ledger = ec2.world.ledger().await;
    assert_eq!((ledger.entries.len(), ledger.unmatched), (2, 0));
    assert_eq!(ledger.entries[0].region.as_deref(), Some("us-east-1"));
    assert_eq!(ledger.entries[0].request["UserData"], "[left out]");
    assert_eq!(ledger.requests["aws"]["machine.list"], 3);
}

#[tokio::test]
async fn the_client_token_makes_one_instance() {
    let ec2 = Ec2::start().await;
    let first = ec2.ask("us-east-1", &run("t1", "m", "t3.medium")).await.text();
    let again = ec2.ask("us-east-1", &run("t1", "m", "t3.medium")).await.text();
    assert_eq!(element(&first, "instanceId"), element(&again, "instanceId"));
    let other = ec2.ask("us-east-1", &run("t1", "m", "t3.small")).await;
    let code = element(&other.text(), "Code");
    assert_eq!((other.status, code.as_str()), (400, "IdempotentParameterMismatch"));
    assert_eq!(ec2.world.ledger().await.entries.len(), 1);
}

#[tokio::test]
async fn signatures_are_verified() {
    let ec2 = Ec2::start().await;
    let verify = "Action=GetCallerIdentity&Version=2011-06-15";
    let good = ec2.signed(KEY, "us-east-1", "sts", verify).await;
    assert_eq!(element(&good.text(), "Account"), "123456789012");
    for (key, service) in
        [((KEY.0, "another-secret"), "ec2"), (("AKIANOBODY0000000000", KEY.1), "ec2"), (KEY, "s3")]
    {
        let refused = ec2.signed(key, "us-east-1", service, verify).await;
        assert_eq!(
            (refused.status, element(&refused.text(), "Code").as_str()),
            (401, "AuthFailure")
        );
    }
    let bearer = [("authorization", "Bearer x"), ("content-type", FORM)];
    let refused = ec2.world.send("POST", "/p/aws/", &bearer, verify).await.expect("answers");
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn failures_are_the_vendors_xml() {
    let ec2 = Ec2::start().await;
    let capacity = FaultSpec {
        size: Some("t3.medium".into()),
        region: Some("us-east-1".into()),
        ..FaultSpec::new("aws", "capacity")
    };
    ec2.world.client.set_fault(&capacity).await.expect("set");
    let refused = ec2.ask("us-east-1", &run("t1", "m", "t3.medium")).await;
    let code = element(&refused.text(), "Code");
    assert_eq!((refused.status, code.as_str()), (500, "InsufficientInstanceCapacity"));
    assert_eq!(ec2.ask("us-east-1", &run("t2", "m", "t3.small")).await.status, 200);
    assert_eq!(ec2.ask("eu-central-1", &run("t3", "m", "t3.medium")).await.status, 200);
    let unknown = ec2.ask("us-east-1", "Action=StopInstances&Version=2016-11-15").await;
    assert_eq!(unknown.status, 400);
    assert_eq!(ec2.world.ledger().await.unmatched, 1);
}
