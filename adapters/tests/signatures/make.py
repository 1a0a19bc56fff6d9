"""Writes signatures.json: requests as the vendors' own SDKs sign them, with the clock and the keys beside them.

    python3 -m venv venv && venv/bin/pip install botocore==1.44.8 oci==2.189.0 ovh==1.2.0 google-auth==2.63.0
    venv/bin/python adapters/tests/signatures/make.py

Nothing is sent. Run it again when a scheme gets a new request to be tested; the versions above made what is committed.
The private key is the one of the sandbox in adapters/providers/cloud/oracle-cloud.yaml.
"""

import datetime
import json
import pathlib
import re
import textwrap
from unittest import mock

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import google.oauth2.service_account
import oci.signer
import ovh
import requests

HERE = pathlib.Path(__file__).parent
NOW = datetime.datetime(2026, 11, 22, 12, 30, 45, tzinfo=datetime.timezone.utc)

# Method, path and query as they are on the wire, body, content type.
REQUESTS = [
    ("GET", "/", "", None),
    ("GET", "/instances", "", None),
    ("GET", "/instances/i-1", "", None),
    ("GET", "/instances?compartmentId=ocid1.a..b&limit=100", "", None),
    ("GET", "/instances?b=2&a=1&c=3", "", None),
    ("GET", "/instances?a=2&a=1&a=", "", None),
    ("GET", "/instances?filter=location%20eq%20%27westeurope%27", "", None),
    ("GET", "/instances?name=%C3%BCn%C3%AFcode%20%E2%98%83", "", None),
    ("GET", "/instances?a=%2F%3A%40%21%24%26%27%28%29%2A%2B%2C%3B%3D", "", None),
    ("GET", "/instances?empty=", "", None),
    ("GET", "/a%20b/%C3%A9/c%2Fd", "", None),
    ("GET", "/instances?A=1&a=2&_=3&-=4&~=5", "", None),
    ("DELETE", "/instances/i-1", "", None),
    ("DELETE", "/instances/i-1?preserveBootVolume=false", "", None),
    ("POST", "/instances", '{"name":"web"}', "application/json"),
    ("POST", "/instances", '{"name":"wéb ☃","list":[1,2.5,null,true]}', "application/json"),
    ("POST", "/instances/i-1?action=STOP", "", "application/json"),
    ("POST", "/", "Action=DescribeInstances&Version=2016-11-15", "application/x-www-form-urlencoded; charset=utf-8"),
    ("POST", "/", "Action=RunInstances&Tag.1.Value=a%20b%2Bc&Tag.2.Value=", "application/x-www-form-urlencoded; charset=utf-8"),
    ("PUT", "/instances/i-1", '{"shape":"x"}', "application/json"),
    ("PUT", "/instances/i-1?b=%20&a=%09", "", "application/json"),
    ("PATCH", "/instances/i-1", "[]", "application/json"),
    ("POST", "/instances?dryRun=true&x=y%20z", " " * 1000, "application/json"),
]


def private_key():
    text = (HERE / "../../providers/cloud/oracle-cloud.yaml").read_text()
    return textwrap.dedent(re.search(r" *-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----\n", text, re.S).group())


def sigv4(method, url, body, kind, session):
    request = botocore.awsrequest.AWSRequest(method, url, data=body.encode(), headers={"Content-Type": kind} if kind else {})
    keys = botocore.credentials.Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", session)
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: NOW.replace(tzinfo=None)):
        botocore.auth.SigV4Auth(keys, "ec2", "eu-central-1").add_auth(request)
    names = ["Authorization", "X-Amz-Date", "X-Amz-Security-Token"]
    return {name.lower(): request.headers[name] for name in names if name in request.headers}


def oracle(method, url, body, kind):
    signer = oci.signer.Signer("ocid1.tenancy.oc1..aa", "ocid1.user.oc1..bb", "20:3b:97", None, private_key_content=private_key())
    request = requests.Request(method, url, data=body.encode() or None).prepare()
    request.headers["date"] = NOW.strftime("%a, %d %b %Y %H:%M:%S GMT")
    request.headers["host"] = "api.example.com"
    if kind:
        request.headers["content-type"] = kind
    signer.do_request_sign(request)
    names = ["authorization", "date", "x-content-sha256", "content-length"]
    signed = {name: request.headers[name] for name in names if name in request.headers}
    if method in ("GET", "DELETE"):
        signed.pop("content-length", None)
    return signed


def ovhcloud(method, path, body):
    client = ovh.Client("ovh-eu", application_key="app", application_secret="app-secret", consumer_key="consumer")
    client._endpoint, client._time_delta = "https://api.example.com", 0
    sent = {}
    client._session.request = lambda verb, url, headers=None, data=None, timeout=None: sent.update(headers, url=url, data=data)
    given = json.loads(body) if body.strip() else None
    with mock.patch("ovh.client.time.time", lambda: NOW.timestamp()):
        client.raw_call(method, path, given)
    # The client writes JSON in its own way; what it signed is what is compared.
    signed = {name.lower(): value for name, value in sent.items() if name.startswith("X-Ovh-")}
    return signed, sent["url"], sent["data"] or ""


# The SDK asks for tokens of this audience, wherever it sends the request.
AUDIENCE = "https://oauth2.googleapis.com/token"


def google_grant(email, scope):
    account = google.oauth2.service_account.Credentials.from_service_account_info(
        {"client_email": email, "private_key": private_key(), "private_key_id": "kid", "token_uri": AUDIENCE}, scopes=[scope])
    with mock.patch("google.auth._helpers.utcnow", lambda: NOW.replace(tzinfo=None)):
        return account._make_authorization_grant_assertion().decode()


cases = []
for method, path, body, kind in REQUESTS:
    url = f"https://api.example.com{path}"
    base = {"method": method, "url": url, "body": body, "contentType": kind}
    for session in (None, "session/token+=="):
        cases.append({**base, "scheme": "aws-sigv4", "session": session, "headers": sigv4(method, url, body, kind, session)})
    cases.append({**base, "scheme": "oci", "headers": oracle(method, url, body, kind)})
    if not body.startswith("Action"):
        headers, url, data = ovhcloud(method, path, body)
        cases.append({**base, "scheme": "ovh", "url": url, "body": data, "headers": headers})
grants = [
    {"email": email, "scope": scope, "audience": AUDIENCE, "assertion": google_grant(email, scope)}
    for scope in ["https://www.googleapis.com/auth/compute", "a b", "é ☃", "a/b?c=d&e", '"quoted"']
    for email in ["a@example.com", "ü@example.com", "a+b@example.com", "long" * 50 + "@example.com"]
]
text = {"time": NOW.isoformat(), "requests": cases, "grants": grants}
(HERE / "signatures.json").write_text(json.dumps(text, indent=1, ensure_ascii=False) + "\n")
print(len(cases), "requests,", len(grants), "grants")
