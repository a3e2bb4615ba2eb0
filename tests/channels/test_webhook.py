"""Webhooks, verified by the `standardwebhooks` package and not by our own code."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from tests.support.outbox import NOW, after, make_alert, make_run

from trackside_service.channels import Endpoint, Message, Targets, configure
from trackside_service.channels.base import bounded
from trackside_service.channels.webhook import make_secret, render, rotate, verify
from trackside_service.domain.wire import alert_to_wire
from trackside_service.errors import InvalidInputError

URL = "https://receiver.example/hook?token=q1w2e3r4t5"
ALERT = make_alert(id=UUID("0b8f7c1e-4f5e-4ef3-9a0c-3f7a5f1c2d01"), evidence={"worst": float("nan"), "observed": 0.001})
RUN = {"id": str(make_run().id), "project": "vision", "name": "resnet-7", "status": "running", "tags": ["nightly"]}
MESSAGE = Message(
    UUID("3c9d1a52-0000-4c4e-9a57-2d2f6f3c0a11"),
    "alert.opened",
    NOW,
    {"alert": alert_to_wire(ALERT), "run": RUN, "lr_plot": {"at": []}},
)


def test_the_signature_verifies_with_the_standard_package() -> None:
    endpoint = configure("webhook", URL, None, Targets())
    now = datetime.now(UTC)
    request = render(MESSAGE, endpoint, now)
    assert endpoint.secret is not None
    data = Webhook(endpoint.secret).verify(request.body, dict(request.headers))
    assert data["type"] == "alert.opened"
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint.secret).verify(request.body + b" ", dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(make_secret()).verify(request.body, dict(request.headers))


def verifying(stored: str, now: datetime, *secrets: str) -> list[bool]:
    """Return for each secret whether a message sent at `now` is verified by the standard package."""
    request = render(MESSAGE, Endpoint(URL, stored), now)

    def verified(secret: str) -> bool:
        try:
            Webhook(secret).verify(request.body, dict(request.headers))
        except WebhookVerificationError:
            return False
        return True

    return [verified(secret) for secret in secrets]


def test_while_a_secret_is_rotated_both_verify_and_then_the_new_one() -> None:
    now, hour = datetime.now(UTC), timedelta(hours=1)
    old = make_secret()
    # The package refuses what is older than five minutes: the take-over lies in the past instead.
    stored = rotate(old, None, now - timedelta(minutes=59), hour)
    new = stored.split()[0]
    assert verifying(stored, now, old, new) == [True, True]
    assert verifying(rotate(old, new, now - hour, hour), now, old, new) == [False, True]
    assert verifying(rotate(old, new, now, timedelta()), now, old, new) == [False, True]
    assert verify(
        old, render(MESSAGE, Endpoint(URL, stored), now).headers, render(MESSAGE, Endpoint(URL, stored), now).body
    )


def test_a_take_over_during_a_take_over_keeps_its_word_to_the_first() -> None:
    now, hour = datetime.now(UTC), timedelta(hours=1)
    first, second, third, fourth = (make_secret() for _ in range(4))
    stored = rotate(rotate(first, second, now, hour), third, now, hour)
    assert verifying(stored, now, first, second, third) == [True, True, True]
    assert verifying(rotate(stored, fourth, now, hour), now, first, second, third, fourth) == [False, True, True, True]
    late = rotate(rotate(first, second, now - 2 * hour, hour), third, now, hour)
    assert len(late.split()) == 2, "what has ended is not kept"


@pytest.mark.parametrize("given", ["hunter2", "", "whsec_c2hvcnQ="])
def test_another_secret_is_a_secret_too(given: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        rotate(make_secret(), given, NOW, timedelta())
    assert caught.value.faults[0].pointer == "/secret"
    same = make_secret()
    with pytest.raises(InvalidInputError, match="in use already"):
        rotate(same, same, NOW, timedelta())


def test_no_echo_of_a_secret_that_goes_on_gets_through() -> None:
    old = make_secret()
    endpoint = Endpoint(URL, rotate(old, None, NOW, timedelta(hours=1)))
    assert endpoint.secret is not None
    for secret in (old, endpoint.secret.split()[0]):
        assert bounded(f"bad {secret} and {secret.removeprefix('whsec_')}", endpoint) == "bad [hidden] and [hidden]"


def test_the_id_stays_and_the_timestamp_is_that_of_the_attempt() -> None:
    endpoint = Endpoint(URL, make_secret())
    first, second = render(MESSAGE, endpoint, NOW), render(MESSAGE, endpoint, after(300))
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == str(MESSAGE.id)
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 300
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def test_the_body_is_the_alert_and_the_run_as_they_were() -> None:
    request = render(MESSAGE, Endpoint(URL, make_secret()), NOW)
    assert request.url == URL
    assert json.loads(request.body) == {
        "version": 1,
        "type": "alert.opened",
        "timestamp": "2026-03-01T12:00:00Z",
        "data": {"alert": alert_to_wire(ALERT), "run": RUN},
    }


def test_a_secret_is_made_or_taken() -> None:
    made = {configure("webhook", URL, None, Targets()).secret for _ in range(20)}
    assert len(made) == 20
    assert all(secret and len(base64.b64decode(secret.removeprefix("whsec_"))) == 32 for secret in made)
    own = "whsec_" + base64.b64encode(b"k" * 24).decode()
    endpoint = configure("webhook", URL, own, Targets())
    assert (endpoint.url, endpoint.secret, endpoint.target) == (URL, own, "https://receiver.example")


@pytest.mark.parametrize("secret", ["", "hunter2", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!!", "whsec_" + "A" * 88])
def test_other_secrets_are_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        configure("webhook", URL, secret, Targets())
    assert caught.value.faults[0].pointer == "/secret"
    assert len(secret) < 7 or secret not in str(caught.value)


def test_verify_judges_as_the_standard_package_does() -> None:
    secret = make_secret()
    request = render(MESSAGE, Endpoint(URL, secret), datetime.now(UTC))
    headers = {name.title(): value for name, value in request.headers.items()}
    assert verify(secret, headers, request.body)
    assert not verify(secret, headers, request.body + b" ")
    assert not verify(secret, {}, request.body)
    assert not verify(make_secret(), headers, request.body)
    assert not verify(secret, {**headers, "Webhook-Id": str(replace(MESSAGE, id=UUID(int=1)).id)}, request.body)
    assert not verify(secret, {**headers, "Webhook-Signature": "v1,ä v1, x"}, request.body)
