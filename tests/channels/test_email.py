"""Mail, handed to a real SMTP server: what arrives, how it is asked for, and what a server's answers mean."""

from __future__ import annotations

import logging
import re
import socket
import ssl
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.channels.test_discord import filled
from tests.channels.test_http import certificate
from tests.support.mail_server import MailServer, Manner, mail_server
from tests.support.outbox import LOOPBACK, NOW, outbound

from trackside_service.channels import Message, Outcome, Targets, channel, configure, deliver
from trackside_service.channels.base import SendError
from trackside_service.channels.email import compose, render, send
from trackside_service.channels.examples import EXAMPLES
from trackside_service.channels.outbound import Outbound
from trackside_service.errors import InvalidInputError, TargetRefusedError

PASSWORD = "p%40ss%3Aw%C3%B6rd;!=,-7711"
PLAIN = "p@ss:wörd;!=,-7711"
PARTS = (PASSWORD, PLAIN, "7711", "trackside@ml.example.org", "ada@example.org")


def sent(
    server: MailServer, message: Message = EXAMPLES["opened"], *, url: str | None = None, **door: float
) -> Outcome:
    endpoint = configure("email", url or server.url(), None, LOOPBACK)
    return deliver(channel("email"), message, endpoint, outbound(**door), NOW)


def test_a_mail_arrives_in_text_and_html() -> None:
    with mail_server() as server:
        assert sent(server) == Outcome("delivered", 250, said="2.0.0 queued as 77")
        [mail] = server.mails
    assert (mail.sender, mail.recipient) == ("<trackside@ml.example.org>", "<ada@example.org>")
    assert mail.greeted_as == "[127.0.0.1]"
    read = mail.message
    assert read["From"] == "Trackside <trackside@ml.example.org>"
    assert read["To"] == "ada@example.org"
    assert read["Subject"] == "Warning: Learning rate off schedule · resnet_7 <warm *restart*> (vision)"
    assert read["Date"].datetime == EXAMPLES["opened"].at
    assert read["Auto-Submitted"] == "auto-generated"
    shown = render(EXAMPLES["opened"])
    for subtype, part in (("plain", "text"), ("html", "html")):
        body = read.get_body((subtype,))
        assert body is not None
        assert body.get_content().replace("\r\n", "\n") == shown[part]
    assert "· expected  o observed" in shown["text"], "the plot is in it"
    assert mail.content.isascii()
    assert max(len(line) for line in mail.content.split(b"\r\n")) <= 998
    assert [each for each in server.commands if each][-1] == "QUIT"


def test_the_message_id_is_the_deliverys_and_the_same_on_every_attempt() -> None:
    first = compose(EXAMPLES["opened"], "a@b.example", "ada@example.org")
    assert first == compose(EXAMPLES["opened"], "a@b.example", "ada@example.org")
    with mail_server(Manner(replies={".": "451 4.3.0 later"})) as server:
        assert sent(server).status == "retry"
        server.manner.replies.clear()
        assert sent(server).status == "delivered"
        sent(server, EXAMPLES["resolved"])
        opened, resolved = (each.message for each in server.mails)
    assert opened["Message-ID"] == f"<{EXAMPLES['opened'].id}@ml.example.org>"
    alert = EXAMPLES["opened"].snapshot["alert"]["id"]
    assert opened["References"] == resolved["References"] == f"<alert-{alert}@ml.example.org>"


@pytest.mark.parametrize(
    "filling",
    [
        "a\r\nBcc: eve@example.net\r\n\r\nbody",
        "x" * 9000,
        "🔥" * 9000,
        "\n.\r\n.\nQUIT\n",
        "",
        "\ud800\x00\x1b[31m\u2028",
        "<b>&",
    ],
)
def test_whatever_is_in_it_a_mail_is_one_mail_with_its_own_headers(filling: str) -> None:
    with mail_server() as server:
        assert sent(server, filled(filling)).status == "delivered"
        [mail] = server.mails
    read = mail.message
    ours = ["From", "To", "Subject", "Date", "Message-ID", "References", "Auto-Submitted", "X-Trackside-Version"]
    assert sorted(read.keys()) == sorted([*ours, "MIME-Version", "Content-Type"])
    assert not read.defects
    assert "\n" not in read["Subject"]
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]
    assert max(len(line) for line in mail.content.split(b"\r\n")) <= 998
    assert len(mail.content) < 400_000


def test_in_html_texts_are_only_text() -> None:
    tags: set[str] = set()
    links: list[str | None] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.add(tag)
            links.extend(value for name, value in attrs if name == "href")

    hostile = '<script>x</script><img src=x onerror=y>"><a href="https://evil.example">'
    message = replace(filled(hostile), link='https://trackside.example.org/"><script>')
    reader = Reader()
    reader.feed(render(message)["html"])
    assert tags == {"html", "body", "h2", "p", "table", "tr", "th", "td", "b", "br", "ul", "li", "pre", "a", "small"}
    assert links == [message.link]


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("implicit", [False, True])
def test_a_password_travels_encrypted(tmp_path: Path, way: str, implicit: bool) -> None:
    path = certificate(tmp_path, "mail.example.org")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    trusting = ssl.create_default_context(cafile=str(path))
    manner = Manner(offers=[f"AUTH {way}"], users={"ada@ml.example.org": PLAIN}, tls=tls, implicit=implicit)
    with mail_server(manner) as server:
        scheme = "smtps" if implicit else "smtp+starttls"
        url = server.url(scheme, f"ada%40ml.example.org:{PASSWORD}", "mail.example.org", "to=ada@example.org")
        endpoint = configure("email", url, None, LOOPBACK)
        door = outbound(resolve=lambda *_: ["127.0.0.1"], tls=trusting)
        assert send(EXAMPLES["test"], endpoint, door, NOW).status == "delivered"
        [mail] = server.mails
        assert (mail.encrypted, mail.user, mail.sender) == (True, "ada@ml.example.org", "<ada@ml.example.org>")
        untrusting = outbound(resolve=lambda *_: ["127.0.0.1"])
        with pytest.raises(SendError, match="certificate is not trusted"):
            send(EXAMPLES["test"], endpoint, untrusting, NOW)
        other = configure("email", url.replace("mail.example.org", "other.example.org"), None, LOOPBACK)
        with pytest.raises(SendError, match="certificate is not trusted"):
            send(EXAMPLES["test"], other, door, NOW)
        assert len(server.mails) == 1


def test_nothing_is_said_in_the_clear_where_encryption_is_not_offered() -> None:
    with mail_server(Manner(users={"ada": PLAIN})) as server:
        outcome = sent(server, url=server.url("smtp+starttls", f"ada:{PASSWORD}"))
        assert outcome == Outcome("failed", error="the server offers no STARTTLS")
        assert [each.split()[0] for each in server.commands if each] == ["EHLO"]


def test_what_was_said_before_the_encryption_does_not_count_as_said_after_it() -> None:
    injected = "220 go ahead\r\n250-mail.example.org\r\n250 AUTH PLAIN"
    with mail_server(Manner(offers=["STARTTLS", "AUTH PLAIN"], replies={"STARTTLS": injected})) as server:
        outcome = sent(server, url=server.url("smtp+starttls", f"ada:{PASSWORD}"))
        assert outcome == Outcome("failed", error="the server spoke out of turn")


@pytest.mark.parametrize(
    ("command", "reply", "status", "told"),
    [
        ("CONNECT", "421 4.3.2 full", "retry", "the server answered 421 to the connection: 4.3.2 full"),
        ("CONNECT", "554 5.7.1 no", "failed", "the server answered 554 to the connection: 5.7.1 no"),
        ("MAIL", "452 4.3.1 later", "retry", "the server answered 452 to MAIL FROM: 4.3.1 later"),
        ("MAIL", "550 5.7.1 no", "failed", "the server answered 550 to MAIL FROM: 5.7.1 no"),
        ("RCPT", "450 4.2.1 greylisted", "retry", "the server answered 450 to RCPT TO: 4.2.1 greylisted"),
        (
            "RCPT",
            "550-5.1.1 <ada@example.org>\r\n550 5.1.1 is not here",
            "failed",
            "the server answered 550 to RCPT TO: 5.1.1 <[hidden]> 5.1.1 is not here",
        ),
        ("DATA", "503 5.5.1 no", "failed", "the server answered 503 to DATA: 5.5.1 no"),
        (".", "451 4.3.0 later", "retry", "the server answered 451 to the mail: 4.3.0 later"),
        (".", "554 5.6.0 spam", "failed", "the server answered 554 to the mail: 5.6.0 spam"),
        ("DATA", "250 ok", "retry", "the server's answer is not SMTP"),
        ("MAIL", "354 go on", "retry", "the server's answer is not SMTP"),
        ("CONNECT", None, "retry", "the server closed the connection"),
        ("DATA", None, "retry", "the server closed the connection"),
        (".", None, "retry", "the server closed the connection"),
        ("CONNECT", "SSH-2.0-OpenSSH", "retry", "the server's answer is not SMTP"),
        ("CONNECT", "220 " + "a" * 9000, "retry", "the server's answer is not SMTP"),
        ("CONNECT", "endless", "retry", "the server's answer is not SMTP"),
    ],
)
def test_what_may_pass_is_told_from_what_is_final(command: str, reply: str | None, status: str, told: str) -> None:
    with mail_server(Manner(replies={command: reply})) as server:
        outcome = sent(server)
    assert (outcome.status, outcome.error) == (status, told)
    assert (outcome.status_code is None) == (reply is None or reply[:1] not in "45")


@pytest.mark.parametrize("manner", ["hang", "dribble"])
@pytest.mark.parametrize("command", ["CONNECT", "EHLO", "RCPT", "."])
def test_a_server_that_takes_its_time_is_left(command: str, manner: str) -> None:
    with mail_server(Manner(replies={command: manner})) as server:
        outcome = sent(server, total_s=0.4)
    assert outcome == Outcome("retry", error="the receiver took too long")


def test_a_farewell_is_not_waited_for() -> None:
    with mail_server(Manner(replies={"QUIT": "hang"})) as server:
        assert sent(server).status == "delivered"


@pytest.mark.parametrize("slash", ["/", ""])
def test_the_password_is_in_no_answer_and_no_log(slash: str, caplog: pytest.LogCaptureFixture) -> None:
    with mail_server(Manner(users={"ada": "another"})) as server, caplog.at_level(logging.DEBUG):
        url = server.url(user=f"ada:{PASSWORD}").replace("/?", slash + "?")
        endpoint = configure("email", url, None, LOOPBACK)
        outcome = sent(server, url=url)
        assert (outcome.status, outcome.status_code) == ("failed", 535)
        assert outcome.error == "the server answered 535 to AUTH: 5.7.8 [hidden] with [hidden] ([hidden]) is not known"
        for text in (repr(outcome), repr(endpoint), endpoint.target, caplog.text):
            assert not any(part in text for part in (*PARTS, "AGFkYQBw", "ada:")), text
        assert server.mails == []


def test_where_nobody_can_log_in_nothing_is_sent() -> None:
    with mail_server(Manner(offers=["AUTH GSSAPI"])) as server:
        outcome = sent(server, url=server.url(user=f"ada:{PASSWORD}"))
    assert outcome == Outcome("failed", error="the server offers neither AUTH PLAIN nor AUTH LOGIN")


def test_private_addresses_are_refused_when_connecting() -> None:
    with mail_server() as server:
        url = server.url("smtp+starttls", host="innocent.example")
        endpoint = configure("email", url, None, Targets())
        for found in (["127.0.0.1"], ["10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"]):
            outcome = deliver(
                channel("email"), EXAMPLES["test"], endpoint, Outbound(Targets(), resolve=lambda *_, f=found: f), NOW
            )
            assert outcome.status == "failed"
            assert "TRACKSIDE_ALLOW_TARGETS" in str(outcome.error)
        assert server.commands == []


def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_connected_to() -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    with mail_server() as server:
        endpoint = configure("email", server.url(host="mail.example.org"), None, LOOPBACK)
        assert send(EXAMPLES["test"], endpoint, outbound(resolve=rebinding), NOW).status == "delivered"
    assert asked == ["mail.example.org"]


def test_a_closed_port_is_temporary() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"smtp://127.0.0.1:{taken.getsockname()[1]}/?to=ada@example.org&from=a@b.example"
        endpoint = configure("email", url, None, LOOPBACK)
        outcome = deliver(channel("email"), EXAMPLES["test"], endpoint, outbound(), NOW)
    assert outcome == Outcome("retry", error="the receiver refused the connection")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://smtp.example.org/?to=ada@example.org&from=a@b.example", "smtps:// or smtp+starttls://"),
        ("smtp://smtp.example.org/?to=ada@example.org&from=a@b.example", "smtps or smtp+starttls is required"),
        ("smtps://127.0.0.1/?to=ada@example.org&from=a@b.example", "TRACKSIDE_ALLOW_TARGETS"),
        ("smtps://smtp.example.org/", "is wanted"),
        ("smtps://smtp.example.org/inbox?to=ada@example.org&from=a@b.example", "is wanted"),
        ("smtps://smtp.example.org/?to=ada@example.org", "'from' is one plain mail address"),
        ("smtps://ada:p7711@smtp.example.org/?to=ada@example.org", "'from' is one plain mail address"),
        ("smtps://smtp.example.org/?from=a@b.example", "'to' is one plain mail address"),
        ("smtps://smtp.example.org/?to=ada@example.org&to=b@example.org&from=a@b.example", "is wanted"),
        ("smtps://smtp.example.org/?to=ada@example.org,bob@example.org&from=a@b.example", "'to' is one plain"),
        ("smtps://smtp.example.org/?to=ada@example.org%0d%0aBcc:x@y.z&from=a@b.example", "'to' is one plain"),
        ("smtps://smtp.example.org/?to=ada@example.org%3E%0d%0aDATA&from=a@b.example", "'to' is one plain"),
        ("smtps://smtp.example.org/?to=ada@example.org&from=%22a%20b%22@b.example", "'from' is one plain"),
        ("smtps://smtp.example.org/?to=ada@example.org&from=a@b.example&cc=c@d.example", "is wanted"),
        ("smtps://a%00b:p7711@smtp.example.org/?to=ada@example.org&from=a@b.example", "is wanted"),
        ("smtps://smtp.example.org/?to=ada@example.org&from=a@b.example#p7711", "fragment"),
    ],
)
def test_addresses_that_are_refused(url: str, why: str) -> None:
    with pytest.raises(TargetRefusedError) as refused:
        configure("email", url, None, Targets())
    assert why in refused.value.detail
    assert refused.value.faults[0].pointer == "/url"
    assert "p7711" not in refused.value.detail
    assert "bob" not in refused.value.detail


def test_of_the_address_only_the_server_is_shown() -> None:
    url = f"smtp+starttls://ada:{PASSWORD}@smtp.example.org/?to=ada+lr@example.org&from=a@b.example"
    endpoint = configure("email", url, None, Targets())
    assert (endpoint.url, endpoint.target) == (url, "smtp+starttls://smtp.example.org")
    assert configure("email", url.replace("org/", "org:2525/"), None, Targets()).target.endswith(":2525")
    assert not re.search("7711|ada", repr(endpoint))
    with pytest.raises(InvalidInputError, match="stands in the address") as refused:
        configure("email", url, PLAIN, Targets())
    assert refused.value.faults[0].pointer == "/secret"


def test_a_plus_in_an_address_is_a_plus() -> None:
    with mail_server() as server:
        sent(server, url=server.url(query="to=ada+lr@example.org&from=a@b.example"))
        assert server.mails[0].recipient == "<ada+lr@example.org>"
