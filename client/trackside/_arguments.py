"""Checks the arguments of `Run` and makes the run's declaration of them. What is wrong raises here, with clear text."""

from __future__ import annotations

import math
import numbers
import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from trackside import _config, _wire


def declaration(
    *,
    project: str | None,
    name: str | None,
    schedule: Mapping[str, Any] | None,
    total_epochs: int | None,
    steps_per_epoch: int | None,
    expectations: Sequence[Mapping[str, Any]] | None,
    params: Mapping[str, Any] | None,
    tags: Sequence[str] | None,
    framework: str | None,
    num_classes: int | None,
    metric_names: Mapping[str, str] | None,
    metric_units: Mapping[str, str] | None,
    rules: Mapping[str, Any] | None,
    heartbeat_s: float | None,
) -> dict[str, Any]:
    """Return the body of PUT /v1/runs/{id} without what the optimizer, the scheduler and the process add."""
    body: dict[str, Any] = {"project": _text("project", project) or _config.project_from_environment()}
    given: dict[str, Any] = {
        "name": _text("name", name),
        "framework": _text("framework", framework),
        "total_epochs": _count("total_epochs", total_epochs),
        "steps_per_epoch": _count("steps_per_epoch", steps_per_epoch, most=_wire.MAX_STEP),
        "num_classes": _count("num_classes", num_classes),
        "schedule": _schedule(schedule),
        "expectations": _mappings("expectations", expectations),
        "rules": _mapping("rules", rules),
        "metric_names": _texts("metric_names", metric_names),
        "metric_units": _texts("metric_units", metric_units),
        "params": _mapping("params", params),
        "tags": _tags(tags),
        "heartbeat_s": _seconds("heartbeat_s", heartbeat_s),
    }
    body.update({key: value for key, value in given.items() if value is not None})
    return body


def identity(run_id: str | uuid.UUID | None) -> uuid.UUID | None:
    """Return the run's id. Raises `TypeError` or `ValueError` when it is no UUID."""
    if run_id is None or isinstance(run_id, uuid.UUID):
        return run_id
    if not isinstance(run_id, str):
        raise TypeError(f"run_id must be a UUID, not {type(run_id).__name__}")
    try:
        return uuid.UUID(run_id)
    except ValueError:
        raise ValueError("run_id must be a UUID; uuid.uuid5 makes one of a name") from None


def check_rest(
    unit: str, metric: str | None, stop_on: str | None, api_key: str | None, resumed_from_step: int | None
) -> None:
    """Check what is no part of the declaration."""
    if unit not in ("epoch", "step"):
        raise ValueError(f"scheduler_unit must be 'epoch' or 'step': what one scheduler.step() is; not {unit!r}")
    _text("scheduler_metric", metric)
    if stop_on not in (None, "critical"):
        raise ValueError(f"stop_on must be 'critical' or None, not {stop_on!r}")
    if api_key is not None:
        if not isinstance(api_key, str):
            raise TypeError(f"api_key must be text, not {type(api_key).__name__}")
        if not _config.is_header_text(api_key.strip()):
            raise ValueError("api_key holds characters that no key has")
    _count("resumed_from_step", resumed_from_step, least=0, most=_wire.MAX_STEP)


def script_name() -> str:
    """Return what a run without a name is called after: the script."""
    name = os.path.splitext(os.path.basename((sys.argv or [""])[0]))[0]
    printable = "".join(character for character in name if character.isprintable())
    return printable[:100] if printable and printable not in ("-c", "-m") else "run"


def _text(name: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {type(value).__name__}")
    value = _wire.text(value)
    if not value.strip() or len(value) > _wire.MAX_NAME or not value.isprintable():
        raise ValueError(f"{name} must be printable text of 1 to {_wire.MAX_NAME} characters")
    return value


def _count(name: str, value: object, *, least: int = 1, most: int = _wire.MAX_EPOCH) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number, not {type(value).__name__}")
    count = int(value)
    if count < least:
        raise ValueError(f"{name} must be at least {least}, not {count}")
    if count > most:
        raise ValueError(f"{name} must be at most {most:,}")
    return count


def _seconds(name: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    seconds = float(value)
    if not math.isfinite(seconds) or seconds <= 0:
        raise ValueError(f"{name} must be more than 0 seconds")
    return seconds


def _mapping(name: str, value: object) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping, not {type(value).__name__}")
    if not all(isinstance(key, str) for key in value):
        raise TypeError(f"the keys of {name} must be text")
    found = _wire.jsonable(value)
    assert isinstance(found, dict)
    return found


def _schedule(value: object) -> dict[str, Any] | None:
    found = _mapping("schedule", value)
    if found is not None:
        if "kind" not in found and not ("framework" in found and "class" in found):
            raise ValueError(
                "schedule must have 'framework' and 'class', or 'kind'; trackside.schedules.declare makes one, and a "
                "live scheduler goes into scheduler="
            )
        if isinstance(value, Mapping) and isinstance(value.get("values"), (list, tuple)):
            found["values"] = [_wire.jsonable(item) for item in value["values"]]  # a table is longer than params may be
    return found


def _mappings(name: str, value: object) -> list[Any] | None:
    if value is None:
        return None
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
        raise TypeError(f"{name} must be a list of mappings, not {type(value).__name__}")
    return [_mapping(f"an item of {name}", item) for item in value if item is not None]


def _texts(name: str, value: object) -> dict[str, Any] | None:
    found = _mapping(name, value)
    if found is not None and not all(isinstance(item, str) for item in found.values()):
        raise TypeError(f"the values of {name} must be text")
    return found


def _tags(value: object) -> list[str] | None:
    if value is None:
        return None
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise TypeError(f"tags must be a list of texts, not {type(value).__name__}")
    return [tag for tag in (_text("a tag", item) for item in value) if tag is not None]


_DECLARED = (
    "project",
    "name",
    "schedule",
    "total_epochs",
    "steps_per_epoch",
    "expectations",
    "params",
    "tags",
    "framework",
    "num_classes",
    "metric_names",
    "metric_units",
    "rules",
    "heartbeat_s",
)
_OTHERS = ("run_id", "scheduler_unit", "scheduler_metric", "resumed_from_step", "stop_on", "all_ranks", "api_key")


def check_options(url: str | None, options: Mapping[str, Any]) -> None:
    """Check an adapter's arguments as `Run` will, so that they raise when the adapter is made and not in training."""
    unknown = sorted(set(options) - {*_DECLARED, *_OTHERS})
    if unknown:
        raise TypeError(f"unexpected argument {unknown[0]!r}")
    declaration(**{name: options.get(name) for name in _DECLARED})
    identity(options.get("run_id"))
    check_rest(
        options.get("scheduler_unit", "epoch"),
        options.get("scheduler_metric"),
        options.get("stop_on"),
        options.get("api_key"),
        options.get("resumed_from_step"),
    )
    if url is not None:
        _config.check_url(url)
