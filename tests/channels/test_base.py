"""Telling delivered from refused, and keeping secrets out of what is told."""

from __future__ import annotations

from datetime import datetime
from typing import get_args
from uuid import UUID

import pytest
from tests.support.outbox import NOW

from trackside_service.channels import (
    CHANNELS,
    Answer,
    ChannelKind,
    Endpoint,
    Message,
    Outcome,
    Request,
    SendError,
    channel,
    deliver,
)
from trackside_service.channels.base import MAX_SAID, Letter, bounded, judge
from trackside_service.errors import InvalidInputError

URL = "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx?token=q1w2e3r4t5"
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
ENDPOINT = Endpoint(URL, SECRET, "https://hooks.slack.com")
PARTS = ("T00000000", "B00000000", "abcdefghijklmnopqrstuvwx", "q1w2e3r4t5", SECRET, SECRET.removeprefix("whsec_"))

MESSAGE = Message(UUID(int=7), "channel.test", NOW, {"channel": {"id": "7", "name": "team"}})

DELIVERED = (200, 201, 202, 204, 299)
RETRIED = (408, 425, 429, 500, 501, 502, 503, 504, 599)
FINAL = (
    101,
    300,
    301,
    302,
    303,
    304,
    307,
    308,
    400,
    401,
    402,
    403,
    404,
    405,
    406,
    409,
    411,
    413,
    415,
    418,
    422,
    431,
    451,
)


@pytest.mark.parametrize(
    ("codes", "status"), [(DELIVERED, "delivered"), (RETRIED, "retry"), (FINAL, "failed"), ((410,), "gone")]
)
def test_the_table_of_answers(codes: tuple[int, ...], status: str) -> None:
    assert {code: judge(Answer(code), ENDPOINT).status for code in codes} == dict.fromkeys(codes, status)


def test_what_was_said_is_told_plainly() -> None:
    assert judge(Answer(400, text="invalid_blocks\n"), ENDPOINT).error == "the receiver answered 400: invalid_blocks"
    assert judge(Answer(200, text="ok"), ENDPOINT) == Outcome("delivered", 200, said="ok")
    assert judge(Answer(429, 30.0), ENDPOINT).retry_after == 30
    assert "redirect" in str(judge(Answer(301, text="moved to " + URL), ENDPOINT).error)


@pytest.mark.parametrize(
    "echo",
    [URL, URL.upper(), URL.replace("/", "\\/"), URL.replace("&", "&amp;"), f"no {URL[31:]} here", SECRET, SECRET[6:]],
)
def test_an_echo_of_the_address_or_the_secret_is_hidden(echo: str) -> None:
    outcome = judge(Answer(404, text=f"The requested URL {echo} was not found; {echo}"), ENDPOINT)
    for text in (outcome.error, outcome.said, repr(outcome)):
        assert not any(part.lower() in str(text).lower() for part in PARTS)
    assert "was not found" in str(outcome.error)


def test_an_echo_that_was_cut_in_the_middle_is_hidden() -> None:
    text = (URL + " ") * 3
    for length in range(1, len(URL)):
        told = bounded(text[: len(text) - length], ENDPOINT, cut=True)
        assert "T000" not in told
        assert "abcd" not in told


def test_what_is_told_is_one_short_line() -> None:
    told = bounded("a\r\nb\x00\x1b[31m " + "c" * 5000, ENDPOINT)
    assert told.startswith("a b [31m ccc")
    assert len(told) == MAX_SAID


def test_endpoints_and_requests_do_not_show_what_they_hold() -> None:
    shown = repr(ENDPOINT) + repr(Request(URL, SECRET.encode(), {"x": SECRET}))
    assert not any(part in shown for part in PARTS)


@pytest.mark.parametrize(("temporary", "status"), [(True, "retry"), (False, "failed")])
def test_no_answer_is_an_outcome_too(temporary: bool, status: str) -> None:
    class Broken:
        def post(self, request: Request, now: datetime) -> Answer:
            raise SendError(f"could not reach {request.url} at {now}", temporary=temporary)

        def mail(self, letter: Letter) -> Answer:
            raise AssertionError(f"{letter} is no request")

    outcome = deliver(channel("slack"), MESSAGE, ENDPOINT, Broken(), NOW)
    assert outcome.status == status
    assert "T00000000" not in str(outcome.error)


def test_every_kind_stands_in_the_table_once_and_explains_itself() -> None:
    assert [each.kind for each in CHANNELS] == list(get_args(ChannelKind))
    for each in CHANNELS:
        assert channel(each.kind) is each
        assert len(each.page) > 200
    with pytest.raises(InvalidInputError, match="slack, discord, teams, webhook"):
        channel("pigeon")
