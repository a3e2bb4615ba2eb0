"""Where messages may go: addresses are read strictly, and every network address is checked when it is connected to.

The check at connect time is the one that counts: a name can point to another address by then. The check when a channel
is made only tells the user early.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from trackside_service.errors import Fault, InvalidInputError, TargetRefusedError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

MAX_URL: Final = 2000
WEB: Final = ("https", "http")
MAIL: Final = ("smtps", "smtp+starttls", "smtp")
# The usual port of each, and those that are encrypted before anything is said that matters.
_PORTS: Final = {"https": 443, "http": 80, "smtps": 465, "smtp+starttls": 587, "smtp": 25}
_SECURE: Final = frozenset({"https", "smtps", "smtp+starttls"})
# Not global, whatever the standard library's tables say in this or that release (RFC 6890 and its successors), and
# Azure's metadata server, which alone among them has a public address.
_SPECIAL: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16",
        "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
# The interface identifier of an ISATAP address: 0000:5efe or 0200:5efe, then the IPv4 address (RFC 5214).
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})


@dataclass(frozen=True, slots=True)
class Target:
    """A target's address in parts, so that no second reader can understand it otherwise. `path` is never printed."""

    scheme: str
    host: str
    port: int
    path: str = field(repr=False)

    @property
    def origin(self) -> str:
        """Scheme, host and port where it is not the usual one: what may be shown."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        return self.origin.partition("://")[2]


@dataclass(frozen=True, slots=True)
class Targets:
    """The private networks that may be sent to, besides the whole public internet over what is encrypted."""

    allowed: tuple[Network, ...] = ()

    def permits(self, address: Address) -> bool:
        """Whether the setting names a network that holds `address`."""
        address = _plain(address)
        return any(address in network for network in self.allowed)

    def refusal(self, address: Address, scheme: str) -> str | None:
        """Say why nothing may be sent to `address` over `scheme`, or None where it may."""
        if self.permits(address):
            return None
        if not is_public(address):
            return "the target lies in a private or special network; TRACKSIDE_ALLOW_TARGETS can name it"
        return None if scheme in _SECURE else _unencrypted(scheme)

    def check(self, url: str, schemes: Sequence[str] = WEB) -> Target:
        """Read `url` and refuse early what can be refused without asking a name server. Raises `TargetRefusedError`."""
        target = parse(url, schemes)
        address = _literal(target.host)
        if address is not None:
            reason = self.refusal(address, target.scheme)
        elif target.host == "localhost" or target.host.endswith(".localhost"):
            reasons = [self.refusal(ip_address(text), target.scheme) for text in ("127.0.0.1", "::1")]
            reason = None if None in reasons else reasons[0]
        elif target.scheme not in _SECURE and not self.allowed:
            reason = _unencrypted(target.scheme)
        else:
            reason = None
        if reason:
            raise refused(reason)
        return target


def parse_targets(text: str) -> Targets:
    """Read `TRACKSIDE_ALLOW_TARGETS`: networks or single addresses, separated by commas. Raises `InvalidInputError`."""
    try:
        return Targets(tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip()))
    except ValueError:
        raise InvalidInputError(
            'allowed targets are networks separated by commas, for example "127.0.0.0/8,10.1.0.0/16"'
        ) from None


def refused(reason: str) -> TargetRefusedError:
    """Return the error for a channel's address."""
    return TargetRefusedError(reason, faults=[Fault("/url", reason)])


def parse(url: str, schemes: Sequence[str] = WEB) -> Target:
    """Read an address of one of `schemes`. Raises `TargetRefusedError`, whose text never repeats the address.

    A user and a password belong to mail servers' addresses only, and are no part of what is returned.
    """
    if not url or len(url) > MAX_URL:
        raise refused(f"an address of 1 to {MAX_URL} characters is wanted")
    if any(char.isspace() or not char.isprintable() or char == "\\" for char in url):
        raise refused("the address holds a space, a backslash or a character that cannot be printed")
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
        user = parts.username is not None or parts.password is not None
        host = host if ":" in host else host.encode("idna").decode("ascii").rstrip(".")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        path.encode("ascii")
    except ValueError:
        raise refused("the address cannot be read") from None
    if scheme not in schemes:
        raise refused(f"the address must begin with {' or '.join(f'{each}://' for each in schemes if each in _SECURE)}")
    if not host or port == 0:
        raise refused("the address names no host or no port")
    if user and schemes is WEB:
        raise refused("the address must not carry a user name or password")
    if parts.fragment:
        raise refused("the address must not carry a fragment (#...)")
    return Target(scheme, host, port or _PORTS[scheme], path)


def _unencrypted(scheme: str) -> str:
    wanted = " or ".join(each for each in (WEB if scheme in WEB else MAIL) if each in _SECURE)
    return f"{wanted} is required outside the networks of TRACKSIDE_ALLOW_TARGETS"


def is_public(address: Address) -> bool:
    """Whether `address`, and the IPv4 address inside it where it embeds one, is of the public internet."""
    address = _plain(address)
    if isinstance(address, IPv6Address):
        inner = _embedded(address)
        if inner is not None and not is_public(inner):
            return False
        if address in _NAT64:
            return True
        if address not in _GLOBAL_UNICAST:
            return False
    if any(address in network for network in _SPECIAL if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def resolve(host: str, port: int) -> Iterable[str]:
    """Ask the system for the addresses of `host`, in its order of preference. Raises `OSError` (`socket.gaierror`)."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv4-mapped one stands for, and no zone."""
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))
    return address


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that traffic to `address` may end at: NAT64, 6to4, Teredo, ISATAP."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _literal(host: str) -> Address | None:
    """Return the address that `host` spells, also in the old forms that no name server is asked about ("127.1")."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None
