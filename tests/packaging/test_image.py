"""The image holds what the service needs and nothing of the demo; a step of compose gets the secrets that it uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]


def pins(lock: Path) -> dict[str, str]:
    """Return each pin of a lock with its hashes."""
    found: dict[str, str] = {}
    for line in lock.read_text().splitlines(keepends=True):
        if not line.startswith(" "):
            pin = line
            found[pin] = ""
        found[pin] += line
    return found


def test_the_image_installs_the_service_s_part_of_the_lock() -> None:
    """That it is enough is seen in `test_wheels`, where the service runs on it."""
    whole, part = pins(ROOT / "requirements.lock"), pins(ROOT / "service" / "requirements.lock")
    assert {pin: hashes for pin, hashes in whole.items() if pin in part} == part
    names = {pin.partition("==")[0] for pin in part}
    assert "fastapi" in names
    assert not names & {"scikit-learn", "scipy", "joblib", "httpx"}
    lines = (ROOT / "service" / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if "COPY" in line and "lock" in line] == ["COPY service/requirements.lock ./"]


def test_each_step_of_compose_gets_the_secrets_that_it_uses() -> None:
    services: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
    assert set(services["migrate"]["environment"]) == {"TRACKSIDE_DATABASE_URL"}
    assert set(services["service"]["environment"]) == {
        "TRACKSIDE_DATABASE_URL",
        "TRACKSIDE_ADMIN_KEY",
        "TRACKSIDE_SECRET_KEY",
    }
    for step in services.values():
        for value in step["environment"].values():
            assert "$" in value or value == "trackside", "a secret stands in the file"
