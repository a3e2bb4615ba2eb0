"""The door outwards, against a real receiver."""

from __future__ import annotations

import datetime as dt
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.outbox import LOOPBACK, NOW, outbound
from tests.support.receiver import CLOSE, HANG, Dribble, Raw, Receiver, Reply, receiving

from trackside_service.channels import Request, SendError, Targets
from trackside_service.channels.base import MAX_ANSWER_BYTES
from trackside_service.channels.outbound import Outbound

PATH = "/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


def request(url: str) -> Request:
    return Request(url, b'{"a":1}', {"content-type": "application/json"})


def refusal(door: Outbound, url: str) -> SendError:
    with pytest.raises(SendError) as caught:
        door.post(request(url), NOW)
    assert caught.value.__cause__ is None
    assert "T00000000" not in repr(caught.value)
    return caught.value


def test_a_message_arrives_whole(receiver: Receiver) -> None:
    answer = outbound().post(request(receiver.url(PATH + "?x=1&y=%20")), NOW)
    assert (answer.status_code, answer.text, answer.cut, answer.retry_after) == (200, "ok", False, None)
    [got] = receiver.received
    assert (got.path, got.body) == (PATH + "?x=1&y=%20", b'{"a":1}')
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"] == "Trackside"


@pytest.mark.parametrize("status", [201, 400, 404, 410, 429, 500, 503])
def test_every_status_is_an_answer(receiver: Receiver, status: int) -> None:
    receiver.behave("/", Reply(status, body=b"said"))
    assert outbound().post(request(receiver.url()), NOW).status_code == status


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    receiver.behave("/", Reply(301, {"location": receiver.url("/elsewhere")}))
    assert outbound().post(request(receiver.url()), NOW).status_code == 301
    assert [each.path for each in receiver.received] == ["/"]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120), ("0", 0), ("Sun, 01 Mar 2026 12:01:30 GMT", 90), ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("soon", None), ("-5", None), ("1e9", None), ("9" * 400, 999999999),
        ("Sun, 01 Mar 2026 12:01:30 +" + "9" * 30, None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(receiver: Receiver, value: str, seconds: float | None) -> None:
    receiver.behave("/", Reply(429, {"retry-after": value}))
    assert outbound().post(request(receiver.url()), NOW).retry_after == seconds


def test_no_header_takes_a_status_back(receiver: Receiver) -> None:
    receiver.behave("/", Reply(200, {"retry-after": "Sun, 01 Mar 2026 12:01:30 -" + "9" * 30}))
    assert outbound().post(request(receiver.url()), NOW).status_code == 200


def test_a_receiver_that_hangs_is_left(receiver: Receiver) -> None:
    receiver.behave("/", HANG)
    assert refusal(outbound(read_s=0.2), receiver.url()).reason == "the receiver took too long"
    assert len(receiver.wait(1)) == 1


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 "])
def test_a_receiver_that_dribbles_its_answer_is_left(receiver: Receiver, head: bytes) -> None:
    receiver.behave("/", Dribble(head))
    assert refusal(outbound(total_s=0.4), receiver.url()).temporary


def test_a_receiver_that_dribbles_its_text_has_answered(receiver: Receiver) -> None:
    receiver.behave("/", Dribble(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"))
    answer = outbound(total_s=3).post(request(receiver.url()), NOW)
    assert answer.status_code == 200
    assert set(answer.text) <= {"x"}


def test_of_a_long_text_only_the_beginning_is_read(receiver: Receiver) -> None:
    receiver.behave("/", Reply(500, body=b"y" * 5_000_000))
    answer = outbound().post(request(receiver.url()), NOW)
    assert (len(answer.text), answer.cut) == (MAX_ANSWER_BYTES, True)


@pytest.mark.parametrize("data", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"a" * 200_000])
def test_no_answer_at_all_is_temporary(receiver: Receiver, data: bytes) -> None:
    receiver.behave(PATH, Raw(data))
    assert refusal(outbound(), receiver.url(PATH)).temporary


def test_a_closed_port_is_temporary() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}{PATH}"
        error = refusal(outbound(), url)
    assert (error.reason, error.temporary) == ("the receiver refused the connection", True)


def test_private_addresses_are_refused_when_connecting(receiver: Receiver) -> None:
    door = Outbound(Targets())
    for url in (receiver.url(), f"https://127.0.0.1:{receiver.port}/", f"https://[::ffff:127.0.0.1]:{receiver.port}/"):
        error = refusal(door, url)
        assert "TRACKSIDE_ALLOW_TARGETS" in error.reason
        assert not error.temporary
    assert receiver.received == []


def test_a_name_that_leads_to_a_private_address_is_refused(receiver: Receiver) -> None:
    door = Outbound(Targets(), resolve=lambda *_: ["127.0.0.1", "::1"])
    assert "private" in refusal(door, f"https://innocent.example:{receiver.port}/").reason
    assert receiver.received == []


def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_connected_to(receiver: Receiver) -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    answer = outbound(resolve=rebinding).post(request(receiver.url("/", host="receiver.example")), NOW)
    assert (answer.status_code, asked) == (200, ["receiver.example"])
    assert receiver.received[0].headers["host"] == f"receiver.example:{receiver.port}"


def test_of_several_addresses_only_the_permitted_ones_are_tried(receiver: Receiver) -> None:
    door = outbound(resolve=lambda *_: ["10.0.0.1", "169.254.169.254", "127.0.0.9", "127.0.0.1"])
    assert door.post(request(receiver.url("/", host="receiver.example")), NOW).status_code == 200


def test_http_to_the_public_internet_is_refused_when_connecting() -> None:
    door = Outbound(LOOPBACK, resolve=lambda *_: ["8.8.8.8"])
    assert "https" in refusal(door, "http://public.example/").reason


def test_a_name_without_an_address_is_temporary() -> None:
    def fail(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, f"{host} is not known")

    error = refusal(outbound(resolve=fail), "https://nowhere.example/")
    assert (error.reason, error.temporary) == ("the target's name could not be resolved", True)


def test_a_name_server_that_hangs_is_left() -> None:
    answered = threading.Event()

    def hang(host: str, port: int) -> list[str]:
        answered.wait(20)
        return []

    error = refusal(outbound(resolve=hang, connect_s=0.1), "https://slow.example/")
    answered.set()
    assert "in time" in error.reason


def test_proxies_of_the_environment_are_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert outbound().post(request(receiver.url()), NOW).status_code == 200


def test_the_address_is_in_no_log(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.behave(PATH, Reply(404), HANG, CLOSE)
    with caplog.at_level(logging.DEBUG):
        outbound().post(request(receiver.url(PATH)), NOW)
        refusal(outbound(read_s=0.2), receiver.url(PATH))
        refusal(outbound(), receiver.url(PATH))
    assert caplog.records, "httpcore says something at this level"
    assert "T00000000" not in caplog.text
    assert "T00000000" not in repr(request(receiver.url(PATH)))


def certificate(folder: Path, name: str) -> Path:
    """Write a certificate for `name` that nobody vouches for but itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    today = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_https_is_to_the_name_and_not_to_the_address(tmp_path: Path) -> None:
    path = certificate(tmp_path, "receiver.example")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    trusting = ssl.create_default_context(cafile=str(path))
    with receiving(tls) as receiver:

        def to(name: str, context: ssl.SSLContext | None = trusting) -> int:
            door = outbound(resolve=lambda *_: ["127.0.0.1"], tls=context)
            return door.post(request(receiver.url(PATH, host=name)), NOW).status_code

        assert to("receiver.example") == 200
        for name, context in (("other.example", trusting), ("receiver.example", None)):
            with pytest.raises(SendError, match="certificate is not trusted") as caught:
                to(name, context)
            assert caught.value.temporary
        assert len(receiver.received) == 1


def test_a_receiver_that_never_shakes_hands_is_left() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        assert refusal(outbound(connect_s=0.2), url).temporary
