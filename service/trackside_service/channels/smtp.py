"""SMTP: one mail to one recipient, handed to a server at a checked address, all in bounded time (RFC 5321).

Not smtplib, which bounds each wait and not their sum, and reads as many lines as a server cares to send.
"""

from __future__ import annotations

import base64
import re
import socket
import ssl
from contextlib import closing, suppress
from ipaddress import ip_address
from typing import Final

from trackside_service.channels.base import MAX_ANSWER_BYTES, Answer, Letter, SendError
from trackside_service.channels.reaching import TOO_LONG, Deadline, Reach, common_reason

MAX_LINE: Final = 2048
MAX_LINES: Final = 100
# Once the mail is taken or refused, a polite end is a courtesy.
_FAREWELL_SECONDS: Final = 1.0


def mail(letter: Letter, reach: Reach, tls: ssl.SSLContext) -> Answer:
    """Hand `letter` to its server, and return its answer to the mail or to the command that it refused.

    Raises `SendError` where no answer came, or where the server offers no encryption or no known way to log in.
    """
    deadline = Deadline(reach.total_s)
    server = letter.server
    try:
        sock = reach.connect(
            server.host,
            server.port,
            server.scheme,
            deadline=deadline,
            dial=lambda address, left: socket.create_connection((address, server.port), left),
            failures=(OSError,),
        )
        with closing(_Conversation(sock, deadline, reach.read_s)) as talk:
            answer = _hand_over(letter, talk, tls)
            deadline.hurry(_FAREWELL_SECONDS)
            with suppress(SendError, OSError):
                talk.ask("QUIT")
            return answer
    except SendError:
        raise
    except Exception as error:
        raise SendError(_reason(error)) from None


class _RefusedError(Exception):
    """The server refused a command."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class _Conversation:
    """Commands and replies over a connection, each wait bounded and all of them by the deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline, read_s: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._read_s = read_s
        self._unread = b""

    def close(self) -> None:
        self._sock.close()

    def encrypt(self, tls: ssl.SSLContext, host: str) -> None:
        """Go on encrypted. Raises `SendError` where something was said before that would count as said after it."""
        if self._unread:
            raise SendError("the server spoke out of turn", temporary=False)
        self._sock.settimeout(self._deadline.remaining(self._read_s))
        self._sock = tls.wrap_socket(self._sock, server_hostname=host)

    def name(self) -> str:
        """Return our own name for EHLO: the address that we come from."""
        own = ip_address(self._sock.getsockname()[0].partition("%")[0])
        return f"[IPv6:{own}]" if own.version == 6 else f"[{own}]"

    def ask(self, command: str, *, to: str = "", wanted: int = 2) -> list[str]:
        """Send `command` and return the lines of the reply. Raises `_RefusedError` unless it begins with `wanted`."""
        self.say(command.encode("ascii") + b"\r\n")
        return self.hear(to or command, wanted)

    def say(self, data: bytes) -> None:
        """Send `data`."""
        rest = memoryview(data)
        while rest:
            self._sock.settimeout(self._deadline.remaining(self._read_s))
            rest = rest[self._sock.send(rest) :]

    def hear(self, to: str, wanted: int) -> list[str]:
        """Return the lines of a reply without their code. Raises `_RefusedError` where it says no, `SendError` where it
        says yes to something else: a 250 to DATA has taken no mail.
        """
        lines: list[str] = []
        while True:
            line = self._line()
            if not re.match(rb"[2-5][0-9]{2}([ -]|$)", line) or len(lines) >= MAX_LINES:
                raise SendError("the server's answer is not SMTP")
            lines.append(line[4:].decode("utf-8", "replace"))
            if line[3:4] != b"-":
                break
        code = int(line[:3])
        if code // 100 != wanted:
            if code < 400:
                raise SendError("the server's answer is not SMTP")
            text = " ".join(lines)
            raise _RefusedError(Answer(code, None, text[:MAX_ANSWER_BYTES], len(text) > MAX_ANSWER_BYTES, to))
        self.code = code
        return lines

    def _line(self) -> bytes:
        while b"\n" not in self._unread:
            if len(self._unread) > MAX_LINE:
                raise SendError("the server's answer is not SMTP")
            self._sock.settimeout(self._deadline.remaining(self._read_s))
            data = self._sock.recv(MAX_LINE)
            if not data:
                raise SendError("the server closed the connection")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line.rstrip(b"\r")


def _hand_over(letter: Letter, talk: _Conversation, tls: ssl.SSLContext) -> Answer:
    server = letter.server
    try:
        if server.scheme == "smtps":
            talk.encrypt(tls, server.host)
        talk.hear("the connection", 2)
        offers = talk.ask(f"EHLO {talk.name()}", to="EHLO")
        if server.scheme == "smtp+starttls":
            if "STARTTLS" not in (offer.strip().upper() for offer in offers[1:]):
                raise SendError("the server offers no STARTTLS", temporary=False)
            talk.ask("STARTTLS")
            talk.encrypt(tls, server.host)
            offers = talk.ask(f"EHLO {talk.name()}", to="EHLO")
        if letter.user is not None:
            _log_in(letter.user, letter.password, offers[1:], talk)
        talk.ask(f"MAIL FROM:<{letter.sender}>", to="MAIL FROM")
        talk.ask(f"RCPT TO:<{letter.recipient}>", to="RCPT TO")
        talk.ask("DATA", wanted=3)
        talk.say(_stuffed(letter.content))
        taken = talk.hear("the mail", 2)
    except _RefusedError as refused:
        return refused.answer
    return Answer(talk.code, None, " ".join(taken)[:MAX_ANSWER_BYTES])


def _log_in(user: str, password: str, offers: list[str], talk: _Conversation) -> None:
    ways = {way for offer in offers if re.match(r"AUTH[ =]", offer.upper()) for way in offer[5:].upper().split()}
    if "PLAIN" in ways:
        talk.ask(f"AUTH PLAIN {_base64(f'{chr(0)}{user}{chr(0)}{password}')}", to="AUTH")
    elif "LOGIN" in ways:
        talk.ask("AUTH LOGIN", to="AUTH", wanted=3)
        talk.ask(_base64(user), to="AUTH", wanted=3)
        talk.ask(_base64(password), to="AUTH")
    else:
        raise SendError("the server offers neither AUTH PLAIN nor AUTH LOGIN", temporary=False)


def _stuffed(content: bytes) -> bytes:
    """Return what follows DATA: lines that end with CRLF, a dot before a dot that begins one, and a dot at the end."""
    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removesuffix(b"\n").split(b"\n")
    return b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in lines) + b".\r\n"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _reason(error: Exception) -> str:
    """Say in our own words why no answer came."""
    if (known := common_reason(error)) is not None:
        return known
    if isinstance(error, TimeoutError):
        return TOO_LONG
    if isinstance(error, ssl.SSLError):
        return "no encrypted connection could be made"
    if isinstance(error, OSError):
        return "the connection failed"
    return f"sending failed ({type(error).__name__})"
