"""Judges webhook deliveries with the vendors' own verifiers.

    python3 -m venv venv && venv/bin/pip install twilio==9.13.0 slack_sdk==3.48.0 stripe==16.1.0 line-bot-sdk==3.27.0 \
        openai==3.57.0 standardwebhooks==1.1.0 telnyx==4.189.0 discord-interactions==0.4.0 PyNaCl==1.6.2
    venv/bin/python verify.py < deliveries.jsonl

A line is {"vendor", "url", "headers", "body", "secrets", "at"}: header names in lower case, the body as text, the
secrets by their keys, the time of the judgement in seconds since 1970. What else it says is not looked at. A list of
them with one a line, such as webhooks.json, will do too. Prints `ok VENDOR` or `no VENDOR reason` for each and a count;
exits with 1 when one is refused or there was none. Nothing is sent.
Meta has no SDK that verifies: what its documentation says is done with Python's `hmac`.
"""

import contextlib
import hashlib
import hmac
import io
import json
import sys
import urllib.parse
from unittest import mock

import discord_interactions
import linebot.v3.webhook
import multidict
import openai
import slack_sdk.signature
import stripe
import telnyx.lib.webhook_verification
import twilio.request_validator

FORM = "application/x-www-form-urlencoded"


class Refused(Exception):
    pass


def form(body):
    """The parameters with what is repeated and what is empty, as web frameworks give them."""
    return multidict.MultiDict(urllib.parse.parse_qsl(body, keep_blank_values=True))


def of_twilio(delivery, headers, body):
    # The SDK takes parameters of a form, and anything else as text.
    params = form(body) if headers.get("content-type", "").lower().startswith(FORM) else body
    settings = headers.get(twilio.request_validator.SIGNATURE_SETTINGS_HEADER.lower())
    algorithm = twilio.request_validator.get_signature_algorithm(settings)
    validator = twilio.request_validator.RequestValidator(delivery["secrets"]["authToken"])
    return validator.validate(delivery["url"], params, headers.get("x-twilio-signature", ""), algorithm)


def of_slack(delivery, headers, body):
    clock = slack_sdk.signature.Clock()
    clock.now = lambda: delivery["at"]
    return slack_sdk.signature.SignatureVerifier(delivery["secrets"]["signingSecret"], clock).is_valid_request(body, headers)


def of_stripe(delivery, headers, body):
    header, secret = headers.get("stripe-signature"), delivery["secrets"]["webhookSecret"]
    if '"v2.core.event"' in body:  # a thin event, which the SDK reads with another call
        return stripe.StripeClient("sk_test_none").parse_event_notification(body, header, secret)
    return stripe.Webhook.construct_event(body, header, secret)


def of_line(delivery, headers, body):
    validator = linebot.v3.webhook.SignatureValidator(delivery["secrets"]["channelSecret"])
    return validator.validate(body, headers.get("x-line-signature", ""))


def of_openai(delivery, headers, body):
    client = openai.OpenAI(api_key="none", webhook_secret=delivery["secrets"]["webhookSecret"])
    client.webhooks.verify_signature(body, headers)
    return True


def of_telnyx(delivery, headers, body):
    # What `client.webhooks.unwrap` asks before it reads the body as JSON, which a TeXML callback is not.
    telnyx.lib.webhook_verification.verify_webhook_signature(body, headers, delivery["secrets"]["publicKey"])
    return True


def of_discord(delivery, headers, body):
    signature, time = (headers.get(f"x-signature-{name}", "") for name in ("ed25519", "timestamp"))
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        good = discord_interactions.verify_key(body.encode(), signature, time, delivery["secrets"]["publicKey"])
    if not good:
        raise Refused(said.getvalue().strip())
    return True


def of_meta(delivery, headers, body):
    right = hmac.new(delivery["secrets"]["appSecret"].encode(), body.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(headers.get("x-hub-signature-256", ""), f"sha256={right}")


VENDORS = {
    "twilio": of_twilio,
    "slack": of_slack,
    "stripe": of_stripe,
    "line": of_line,
    "openai": of_openai,
    "telnyx": of_telnyx,
    "discord": of_discord,
    "whatsapp-cloud": of_meta,
}


def refusal(delivery):
    """Why the vendor's verifier does not believe the delivery; None when it does."""
    if delivery["vendor"] not in VENDORS:
        return "no such vendor"
    headers = {name.lower(): value for name, value in delivery["headers"].items()}
    try:
        # Verifiers that look at the age ask for the time.
        with mock.patch("time.time", lambda: float(delivery["at"])):
            good = VENDORS[delivery["vendor"]](delivery, headers, delivery["body"])
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    return None if good else "the signature is wrong, or its age"


def main():
    good = bad = 0
    for line in sys.stdin:
        line = line.strip().rstrip(",")
        if line in ("", "[", "]"):
            continue
        try:
            delivery = json.loads(line)
            vendor, why = delivery["vendor"], refusal(delivery)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            vendor, why = "-", f"no delivery: {type(error).__name__}: {error}"
        good, bad = good + (why is None), bad + (why is not None)
        print(f"ok {vendor}" if why is None else f"no {vendor} {why}")
    print(good, "ok,", bad, "no")
    return 1 if bad or not good else 0


if __name__ == "__main__":
    sys.exit(main())
