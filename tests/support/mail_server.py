"""A real SMTP server on the loopback that behaves as told: takes mail, refuses, hangs, closes, dribbles, lies."""

from __future__ import annotations

import base64
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

PATIENCE_S = 60.0
QUERY = "to=ada@example.org&from=trackside@ml.example.org"


@dataclass(frozen=True)
class Mail:
    """A mail as it was taken."""

    sender: str
    recipient: str
    content: bytes
    encrypted: bool
    user: str | None
    greeted_as: str

    @property
    def message(self) -> EmailMessage:
        """The mail, read."""
        read = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(read, EmailMessage)
        return read


@dataclass
class Manner:
    """How the server behaves. `replies`: by command ("CONNECT" and "." among them), instead of the usual one; a reply
    of None closes the connection, "hang" answers nothing, "dribble" a byte now and then, "endless" lines without end.
    `offers`: what EHLO names. `users`: who may log in.
    """

    offers: Sequence[str] = ("AUTH PLAIN LOGIN", "8BITMIME")
    users: dict[str, str] = field(default_factory=dict)
    replies: dict[str, str | None] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    implicit: bool = False


class MailServer:
    """Keeps what it took (`mails`) and every command (`commands`)."""

    def __init__(self, manner: Manner) -> None:
        self.manner = manner
        self.mails: list[Mail] = []
        self.commands: list[str] = []
        self.released = threading.Event()
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.settimeout(PATIENCE_S)
                with suppress(OSError, ssl.SSLError, EOFError):
                    session = _Session(server, self.request)
                    try:
                        session.run()
                    finally:
                        session.close()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def url(self, scheme: str = "smtp", user: str = "", host: str = "127.0.0.1", query: str = QUERY) -> str:
        """The address of a channel that sends here; `user` is "user:password"."""
        return f"{scheme}://{user + '@' if user else ''}{host}:{self.port}/?{query}"

    def stop(self) -> None:
        """Close the door."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Session:
    """One conversation."""

    def __init__(self, server: MailServer, sock: socket.socket) -> None:
        self._server = server
        self._manner = server.manner
        self._sock: socket.socket = sock
        self._encrypted = False
        self._user: str | None = None
        if self._manner.implicit:
            self._encrypt()
        self._file = self._sock.makefile("rb")

    def run(self) -> None:
        """Talk until the other side leaves."""
        name = sender = recipient = ""
        if not self._reply("CONNECT", "220 mail.example.org ready"):
            return
        while line := self._line():
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            if verb == "EHLO":
                name = rest
                offers = [] if self._encrypted or self._manner.tls is None else ["STARTTLS"]
                lines = ["mail.example.org", *offers, *self._manner.offers]
                usual = "\r\n".join(f"250{' ' if each is lines[-1] else '-'}{each}" for each in lines)
            elif verb == "STARTTLS":
                usual = "220 go ahead"
            elif verb == "AUTH":
                usual = self._log_in(rest)
            elif verb == "MAIL":
                sender, usual = rest, "250 2.1.0 ok"
            elif verb == "RCPT":
                recipient, usual = rest, "250 2.1.5 ok"
            elif verb == "DATA":
                usual = "354 go ahead"
            else:
                usual = "221 2.0.0 bye" if verb == "QUIT" else "500 5.5.2 what?"
            if not self._reply(verb, usual):
                return
            if verb == "STARTTLS" and "STARTTLS" not in self._manner.replies:
                self._file.close()
                self._encrypt()
                self._file = self._sock.makefile("rb")
            if verb == "DATA" and "DATA" not in self._manner.replies:
                content = self._data()
                taken = Mail(sender[5:], recipient[3:], content, self._encrypted, self._user, name)
                if not self._manner.replies.get(".", "250").startswith(("4", "5")):  # type: ignore[union-attr]
                    self._server.mails.append(taken)
                if not self._reply(".", "250 2.0.0 queued as 77"):
                    return

    def close(self) -> None:
        """Leave."""
        self._file.close()
        self._sock.close()

    def _line(self) -> str:
        line = self._file.readline().decode()
        self._server.commands.append(line.rstrip("\r\n"))
        assert not line or line.endswith("\r\n"), "lines end with CRLF"
        return line.rstrip("\r\n")

    def _data(self) -> bytes:
        content = b""
        while (line := self._file.readline()) != b".\r\n":
            assert line.endswith(b"\r\n"), "lines end with CRLF"
            content += line[1:] if line.startswith(b".") else line
        return content

    def _log_in(self, rest: str) -> str:
        way, _, first = rest.partition(" ")
        if way == "PLAIN":
            _, user, password = base64.b64decode(first).decode().split("\0")
        else:
            given = []
            for asked in (b"VXNlcm5hbWU6", b"UGFzc3dvcmQ6"):
                self._sock.sendall(b"334 " + asked + b"\r\n")
                given.append(base64.b64decode(self._line()).decode())
            user, password = given
        if self._manner.users.get(user) != password:
            return f"535 5.7.8 {user} with {password} ({first}) is not known"
        self._user = user
        return "235 2.7.0 welcome"

    def _reply(self, command: str, usual: str) -> bool:
        """Answer, and return whether to go on."""
        reply = self._manner.replies.get(command, usual)
        if reply is None:
            return False
        if reply == "hang":
            self._server.released.wait(PATIENCE_S)
            return False
        if reply in ("dribble", "endless"):
            while not self._server.released.wait(0.02 if reply == "dribble" else 0):
                self._sock.sendall(b"2" if reply == "dribble" else b"220-more\r\n" * 100)
            return False
        self._sock.sendall(reply.encode() + b"\r\n")
        return True

    def _encrypt(self) -> None:
        assert self._manner.tls is not None
        self._sock = self._manner.tls.wrap_socket(self._sock, server_side=True)
        self._encrypted = True


@contextmanager
def mail_server(manner: Manner | None = None) -> Iterator[MailServer]:
    """Open one for a while."""
    server = MailServer(manner or Manner())
    try:
        yield server
    finally:
        server.stop()
