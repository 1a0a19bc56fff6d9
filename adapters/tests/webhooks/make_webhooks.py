"""Writes webhooks.json: deliveries as the vendors' own SDKs sign them, with the time and the secrets beside them.

    python3 -m venv venv && venv/bin/pip install twilio==9.13.0 slack_sdk==3.48.0 stripe==16.1.0 line-bot-sdk==3.27.0 \
        openai==3.57.0 standardwebhooks==1.1.0 telnyx==4.189.0 discord-interactions==0.4.0 PyNaCl==1.6.2
    venv/bin/python make_webhooks.py

Nothing is sent. Run it again when a way of signing gets a new delivery to be tested; the versions above made what is
committed. verify.py, beside this file, judges each delivery with the vendor's own verifier: it must believe the delivery,
and neither a changed body nor another secret. Events have the shapes of the vendors' documentation and invented values.
The private key is the one of RFC 8032, 7.1, test 2.
"""

import base64
import datetime
import hashlib
import hmac
import json
import pathlib
import urllib.parse
from unittest import mock

import linebot.v3
import linebot.v3.webhook
import nacl.signing
import openai
import slack_sdk.signature
import standardwebhooks.webhooks
import stripe
import telnyx
import twilio.request_validator

import verify

HERE = pathlib.Path(__file__).parent
NOW = int(datetime.datetime(2026, 11, 22, 12, 30, 45, tzinfo=datetime.timezone.utc).timestamp())
HOOK = "https://hooks.example.com/"
ODD = "a+b & c=d; 100 % \"sure\" \\ / <i> 'x' #1?"
WIDE = "Grüße ☃ 你好 👩‍🚀 é עברית"
KEY = nacl.signing.SigningKey(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))

deliveries = []


def plain(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def escaped(value):
    """As PHP and Hack write it."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/")


def pretty(value):
    return json.dumps(value, ensure_ascii=False, indent=2)


def next_time():
    return NOW + 61 * len(deliveries)


def add(vendor, about, headers, body, secrets, url=None, method="POST"):
    delivery = {"vendor": vendor, "about": about, "method": method, "url": url or HOOK + vendor, "headers": headers, "body": body,
        "secrets": secrets, "at": next_time()}
    why = verify.refusal(delivery)
    assert why is None, (vendor, about, why)
    # With a parameter for a form, with white space for JSON: it still says what it said.
    other = {**delivery, "body": body + ("&x=1" if "form" in headers.get("content-type", "") else " ")}
    assert not body or verify.refusal(other), (vendor, about, "changed")
    other = {**delivery, "secrets": {key: wrong(value) for key, value in secrets.items()}}
    assert verify.refusal(other), (vendor, about, "another secret")
    deliveries.append(delivery)


def wrong(secret):
    return secret[:-5] + ("A" if secret[-5] != "A" else "B") + secret[-4:] if len(secret) > 5 else secret + "x"


# Twilio: parameters of a form, or a JSON body whose hash is in the address.

FORM = "application/x-www-form-urlencoded; charset=UTF-8"


def from_twilio(about, pairs, url=HOOK + "twilio", signed=None, method="POST", token="12345", algorithm=None,
    quote=urllib.parse.quote_plus):
    validator = twilio.request_validator.RequestValidator(token)
    body = urllib.parse.urlencode(pairs, quote_via=quote)
    headers = {"i-twilio-idempotency-token": f"00000000-0000-4000-8000-{len(deliveries):012d}"}
    if method == "POST":
        headers["content-type"] = FORM
    if algorithm:
        headers["x-twilio-webhooks-signature-settings"] = f"key=webhooks_sharedkey_01,algorithm={algorithm}"
    headers["x-twilio-signature"] = validator.compute_signature(signed or url, verify.form(body), algorithm)
    add("twilio", about, headers, body, {"authToken": token}, url, method)


def json_from_twilio(about, value, url=HOOK + "twilio?"):
    body = plain(value)
    validator = twilio.request_validator.RequestValidator("12345")
    url += f"bodySHA256={validator.compute_hash(body)}"
    headers = {"content-type": "application/json", "x-twilio-signature": validator.compute_signature(url, {})}
    add("twilio", about, headers, body, {"authToken": "12345"}, url)


ACCOUNT = [("AccountSid", f"AC{1:032d}"), ("ApiVersion", "2010-04-01")]


def sms(n, text, **more):
    sid = f"SM{n:032d}"
    given = {"ToCountry": "US", "ToState": "CA", "SmsMessageSid": sid, "NumMedia": "0", "ToCity": "", "FromZip": "",
        "SmsSid": sid, "FromState": "NY", "SmsStatus": "received", "FromCity": "", "Body": text, "FromCountry": "US",
        "To": "+14155550100", "ToZip": "94105", "NumSegments": "1", "MessageSid": sid, "From": "+12125550123"}
    return list({**given, **more}.items()) + ACCOUNT


def call(n, **more):
    given = {"CallSid": f"CA{n:032d}", "CallStatus": "in-progress", "Direction": "inbound", "From": "+12125550123",
        "To": "+14155550100", "Caller": "+12125550123", "Called": "+14155550100", "CallerName": ""}
    return list({**given, **more}.items()) + ACCOUNT


def status(n, state, **more):
    sid = f"SM{n:032d}"
    given = {"SmsSid": sid, "SmsStatus": state, "MessageStatus": state, "To": "+12125550123", "MessageSid": sid,
        "From": "+14155550100"}
    return list({**given, **more}.items()) + ACCOUNT


add_ons = {"status": "successful", "message": None, "code": None, "results": {"caller_notes": {"request_sid": f"XR{1:032d}",
    "status": "successful", "message": None, "code": None, "result": [{"line": n,
    "note": "a note with spaces and one + sign"} for n in range(200)]}}}

from_twilio("message with signs and empty values", sms(1, ODD))
from_twilio("message with Unicode", sms(2, WIDE, FromCity="SÃO PAULO"))
from_twilio("message of several lines", sms(3, "one\ntwo\r\n three  \n", NumSegments="2"))
from_twilio("empty message with media", sms(4, "", NumMedia="2", MediaUrl0="https://api.twilio.com/2010-04-01/Media/ME1?a=b",
    MediaContentType0="image/jpeg", MediaUrl1="https://api.twilio.com/2010-04-01/Media/ME2", MediaContentType1="text/vcard"))
from_twilio("large: message with add-ons", sms(5, "hello", AddOns=plain(add_ons)))
from_twilio("message delivered", status(6, "delivered", RawDlrDoneDate="2611221230"))
from_twilio("message undelivered, address with a query", status(7, "undelivered", ErrorCode="30003"),
    HOOK + "twilio?order=42&note=a%20b%2Bc&empty=&name=Gr%C3%BC%C3%9Fe")
from_twilio("incoming call", call(8, CallStatus="ringing", StirVerstat="TN-Validation-Passed-A",
    CallToken=plain({"parentCallInfoToken": "x"})))
from_twilio("digits and speech", call(9, Digits="1234#*", SpeechResult="yes, please + thanks", Confidence="0.9214",
    Language="en-US"))
from_twilio("call over", call(10, CallStatus="completed", CallDuration="17", Duration="1",
    Timestamp="Sun, 22 Nov 2026 12:30:45 +0000", SequenceNumber="3", CallbackSource="call-progress-events"))
from_twilio("recording", call(11, RecordingSid=f"RE{1:032d}", RecordingUrl="https://api.twilio.com/2010-04-01/Recordings/RE1",
    RecordingStatus="completed", RecordingDuration="12", RecordingChannels="1", ErrorCode="0"))
from_twilio("call over SIP", call(12, To="sip:alice@example.sip.twilio.com;transport=tls", From="sip:\"Ü. B.\"<bob+1@10.0.0.1>",
    SipDomain="example.sip.twilio.com", **{"SipHeader_X-Account": "a=1;b=2", "SipHeader_x-account": ""}))
from_twilio("conversation with a repeated key", [("EventType", "onConversationAdd"), ("MessagingBinding.Address", "+18550000002"),
    ("MessagingBinding.Address", "+18330000001"), ("MessagingBinding.AuthorAddress", "+16020000000"), ("Attributes", "{}"),
    ("ChatServiceSid", f"IS{1:032d}"), ("MessageBody", "hi + bye"), ("State", "initializing"), ("Source", "SMS")] + ACCOUNT)
from_twilio("repeated key with the same value twice and an empty one", [("Field_number_Value", "8"), ("Field_number_Value", "24"),
    ("Field_number_Value", "8"), ("Field_number_Value", ""), ("CurrentTask", "numbers")] + ACCOUNT)
from_twilio("keys in an order of code points", [("b", "1"), ("B", "2"), ("a", "3"), ("_", "4"), ("a.b", "5"), ("a b", "6"),
    ("ab", "7"), ("Größe", "8"), ("Z", "9"), ("你", "10"), ("😀", "11"), ("\uff5e", "12"), ("a+", "13")])
from_twilio("spaces as %20", sms(16, "one two + three"), quote=urllib.parse.quote)
from_twilio("GET", [], HOOK + "twilio?" + urllib.parse.urlencode(sms(17, ODD)), method="GET")
from_twilio("POST without parameters", [], HOOK + "twilio")
from_twilio("address with a port, signed with it", sms(19, "port"), "https://hooks.example.com:8443/twilio?a=1")
from_twilio("address with a port, signed without", sms(20, "port"), "https://hooks.example.com:8443/twilio?a=1",
    "https://hooks.example.com/twilio?a=1")
from_twilio("address without a port, signed with it", sms(21, "port"), signed="https://hooks.example.com:443/twilio")
from_twilio("plain HTTP, signed with a port", sms(22, "port"), "http://hooks.example.com/twilio",
    "http://hooks.example.com:80/twilio")
json_from_twilio("JSON of an event stream", [{"specversion": "1.0", "type": "com.twilio.messaging.message.delivered",
    "source": f"/2010-04-01/Accounts/AC{1:032d}/Messages/SM{23:032d}.json", "id": "EZ1",
    "dataschema": "https://events-schemas.twilio.com/Messaging.MessageStatus/1", "datacontenttype": "application/json",
    "time": "2026-11-22T12:30:45.000Z", "data": {"messageStatus": "DELIVERED", "body": WIDE, "empty": ""}}])
json_from_twilio("JSON of a flow, address with a query", {"say": ODD, "to": "+14155550100"}, HOOK + "twilio?flow=a+b&")
from_twilio("shared key, HMAC-SHA256", sms(25, ODD), token="shared key 1", algorithm="HMAC_SHA256")


# Slack: events as JSON, commands and clicks as forms.

SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


def from_slack(about, body, kind="application/json", **headers):
    at = str(next_time())
    signature = slack_sdk.signature.SignatureVerifier(SIGNING_SECRET).generate_signature(timestamp=at, body=body)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers = {"content-type": kind, **headers, "x-slack-request-timestamp": at, "x-slack-signature": signature}
    add("slack", about, headers, body, {"signingSecret": SIGNING_SECRET})


def slack_event(n, kind, **event):
    return {"token": "none", "team_id": "T00000001", "context_team_id": "T00000001", "context_enterprise_id": None,
        "api_app_id": "A00000001", "event": {"type": kind, **event}, "type": "event_callback", "event_id": f"Ev{n:08d}",
        "event_time": next_time(), "authorizations": [{"enterprise_id": None, "team_id": "T00000001", "user_id": "U00000001",
        "is_bot": True, "is_enterprise_install": False}], "is_ext_shared_channel": False, "event_context": f"4-{n}"}


def slack_message(text, **more):
    return {"user": "U00000002", "ts": "1795350645.000100", "client_msg_id": "00000000-0000-4000-8000-000000000001", "text": text,
        "team": "T00000001", "channel": "C00000001", "event_ts": "1795350645.000100", "channel_type": "channel", **more}


def slack_form(**values):
    base = {"token": "none", "team_id": "T00000001", "team_domain": "crew", "channel_id": "C00000001", "channel_name": "ops",
        "user_id": "U00000002", "user_name": "ada", "api_app_id": "A00000001", "is_enterprise_install": "false"}
    return urllib.parse.urlencode({**base, **values})


def slack_payload(kind, **more):
    return urllib.parse.urlencode({"payload": escaped({"type": kind, "user": {"id": "U00000002", "username": "ada",
        "team_id": "T00000001"}, "api_app_id": "A00000001", "token": "none", "team": {"id": "T00000001", "domain": "crew"},
        "enterprise": None, "trigger_id": "1.2.3", **more})})


SLACK_FORM = "application/x-www-form-urlencoded"
REPLY = {"response_url": "https://hooks.slack.com/commands/T00000001/1/none", "trigger_id": "1.2.3"}
blocks = [{"type": "section", "block_id": f"b{n}", "text": {"type": "mrkdwn",
    "text": f"*{n}* of many, with <https://example.com/{n}|a link>" + " & so on, é" * 60}} for n in range(20)]

from_slack("the challenge", plain({"token": "none", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
    "type": "url_verification"}))
from_slack("message with Unicode", plain(slack_event(1, "message", **slack_message(WIDE))))
from_slack("message with Unicode and slashes escaped", escaped(slack_event(2, "message",
    **slack_message(WIDE + " https://example.com/"))))
from_slack("message with signs", plain(slack_event(3, "message", **slack_message(ODD))))
from_slack("mention, sent again", plain(slack_event(4, "app_mention", **slack_message("<@U00000001> deploy"))),
    x_slack_retry_num="1", x_slack_retry_reason="http_timeout")
from_slack("message changed", plain(slack_event(5, "message", subtype="message_changed", hidden=True, channel="C00000001",
    ts="1795350646.000200", message={"type": "message", "user": "U00000002", "text": "",
    "edited": {"user": "U00000002", "ts": "1795350646.000000"}, "ts": "1795350645.000100"},
    previous_message={"type": "message", "user": "U00000002", "text": "before", "ts": "1795350645.000100"})))
from_slack("reaction", plain(slack_event(6, "reaction_added", user="U00000002", reaction="thumbsup",
    item={"type": "message", "channel": "C00000001", "ts": "1795350645.000100"}, item_user="U00000003",
    event_ts="1795350647.000100")))
from_slack("channel with an empty topic", plain(slack_event(7, "channel_created",
    channel={"id": "C00000002", "name": "größe", "created": NOW, "topic": {"value": ""}})))
from_slack("tokens revoked", plain(slack_event(8, "tokens_revoked", tokens={"oauth": ["U00000002"], "bot": []})))
from_slack("rate limited", plain({"token": "none", "type": "app_rate_limited", "team_id": "T00000001",
    "minute_rate_limited": NOW // 60 * 60, "api_app_id": "A00000001"}))
from_slack("large: message with blocks", plain(slack_event(10, "message", **slack_message("many", blocks=blocks))))
from_slack("command with empty text", slack_form(command="/deploy", text="", **REPLY), SLACK_FORM)
from_slack("command with signs", slack_form(command="/deploy", text=ODD, **REPLY), SLACK_FORM)
from_slack("command with Unicode", slack_form(command="/größe", text=WIDE, **REPLY), SLACK_FORM)
from_slack("button", slack_payload("block_actions", container={"type": "message", "message_ts": "1795350645.000100",
    "channel_id": "C00000001"}, actions=[{"action_id": "go", "block_id": "b1", "text": {"type": "plain_text",
    "text": "Go + 100 %", "emoji": True}, "value": "", "type": "button", "action_ts": "1795350648.1"}]), SLACK_FORM)
from_slack("view submitted", slack_payload("view_submission", view={"id": "V00000001", "type": "modal", "private_metadata": "",
    "callback_id": "new", "state": {"values": {"b1": {"text": {"type": "plain_text_input", "value": WIDE}},
    "b2": {"text": {"type": "plain_text_input", "value": None}}}}}), SLACK_FORM)
from_slack("TLS certificate check", urllib.parse.urlencode({"ssl_check": "1", "token": "none"}), SLACK_FORM)


# Stripe: its JSON has line breaks.

def from_stripe(about, value, write=pretty, secret="whsec_test_secret", sign=None):
    at, body = next_time(), write(value)
    header = (sign or stripe.WebhookSignature.generate_signature_header)(body, secret, at)
    headers = {"content-type": "application/json; charset=utf-8", "stripe-signature": header}
    add("stripe", about, headers, body, {"webhookSecret": secret})


def several(body, secret, at, secrets=(), old=True):
    """As while a secret is changed: one signature of each; `v0` is the one of test mode."""
    sign = lambda key: stripe.WebhookSignature._compute_signature(f"{at}.{body}", key)
    keys = [*secrets, secret] if old else [secret, *secrets]
    return f"t={at}," + ",".join(f"v1={sign(key)}" for key in keys) + f",v0={sign('test mode')}"


def stripe_event(n, kind, thing, previous=None, **more):
    data = {"object": thing, **({"previous_attributes": previous} if previous is not None else {})}
    return {"id": f"evt_{n:024d}", "object": "event", "api_version": "2026-10-28.dahlia", "created": next_time(), "data": data,
        "livemode": False, "pending_webhooks": 1, "request": {"id": f"req_{n:014d}", "idempotency_key": f"order {n} + more"},
        "type": kind, **more}


def intent(n, state, **more):
    return {"id": f"pi_{n:024d}", "object": "payment_intent", "amount": 1999, "amount_received": 0, "currency": "eur",
        "description": None, "metadata": {}, "payment_method_types": ["card"], "status": state, **more}


def charge(n, **more):
    return {"id": f"ch_{n:024d}", "object": "charge", "amount": 1999, "amount_refunded": 0, "captured": True, "currency": "eur",
        "paid": True, "payment_intent": f"pi_{n:024d}", "refunded": False, "status": "succeeded", **more}


lines = [{"id": f"il_{n:024d}", "object": "line_item", "amount": n, "currency": "eur",
    "description": f"{n} × hour of a server" + ", 4 GB + 2 vCPU" * 46, "quantity": n} for n in range(17)]

from_stripe("payment succeeded", stripe_event(1, "payment_intent.succeeded", intent(1, "succeeded", amount_received=1999)))
from_stripe("payment failed", stripe_event(2, "payment_intent.payment_failed", intent(2, "requires_payment_method",
    last_payment_error={"code": "card_declined", "decline_code": "insufficient_funds",
    "message": "Your card has insufficient funds.", "type": "card_error"})))
from_stripe("refund, with signs", stripe_event(3, "charge.refunded", charge(3, amount_refunded=500, description=ODD),
    {"amount_refunded": 0, "receipt_url": None}))
from_stripe("dispute", stripe_event(4, "charge.dispute.created", {"id": "du_1", "object": "dispute", "amount": 1999,
    "currency": "eur", "charge": f"ch_{3:024d}", "evidence_details": {"due_by": NOW + 604800, "has_evidence": False,
    "past_due": False}, "reason": "fraudulent", "status": "needs_response"}))
from_stripe("checkout with Unicode", stripe_event(5, "checkout.session.completed",
    {"id": "cs_test_1", "object": "checkout.session", "amount_total": 1999, "currency": "eur",
    "customer_details": {"name": WIDE, "email": "ada+1@example.com", "phone": "", "tax_ids": []}, "payment_status": "paid"}))
from_stripe("Unicode escaped", stripe_event(6, "customer.created", {"id": "cus_1", "object": "customer", "name": WIDE,
    "metadata": {"a b": "c+d"}}), escaped)
from_stripe("empty values", stripe_event(7, "customer.updated", {"id": "cus_1", "object": "customer", "name": "", "email": None,
    "metadata": {}, "preferred_locales": []}, {"name": WIDE, "metadata": {"a b": "c+d"}}))
from_stripe("of a connected account, on one line", stripe_event(8, "payout.failed",
    {"id": "po_1", "object": "payout", "amount": 100, "currency": "eur", "failure_code": "account_closed", "status": "failed"},
    account="acct_1"), plain)
from_stripe("subscription over", stripe_event(9, "customer.subscription.deleted",
    {"id": "sub_1", "object": "subscription", "cancel_at_period_end": False, "items": {"object": "list", "data": []},
    "status": "canceled"}, request={"id": None, "idempotency_key": None}))
from_stripe("large: invoice", stripe_event(10, "invoice.paid", {"id": "in_1", "object": "invoice",
    "amount_paid": sum(line["amount"] for line in lines), "currency": "eur", "lines": {"object": "list", "data": lines,
    "has_more": False, "url": "/v1/invoices/in_1/lines"}}))
from_stripe("two secrets, ours the new one", stripe_event(11, "charge.captured", charge(11)),
    sign=lambda *of: several(*of, ["whsec_test_old"], old=False))
from_stripe("two secrets, ours the old one", stripe_event(12, "charge.captured", charge(12)),
    sign=lambda *of: several(*of, ["whsec_test_new"]))
from_stripe("sixteen signatures, the last is right", stripe_event(13, "charge.captured", charge(13)),
    sign=lambda *of: several(*of, [f"whsec_test_{n}" for n in range(15)]))
from_stripe("signature of test mode beside it", stripe_event(14, "charge.expired", charge(14)), sign=several)
from_stripe("thin event", {"id": "evt_test_65", "object": "v2.core.event", "type": "v1.billing.meter.error_report_triggered",
    "created": "2026-11-22T12:30:45.000Z", "livemode": False, "context": None, "related_object": {"id": "mtr_test_1",
    "type": "billing.meter", "url": "/v1/billing/meters/mtr_test_1"}}, plain)


# LINE: several events in one delivery, or none.

CHANNEL_SECRET = "line-sandbox-secret"


def from_line(about, *events, write=plain):
    body = write({"destination": "U00000000000000000000000000000001", "events": list(events)})
    # The SDK only verifies: what it would have believed is what it compares with.
    with mock.patch.object(linebot.v3.webhook, "compare_digest") as compare:
        linebot.v3.webhook.SignatureValidator(CHANNEL_SECRET).validate(body, "")
    signature = compare.call_args.args[1].decode()
    linebot.v3.WebhookParser(CHANNEL_SECRET).parse(body, signature)
    headers = {"content-type": "application/json; charset=utf-8", "x-line-signature": signature}
    add("line", about, headers, body, {"channelSecret": CHANNEL_SECRET})


def line_event(n, kind, again=False, source=None, **more):
    return {"type": kind, **more, "webhookEventId": f"01KB{n:022d}", "deliveryContext": {"isRedelivery": again},
        "timestamp": next_time() * 1000, "source": source or {"type": "user", "userId": "U00000000000000000000000000000002"},
        "replyToken": f"reply-{n}", "mode": "active"}


def line_text(n, text, **more):
    return line_event(n, "message", message={"type": "text", "id": str(n), "quoteToken": f"quote-{n}", "text": text}, **more)


GROUP = {"type": "group", "groupId": "C00000000000000000000000000000001", "userId": "U00000000000000000000000000000002"}

from_line("no events, as the console's button sends")
from_line("text with Unicode", line_text(2, WIDE))
from_line("text with Unicode escaped", line_text(3, WIDE), write=escaped)
from_line("text with signs, delivered again", line_text(4, ODD, again=True))
from_line("text of several lines with a mention and an emoji", line_event(5, "message", source=GROUP,
    message={"type": "text", "id": "5", "quoteToken": "quote-5", "text": "@Ada hello\n(love)  ",
    "mention": {"mentionees": [{"index": 0, "length": 4, "type": "user", "userId": "U00000000000000000000000000000003",
    "isSelf": False}]}, "emojis": [{"index": 11, "length": 6, "productId": "5ac1bfd5040ab15980c9b435", "emojiId": "001"}]}))
from_line("two events", line_event(6, "follow", follow={"isUnblocked": False}), line_text(7, "first"))
from_line("sticker", line_event(8, "message", message={"type": "sticker", "id": "8", "quoteToken": "quote-8", "packageId": "446",
    "stickerId": "1988", "stickerResourceType": "STATIC", "keywords": ["thumbs up", "yes + yes"]}))
from_line("place", line_event(9, "message", message={"type": "location", "id": "9", "title": "",
    "address": "日本、〒160-0004 東京都新宿区四谷1", "latitude": 35.6876, "longitude": 139.7297}))
from_line("picture from elsewhere", line_event(10, "message", message={"type": "image", "id": "10", "quoteToken": "quote-10",
    "contentProvider": {"type": "external", "originalContentUrl": "https://example.com/a.jpg?x=1&y=a%20b",
    "previewImageUrl": "https://example.com/b.jpg"}}))
from_line("postback", line_event(11, "postback", postback={"data": "action=buy&item=a+b%20c&empty=",
    "params": {"datetime": "2026-11-22T12:30"}}))
from_line("members joined", line_event(12, "memberJoined", source=GROUP, joined={"members": [{"type": "user",
    "userId": "U00000000000000000000000000000004"}]}))
from_line("gone", {key: value for key, value in line_event(13, "unfollow").items() if key != "replyToken"})
from_line("message taken back", {key: value for key, value in line_event(14, "unsend", source=GROUP,
    unsend={"messageId": "5"}).items() if key != "replyToken"})
from_line("large: the longest text", line_text(15, ("長い文章をとても長く + é " * 500)[:4500] + "🚀" * 500))


# OpenAI: Standard Webhooks.

WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"\xfb\xef\xbe no secret \xff\xfe!").decode()


def from_openai(about, value, write=plain, secret=WEBHOOK_SECRET, before="", after=""):
    at, body, name = next_time(), write(value), f"wh_{len(deliveries):032d}"
    when = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
    judge = standardwebhooks.webhooks.Webhook(secret)
    headers = {"content-type": "application/json", "webhook-id": name, "webhook-timestamp": str(at),
        "webhook-signature": before + judge.sign(name, when, body) + after}
    with mock.patch.object(standardwebhooks.webhooks, "datetime", mock.Mock(wraps=datetime.datetime,
        **{"now.return_value": when})):
        judge.verify(body, headers)
    with mock.patch("time.time", lambda: float(at)):
        openai.OpenAI(api_key="none", webhook_secret=secret).webhooks.unwrap(body, headers)
    add("openai", about, headers, body, {"webhookSecret": secret})


def openai_event(n, kind, **data):
    return {"id": f"evt_{n:032d}", "object": "event", "created_at": next_time(), "type": kind, "data": data}


def sip_headers(*more):
    return [{"name": name, "value": value} for name, value in [("From", "\"Ü. B.\" <sip:+14155550100@sip.example.com>;tag=1"),
        ("To", "<sip:proj_1@sip.api.openai.com;transport=tls>"), ("Call-ID", "03782086-4ce9-44bf-8b0d-4e303d2cc590"),
        ("Subject", ""), *more]]


def signed_by_another(text):
    return "v1," + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


from_openai("response completed", openai_event(1, "response.completed", id="resp_1"))
from_openai("response failed", openai_event(2, "response.failed", id="resp_2"))
from_openai("response incomplete, over several lines", openai_event(3, "response.incomplete", id="resp_3"), pretty)
from_openai("response cancelled", openai_event(4, "response.cancelled", id="resp_4"))
from_openai("batch completed", openai_event(5, "batch.completed", id="batch_1"))
from_openai("batch expired", openai_event(6, "batch.expired", id="batch_2"))
from_openai("tuning done", openai_event(7, "fine_tuning.job.succeeded", id="ftjob-1"))
from_openai("evaluation done, Unicode escaped", {**openai_event(8, "eval.run.succeeded", id="evalrun_1"), "note": WIDE}, escaped)
from_openai("call with Unicode and an empty header", openai_event(9, "realtime.call.incoming", call_id="rtc_1",
    sip_headers=sip_headers(("X-Note", WIDE))))
from_openai("call with signs", openai_event(10, "realtime.call.incoming", call_id="rtc_2",
    sip_headers=sip_headers(("X-Note", ODD))))
from_openai("large: call with many headers", openai_event(11, "realtime.call.incoming", call_id="rtc_3",
    sip_headers=sip_headers(*(("Record-Route", f"<sip:10.0.{n}.1;lr;ftag={n}>" + ", next + 1" * 80) for n in range(19)))))
from_openai("two secrets, the second is right", openai_event(12, "video.completed", id="video_1"),
    before=signed_by_another("old") + " ")
from_openai("two secrets, the first is right", openai_event(13, "video.failed", id="video_2"),
    after=" " + signed_by_another("new"))
from_openai("a signature of another version beside it", openai_event(14, "batch.failed", id="batch_3"),
    before="v1a,AAAA" + "A" * 80 + "AA== ")
from_openai("the secret of the specification", openai_event(15, "batch.cancelled", id="batch_4"),
    secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


# Telnyx: Ed25519 over the time and the body.

def from_telnyx(about, body, kind="application/json"):
    at, public = str(next_time()), base64.b64encode(bytes(KEY.verify_key)).decode()
    signature = base64.b64encode(KEY.sign(f"{at}|{body}".encode()).signature).decode()
    headers = {"content-type": kind, "telnyx-timestamp": at, "telnyx-signature-ed25519": signature}
    if kind == "application/json":
        with mock.patch("time.time", lambda: float(at)):
            telnyx.Telnyx(api_key="none", public_key=public).webhooks.unwrap(body, headers=headers)
    add("telnyx", about, headers, body, {"publicKey": public})


def telnyx_event(n, kind, attempt=1, **payload):
    return {"data": {"event_type": kind, "id": f"00000000-0000-4000-8000-{n:012d}", "occurred_at": "2026-11-22T12:30:45.123456Z",
        "payload": payload, "record_type": "event"}, "meta": {"attempt": attempt, "delivered_to": HOOK + "telnyx"}}


def telnyx_call(**more):
    return {"call_control_id": "v3:MdI91X4lWFEs7IgbBEOT9M4AigoY08M0WWZFISt1Yw2axZ_IiE4pqg",
        "call_leg_id": "428c31b6-7af4-4bcb-b7f5-5013ef9657c1", "call_session_id": "428c31b6-abf3-3bc1-b7f4-5013ef9657c1",
        "client_state": "YSA+IGI=", "connection_id": "7267xxxxxxxxxxxxxx", "from": "+35319605860", "to": "+13129457420", **more}


def telnyx_message(text, **more):
    return {"cc": [], "completed_at": None, "cost": None, "direction": "inbound", "encoding": "GSM-7", "errors": [],
        "from": {"carrier": "T-Mobile USA", "line_type": "Wireless", "phone_number": "+13125550001",
        "status": "webhook_delivered"}, "id": "84cca175-9755-4859-b67f-4730d7f58aa3", "media": [], "messaging_profile_id": "m-1",
        "parts": 1, "record_type": "message", "subject": "", "tags": [], "text": text,
        "to": [{"carrier": "Telnyx", "line_type": "Wireless", "phone_number": "+17735550002", "status": "webhook_delivered"}],
        "type": "SMS", "valid_until": None, **more}


def texml(n, **more):
    return urllib.parse.urlencode({"AccountSid": "a-1", "CallSid": f"v3:{n}+/=", "CallSidLegacy": f"v3:{n}+/=",
        "ConnectionId": "7267xxxxxxxxxxxxxx", "From": "+35319605860", "To": "+13129457420", **more})


from_telnyx("incoming call", plain(telnyx_event(1, "call.initiated", **telnyx_call(direction="incoming", state="parked",
    caller_id_name=""))))
from_telnyx("call answered, sent again", plain(telnyx_event(2, "call.answered", 2,
    **telnyx_call(start_time="2026-11-22T12:30:44Z", custom_headers=[]))))
from_telnyx("call over", plain(telnyx_event(3, "call.hangup", **telnyx_call(hangup_cause="normal_clearing",
    hangup_source="caller", sip_hangup_cause="200", call_quality_stats={"inbound": {"jitter_max_variance": "17.50", "mos": "4.50",
    "packet_count": "1024", "skip_packet_count": "12"}, "outbound": None}))))
from_telnyx("tone", plain(telnyx_event(4, "call.dtmf.received", **telnyx_call(digit="#"))))
from_telnyx("digits", plain(telnyx_event(5, "call.gather.ended", **telnyx_call(digits="12*#", status="valid"))))
from_telnyx("machine", plain(telnyx_event(6, "call.machine.detection.ended", **telnyx_call(result="not_sure"))))
from_telnyx("recording", plain(telnyx_event(7, "call.recording.saved", **telnyx_call(channels="dual", public_recording_urls={},
    recording_urls={"mp3": "https://s3.example.com/r.mp3?X-Amz-Expires=600&X-Amz-Credential=a%2Fb"},
    recording_started_at="2026-11-22T12:29:00Z", recording_ended_at="2026-11-22T12:30:00Z"))))
from_telnyx("message with signs", plain(telnyx_event(8, "message.received", **telnyx_message(ODD))))
from_telnyx("message with Unicode", plain(telnyx_event(9, "message.received", **telnyx_message(WIDE, encoding="UCS-2",
    media=[{"content_type": "image/png", "hash_sha256": None, "size": 1024, "url": "https://example.com/a.png"}]))))
from_telnyx("message with Unicode escaped, over several lines", json.dumps(telnyx_event(10, "message.sent",
    **telnyx_message(WIDE, direction="outbound")), indent=4) + "\n")
from_telnyx("message not delivered", plain(telnyx_event(11, "message.finalized", **telnyx_message("", direction="outbound",
    errors=[{"code": "40300", "title": "Blocked due to STOP message", "detail": "The \"to\" number has opted out.",
    "meta": {"url": "https://developers.telnyx.com/docs/overview/errors/40300"}}]))))
from_telnyx("number ordered", plain(telnyx_event(12, "number_order.complete", id="12ade33a-21c0-473b-b055-b3c836e1c292",
    phone_numbers_count=1, requirements_met=True, phone_numbers=[{"id": "dc8e4d67-33a0-4cbb-af74-7b58f05bd494",
    "phone_number": "+19705555098", "record_type": "number_order_phone_number", "status": "success"}], record_type="number_order",
    status="success", customer_reference="a + b")))
from_telnyx("large: call with many headers", plain(telnyx_event(13, "call.initiated",
    **telnyx_call(direction="incoming", state="parked", sip_headers=[{"name": f"X-Header-{n}",
    "value": f"{n}; " + "value + more, é " * 40} for n in range(22)]))))
from_telnyx("TeXML callback", texml(14, CallStatus="in-progress", CallerId="", SpeechResult="yes + " + WIDE),
    "application/x-www-form-urlencoded")
from_telnyx("TeXML callback with a repeated key", texml(15, CallStatus="completed",
    HangupSource="callee") + "&CallStatus=busy&CallStatus=", "application/x-www-form-urlencoded")


# Discord: Ed25519 over the time and the body, as hexadecimal digits.

def from_discord(about, body):
    at = str(next_time())
    headers = {"content-type": "application/json", "x-signature-ed25519": KEY.sign(f"{at}{body}".encode()).signature.hex(),
        "x-signature-timestamp": at}
    add("discord", about, headers, body, {"publicKey": bytes(KEY.verify_key).hex()})


def interaction(n, kind, data=None, **more):
    given = {"app_permissions": "442368", "application_id": "1000000000000000001", "channel_id": "1000000000000000002",
        "guild_id": "1000000000000000003", "entitlements": [], "id": f"14{n:017d}", "locale": "en-US", "guild_locale": "de",
        "member": {"nick": None, "permissions": "2147483647", "roles": [], "user": {"id": "1000000000000000004",
        "username": "ada", "global_name": "Ada 🚀", "avatar": None, "discriminator": "0"}}, "token": "none", "type": kind,
        "version": 1}
    return {**given, **({"data": data} if data else {}), **more}


def command(*options, name="deploy", kind=1, **more):
    return {"id": "1000000000000000005", "name": name, "type": kind, "options": list(options), **more}


def text_field(n, text):
    return {"type": 1, "id": n, "components": [{"type": 4, "id": 10 + n, "custom_id": f"field {n}", "value": text}]}


def notice(kind, event, **data):
    body = {"version": 1, "application_id": "1000000000000000001", "type": kind}
    return {**body, "event": {"type": event, "timestamp": "2026-11-22T12:30:45.123456", "data": data}} if event else body


USER = {"id": "1000000000000000004", "username": "ada", "global_name": None, "avatar": None, "discriminator": "0"}

from_discord("ping", plain({"application_id": "1000000000000000001", "entitlements": [], "id": "1400000000000000001",
    "token": "none", "type": 1, "user": USER, "version": 1}))
from_discord("command with signs", plain(interaction(2, 2, command({"name": "text", "type": 3, "value": ODD}))))
from_discord("command with Unicode", plain(interaction(3, 2, command({"name": "größe", "type": 3, "value": WIDE}))))
from_discord("command with Unicode escaped and spaces", json.dumps(interaction(4, 2,
    command({"name": "größe", "type": 3, "value": WIDE}))))
from_discord("command with empty text, in a direct message", plain({**interaction(5, 2,
    command({"name": "text", "type": 3, "value": ""})), "guild_id": None, "user": USER}))
from_discord("command about a person", plain(interaction(6, 2, command(name="Report this", kind=2,
    target_id="1000000000000000004", resolved={"users": {"1000000000000000004": USER}}))))
from_discord("command about a message", plain(interaction(7, 2, command(name="Pin", kind=3, target_id="1000000000000000006",
    resolved={"messages": {"1000000000000000006": {"id": "1000000000000000006", "content": "one\ntwo", "embeds": [],
    "attachments": []}}}))))
from_discord("button", plain(interaction(8, 3, {"component_type": 2, "custom_id": "go?a=1&b=c+d", "id": 1},
    message={"id": "1000000000000000006", "content": "", "flags": 0})))
from_discord("choice", plain(interaction(9, 3, {"component_type": 3, "custom_id": "size", "values": ["s", "l + xl"]})))
from_discord("completion", plain(interaction(10, 4, command({"name": "region", "type": 3, "value": "eu", "focused": True}))))
from_discord("form", plain(interaction(11, 5, {"custom_id": "new", "components": [text_field(1, "a\nb"), text_field(2, "")]})))
from_discord("large: form with the longest texts", plain(interaction(12, 5, {"custom_id": "new",
    "components": [text_field(n, ("a long text + é " * 250)[:2900]) for n in range(5)]})))
from_discord("notice: ping", plain(notice(0, None)))
from_discord("notice: authorized", plain(notice(1, "APPLICATION_AUTHORIZED", integration_type=1, scopes=["applications.commands"],
    user=USER)))
from_discord("notice: entitlement", plain(notice(1, "ENTITLEMENT_CREATE", id="1000000000000000007", sku_id="1000000000000000008",
    type=8, deleted=False, consumed=False, user_id=USER["id"])))


# WhatsApp: Meta escapes what is not ASCII, and slashes. It has no SDK that verifies.

def from_meta(about, value, write=escaped):
    body, secret = write(value), "app-s3cret"
    sign = lambda kind: hmac.new(secret.encode(), body.encode(), kind).hexdigest()
    headers = {"content-type": "application/json", "x-hub-signature": f"sha1={sign('sha1')}",
        "x-hub-signature-256": f"sha256={sign('sha256')}"}
    add("whatsapp-cloud", about, headers, body, {"appSecret": secret})


def change(field, *values):
    return {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "time": next_time(),
        "changes": [{"value": value, "field": field} for value in values]}]}


def whatsapp(n, kind, sender="Ada Nelson", **message):
    return {"messaging_product": "whatsapp", "metadata": {"display_phone_number": "15550783881",
        "phone_number_id": "106540352242922"}, "contacts": [{"profile": {"name": sender}, "wa_id": "16505551234"}],
        "messages": [{"from": "16505551234", "id": f"wamid.{n:030d}+/A==", "timestamp": str(next_time()), "type": kind,
        **message}]}


def became(n, state, **more):
    return {"messaging_product": "whatsapp", "metadata": {"display_phone_number": "15550783881",
        "phone_number_id": "106540352242922"}, "statuses": [{"id": f"wamid.{n:030d}+/A==", "status": state,
        "timestamp": str(next_time()), "recipient_id": "16505551234", **more}]}


from_meta("text with signs", change("messages", whatsapp(1, "text", text={"body": ODD})))
from_meta("text with Unicode", change("messages", whatsapp(2, "text", WIDE, text={"body": WIDE})))
from_meta("text with Unicode as it is", change("messages", whatsapp(3, "text", WIDE, text={"body": WIDE})), plain)
from_meta("picture without a caption", change("messages", whatsapp(4, "image", image={"caption": "", "mime_type": "image/jpeg",
    "sha256": "a+/b=", "id": "1003383421387256"})))
from_meta("place", change("messages", whatsapp(5, "location", location={"latitude": 37.4847, "longitude": -122.1477, "name": "",
    "address": "1 Hacker Way + 2"})))
from_meta("reaction taken back", change("messages", whatsapp(6, "reaction", reaction={"message_id": "wamid.1", "emoji": ""})))
from_meta("button of a list", change("messages", whatsapp(7, "interactive", context={"from": "15550783881", "id": "wamid.1"},
    interactive={"type": "list_reply", "list_reply": {"id": "priority_express", "title": "Express ✓",
    "description": "1 – 2 days"}})))
from_meta("contact", change("messages", whatsapp(8, "contacts", contacts=[{"name": {"first_name": "Bo",
    "formatted_name": "Bo Ü."}, "phones": [{"phone": "+1 650 555-9999", "type": "HOME"}], "emails": []}])))
from_meta("unknown kind of message", change("messages", whatsapp(9, "unsupported",
    errors=[{"code": 131051, "title": "Message type unknown",
    "error_data": {"details": "Message type is currently not supported."}}])))
from_meta("sent", change("messages", became(10, "sent", biz_opaque_callback_data="token + 1",
    conversation={"id": "c-1", "expiration_timestamp": str(NOW + 86400), "origin": {"type": "service"}},
    pricing={"billable": True, "pricing_model": "PMP", "category": "service", "type": "regular"})))
from_meta("delivered", change("messages", became(10, "delivered", biz_opaque_callback_data="token + 1")))
from_meta("read", change("messages", became(10, "read")))
from_meta("failed", change("messages", became(13, "failed", errors=[{"code": 131047, "title": "Re-engagement message",
    "message": "Re-engagement message", "error_data": {"details": "More than 24 hours have passed."},
    "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"}])))
from_meta("template refused", change("message_template_status_update", {"event": "REJECTED", "message_template_id": 12345678,
    "message_template_name": "hello", "message_template_language": "pt_BR", "reason": "NONE"}))
from_meta("large: many messages", change("messages", *(whatsapp(100 + n, "text",
    text={"body": f"{n}: é + more, less. " * 32}) for n in range(15))))

text = ",\n".join(plain(delivery) for delivery in deliveries)
(HERE / "webhooks.json").write_text(f"[\n{text}\n]\n")
for vendor in verify.VENDORS:
    print(vendor, sum(delivery["vendor"] == vendor for delivery in deliveries))
