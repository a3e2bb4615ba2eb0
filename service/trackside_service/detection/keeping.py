"""The state of the rules as versioned bytes, and back."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

from trackside_service.detection import states as table
from trackside_service.detection.states import DetectorState, RuleFault, note, running
from trackside_service.rules import RunContext

_VERSION: Final = 1


def dump(state: DetectorState, faults: list[RuleFault] | None = None) -> bytes:
    """Return the state as versioned bytes, a few kilobytes. A rule that stands aside has its version and no more.

    Several rules hold windows of the same metrics, each on its own so that each can be rebuilt by itself: compressed,
    they are stored about once, at a fifteenth of what writing the text costs.
    """
    rules: dict[str, str] = {}
    for rule in table.RULES:
        held = [rule.state_version]
        if rule.code in state.rules:
            try:
                rules[rule.code] = _json([*held, rule.dump(state.rules[rule.code])])
                continue
            except Exception as error:
                note(faults, rule, error)
        rules[rule.code] = _json(held)
    body = ",".join(f"{_json(code)}:{text}" for code, text in rules.items())
    return zlib.compress(f'{{"version":{_VERSION},"rules":{{{body}}}}}'.encode(), level=1)


def load(context: RunContext, data: bytes, faults: list[RuleFault] | None = None) -> DetectorState | None:
    """Undo `dump`. None where another version wrote it, or for another set of rules, or where a rule cannot read what
    it wrote: rebuild it from the stored points.
    """
    state, missing = load_some(context, data, faults)
    return None if missing else state


def load_some(
    context: RunContext, data: bytes, faults: list[RuleFault] | None = None
) -> tuple[DetectorState, frozenset[str]]:
    """Undo `dump` for the rules whose state can be read, and name the others that run: theirs is to be rebuilt."""
    try:
        body = json.loads(zlib.decompress(data))
        stored: Mapping[str, Any] = body["rules"] if body["version"] == _VERSION else {}
    except (ValueError, LookupError, TypeError, zlib.error):
        stored = {}
    states: dict[str, Any] = {}
    missing: set[str] = set()
    for rule, _ in running(context):
        try:
            version, *held = stored[rule.code]
        except (ValueError, LookupError, TypeError):
            version, held = None, []
        if version != rule.state_version:
            missing.add(rule.code)
        elif held:
            try:
                states[rule.code] = rule.load(held[0])
            except Exception as error:
                note(faults, rule, error)
                missing.add(rule.code)
    return DetectorState(states), frozenset(missing)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
