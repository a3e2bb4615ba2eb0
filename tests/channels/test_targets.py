"""Where messages may go."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from trackside_service.channels.targets import Targets, is_public, parse, parse_targets
from trackside_service.errors import InvalidInputError, TargetRefusedError

PRIVATE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "168.63.129.16",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::8.8.8.8",
    "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::8.8.8.8", "100::1",
    "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1",
    "2002:808:808::1",
    "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%1", "fec0::1", "ff02::1", "ff0e::1",
    "2600:1f00::5efe:10.0.0.1", "2600:1f00::200:5efe:7f00:1", "4000::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_and_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    assert Targets().refusal(ip_address(address), "https") is not None


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are(address: str) -> None:
    assert is_public(ip_address(address))
    assert Targets().refusal(ip_address(address), "https") is None
    assert Targets().refusal(ip_address(address), "http") is not None


def test_a_setting_names_networks_and_then_http_will_do() -> None:
    targets = parse_targets("10.1.0.0/16, 127.0.0.1,fd00::/8")
    assert targets.refusal(ip_address("10.1.2.3"), "http") is None
    assert targets.refusal(ip_address("::ffff:10.1.2.3"), "http") is None
    assert targets.refusal(ip_address("127.0.0.1"), "http") is None
    assert targets.refusal(ip_address("fd12::1"), "http") is None
    assert targets.refusal(ip_address("10.2.0.1"), "http") is not None
    assert targets.refusal(ip_address("127.0.0.2"), "https") is not None
    assert parse_targets("") == Targets()
    with pytest.raises(InvalidInputError, match="networks separated by commas"):
        parse_targets("10.1.0.0/16,nonsense")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x", "https://127.1/x", "https://2130706433/x", "https://0x7f000001/x",
        "https://017700000001/x",
        "https://[::1]/x", "https://[::ffff:7f00:1]/x", "https://localhost/x", "https://api.localhost/x",
        "https://localhost./x",
        "https://169.254.169.254/latest", "https://0/", "http://example.org/x", "http://8.8.8.8/x",
    ],
)  # fmt: skip
def test_what_can_be_refused_early_is(url: str) -> None:
    with pytest.raises(TargetRefusedError) as caught:
        Targets().check(url)
    assert caught.value.faults[0].pointer == "/url"


@pytest.mark.parametrize(
    "url",
    [
        "", "hooks.slack.com/x", "ftp://example.org/", "file:///etc/passwd", "https://", "https:///x",
        "https://user@example.org/",
        "https://user:word@example.org/", "https://example.org:0/", "https://example.org:99999/",
        "https://exa mple.org/",
        "https://example.org/\r\nX: y", "https://example.org\\@evil.org/", "https://example.org/#part",
        "https://[::1/x",
        "https://example.org/ä", "https://" + "a" * 70 + ".org/", "https://example.org/" + "x" * 2000,
    ],
)  # fmt: skip
def test_odd_addresses_are_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(TargetRefusedError) as caught:
        parse(url)
    assert len(url) < 9 or url not in str(caught.value)


def test_an_address_in_parts() -> None:
    target = parse("https://Hooks.Example.org.:8443/services/T0/B0?x=1")
    assert (target.scheme, target.host, target.port, target.path) == (
        "https", "hooks.example.org", 8443, "/services/T0/B0?x=1",
    )  # fmt: skip
    assert target.origin == "https://hooks.example.org:8443"
    assert parse("https://[2606:4700::1111]/").authority == "[2606:4700::1111]"
    assert parse("https://bücher.example/").host == "xn--bcher-kva.example"
    assert parse("https://example.org").path == "/"
    assert "services" not in repr(target)
