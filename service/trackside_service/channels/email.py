"""Mail, by an SMTP server: one mail an event, in plain text and as simple HTML, to one recipient.

The address says all of it: `smtp+starttls://user:password@smtp.example.org:587/?to=ada@example.org&from=trackside@example.org`.
`smtp+starttls` (port 587 unless given) begins in the clear and insists on encryption before anything is said, `smtps`
(465) is encrypted from the start; `smtp` (25) is not, and is taken only within `TRACKSIDE_ALLOW_TARGETS`. User and
password may be left out where the server asks for none, `from` where the user is an address; what is special in an
address is written as in any URL (`%40` for `@`). A second recipient is a second channel: each has its own log, and one
that fails is tried again without telling the others twice. Of the address, only the server is ever shown again.

The `Message-ID` is the delivery's id and the same on every attempt, so that mail servers drop repetitions; mails about
one alert stand in one thread. A reply of 4xx is tried again, one of 5xx is final.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from trackside_service.channels.base import Channel, Endpoint, Letter, Message, Out, Outcome, bounded
from trackside_service.channels.targets import MAIL, Target, Targets, parse, refused
from trackside_service.channels.tones import COLOURS
from trackside_service.channels.wording import News, news, printable, shortened
from trackside_service.errors import Fault, InvalidInputError

VERSION: Final = 1
_SUBJECT: Final = 150
_PROSE: Final = 4000
_WORDS: Final = 500
_HOW: Final = "smtp+starttls://user:password@host:587/?to=you@example.org&from=trackside@example.org is wanted"
# Dot-atoms only (RFC 5321): what needs quotes could mean something to one of those who read it on the way.
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?P<domain>{_LABEL}(?:\.{_LABEL})*)")


@dataclass(frozen=True, slots=True)
class _Mailbox:
    """A channel's address in parts."""

    server: Target
    recipient: str = field(repr=False)
    sender: str = field(repr=False)
    user: str | None = field(repr=False)
    password: str = field(repr=False)


def render(message: Message) -> dict[str, Any]:
    """Return the {"subject", "text", "html"} of `message`."""
    told = news(message)
    if told.tone == "test":
        return {
            "subject": _subject(told.headline),
            "text": _plain(f"{told.headline}. {told.detail}"),
            "html": _html(told),
        }
    run = message.snapshot.get("run")
    return {
        "subject": _subject(f"{told.headline} · {run['name']} ({run['project']})" if run else told.headline),
        "text": _text(told),
        "html": _html(told),
    }


def compose(message: Message, sender: str, recipient: str) -> bytes:
    """Return the mail of `message`: the same bytes on every attempt."""
    shown = render(message)
    domain = sender.rpartition("@")[2]
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(display_name="Trackside", addr_spec=sender)
    mail["To"] = Address(addr_spec=recipient)
    mail["Subject"] = shown["subject"]
    mail["Date"] = message.at
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    if alert := message.snapshot.get("alert"):
        mail["References"] = f"<alert-{re.sub(r'[^0-9A-Za-z-]', '', str(alert['id']))}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Trackside-Version"] = str(VERSION)
    mail.set_content(shown["text"], cte="quoted-printable")
    mail.add_alternative(shown["html"], subtype="html", cte="quoted-printable")
    mail.set_boundary(f"=_{message.id.hex}")
    return mail.as_bytes()


def configure(url: str, secret: str | None, targets: Targets) -> Endpoint:
    """Check the address. Raises `InvalidInputError`, `TargetRefusedError`."""
    if secret is not None:
        reason = "a mail server's password stands in the address: smtp+starttls://user:password@host/?to=...&from=..."
        raise InvalidInputError(reason, faults=[Fault("/secret", reason)])
    targets.check(url, MAIL)
    return Endpoint(url, None, _read(url).server.origin)


def send(message: Message, endpoint: Endpoint, out: Out, now: datetime) -> Outcome:  # noqa: ARG001 - as every kind
    """Send one message."""
    box = _read(endpoint.url)
    content = compose(message, box.sender, box.recipient)
    answer = out.mail(Letter(box.server, box.sender, box.recipient, content, box.user, box.password))
    said = bounded(answer.text, endpoint, cut=answer.cut) or None
    code = answer.status_code
    if 200 <= code < 300:
        return Outcome("delivered", code, said=said)
    told = f"the server answered {code} to {answer.to}" + (f": {said}" if said else "")
    return Outcome("retry" if 400 <= code < 500 else "failed", code, said=said, error=told)


def _read(url: str) -> _Mailbox:
    """Read a channel's address. Raises `TargetRefusedError`, whose text never repeats it."""
    server = parse(url, MAIL)
    parts = urlsplit(url)
    if parts.path not in ("", "/"):
        raise refused(_HOW)
    given: dict[str, str] = {}
    for pair in parts.query.split("&"):
        name, mark, value = pair.partition("=")
        if name not in ("to", "from") or not mark or name in given:
            raise refused(_HOW)
        given[name] = unquote(value)
    user = None if parts.username is None else unquote(parts.username)
    password = unquote(parts.password or "")
    if user is not None and (not user or "\0" in user + password):
        raise refused(_HOW)
    sender = given.get("from", user or "")
    for name, address in (("to", given.get("to", "")), ("from", sender)):
        if len(address) > 254 or not _ADDRESS.fullmatch(address):
            raise refused(f"'{name}' is one plain mail address: {_HOW}")
    return _Mailbox(server, given["to"], sender, user, password)


def _subject(text: str) -> str:
    return shortened(printable(text), _SUBJECT)


def _plain(text: str, limit: int = _PROSE) -> str:
    """Return `text` without what cannot be printed, lines kept."""
    return shortened(
        "\n".join("".join(c if c.isprintable() else " " for c in line) for line in text.splitlines()), limit
    )


def _text(told: News) -> str:
    pairs = "\n".join(
        f"{_plain(name, _WORDS)}: {_plain(value, _WORDS)}" for name, value in (*told.about, *told.numbers)
    )
    parts = [_plain(f"{told.mark} {told.headline}", _WORDS), _plain(told.detail), pairs]
    if told.advice:
        parts.append(f"What to try:\n{_plain(told.advice)}")
    if told.listed:
        parts.append(f"{told.listed_as}:\n" + "\n".join(f"- {_plain(each, _WORDS)}" for each in told.listed))
    parts += [told.plot, _plain(told.footer, _WORDS), told.link or ""]
    return "\n\n".join(part for part in parts if part) + "\n"


def _html(told: News) -> str:
    def escaped(text: str, limit: int = _PROSE) -> str:
        return html.escape(_plain(text, limit)).replace("\n", "<br>\n")

    def listed(items: Iterable[str]) -> str:
        return "<ul>" + "".join(f"<li>{escaped(each, _WORDS)}</li>" for each in items) + "</ul>"

    head = f'<h2 style="border-left:6px solid #{COLOURS[told.tone]:06x};padding-left:10px">'
    parts = [f"{head}{escaped(f'{told.mark} {told.headline}', _WORDS)}</h2>", f"<p>{escaped(told.detail)}</p>"]
    if told.about or told.numbers:
        rows = (
            f'<tr><th align="left">{escaped(name, _WORDS)}</th><td>{escaped(value, _WORDS)}</td></tr>'
            for name, value in (*told.about, *told.numbers)
        )
        parts.append("<table>" + "".join(rows) + "</table>")
    if told.advice:
        parts.append(f"<p><b>What to try</b><br>{escaped(told.advice)}</p>")
    if told.listed:
        parts.append(f"<p><b>{told.listed_as}</b></p>{listed(told.listed)}")
    if told.plot:
        parts.append(f"<pre>{html.escape(told.plot)}</pre>")
    if told.link:
        parts.append(f'<p><a href="{html.escape(told.link)}">{told.opens}</a></p>')
    if told.footer:
        parts.append(f"<p><small>{escaped(told.footer, _WORDS)}</small></p>")
    return "<!doctype html>\n<html><body>\n" + "\n".join(parts) + "\n</body></html>\n"


CHANNEL: Final = Channel(
    kind="email",
    title="Email",
    page=__doc__ or "",
    configure=configure,
    payload=render,
    send=send,
    version=VERSION,
    for_people=True,
)
