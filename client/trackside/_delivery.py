"""What an answer of the service means for the request that it answers."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from trackside._transport import Answer

Meaning = Literal["done", "later", "misplaced", "unknown_run", "refused"]

# What a bare run cannot do without; everything else is given up, part by part, before the run is.
ESSENTIAL = ("project", "name", "process")
GIVEN_UP_FIRST = (("schedule",), ("expectations", "rules", "metric_names", "metric_units"))

# Only these judge the body, and only where the service itself says so: its problems carry a `code`, a proxy's page does
# not. Any other 4xx (a key, a host name, a proxy's opinion) can be repaired; nothing is dropped.
REFUSALS = (400, 409, 413, 422)
CONFLICT = 409
TOO_LARGE = 413

BASE_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
BASE_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0


def meaning(method: str, answer: Answer) -> Meaning:
    """Sort the answer to a request.

    done; later (429, 5xx and their like: the same request may succeed); misplaced (the address or the key is wrong, or
    something on the way answered: the same request succeeds once somebody repairs that); unknown_run (404); refused
    (the service says that this body never succeeds). A 2xx without a JSON object, or to records without their count,
    did not come from the service: misplaced.
    """
    status = answer.status
    if 200 <= status < 300:
        real = answer.body is not None and (method != "POST" or "accepted" in answer.body)
        return "done" if real else "misplaced"
    if status in (408, 425, 429) or status >= 500:
        return "later"
    if status == 404:
        return "unknown_run"
    if method == "POST" and status == CONFLICT:  # about the run, never a judgement of a record
        return "misplaced"
    judged = status in REFUSALS and isinstance((answer.body or {}).get("code"), str)
    return "refused" if judged else "misplaced"


def lighter(body: Mapping[str, Any], answer: Answer) -> dict[str, Any] | None:
    """Return the run's declaration without the parts that the service refuses, or None when only the essential is left.

    The parts are those that the answer's JSON pointers name; without
    pointers, the schedule first, then what else is checked, then all.
    """
    optional = [key for key in body if key not in ESSENTIAL]
    if not optional:
        return None
    named = {pointer.split("/")[1] for pointer in _pointers(answer.body or {}) if pointer.count("/") >= 1}
    refused = [key for key in optional if key in named]
    if not refused:
        refused = next(
            ([k for k in part if k in body] for part in GIVEN_UP_FIRST if any(k in body for k in part)), optional
        )
    return {key: value for key, value in body.items() if key not in refused}


def _pointers(body: Mapping[str, Any]) -> list[str]:
    """Find the JSON pointers of a problem's faults, whatever the list is called."""
    found = []
    for value in body.values():
        if isinstance(value, list):
            found += [
                item["pointer"] for item in value if isinstance(item, Mapping) and isinstance(item.get("pointer"), str)
            ]
    return [pointer.lstrip("#") for pointer in found]


def delay(failures: int, retry_after_s: float | None, rng: random.Random) -> float:
    """Return the seconds to wait after the n-th failure in a row (from 1): doubled from 0.5 to 30 s, half of it random.

    A Retry-After is honoured as the least; up to a tenth is added so that many runs do not come back at once.
    """
    grown = min(LONGEST_DELAY_S, BASE_DELAY_S * 2.0 ** min(failures - 1, 16))
    own = grown * (0.5 + 0.5 * rng.random())
    if retry_after_s is None:
        return own
    return max(own, retry_after_s * (1.0 + 0.1 * rng.random()))


def refusal_pause(in_a_row: int) -> float:
    """Return the seconds to wait after the n-th record in a row that was refused by itself: doubled from 0.1 to 10 s.

    A few bad records cost little time; a service that refuses everything gets the time to be repaired.
    """
    return 0.0 if in_a_row == 0 else min(LONGEST_PAUSE_S, BASE_PAUSE_S * 2.0 ** min(in_a_row - 1, 16))


def _with_symptoms(alerts: object) -> list[Mapping[str, Any]]:
    """Every alert of an answer, and what the service lists under it: a collapse under an inherited cause is new."""
    listed = _mappings(alerts)
    return listed + [each for alert in listed for each in _mappings(alert.get("symptoms"))]


def _mappings(found: object) -> list[Mapping[str, Any]]:
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


class CriticalAlerts:
    """Follows the alerts that the service's answers tell of: did a critical one open in this process life?

    What an earlier life of the run left open is no reason to stop the life that was started to repair it. The answer to
    a PUT tells of such alerts as changed, not opened; a later change of one counts no more than it did, until it
    resolved and opens again.
    """

    def __init__(self) -> None:
        self._inherited: set[str] = set()

    def opened(self, method: str, answer: Mapping[str, Any], *, resumed: bool) -> bool:
        """Tell whether the request opened a critical alert or made one critical.

        A repeated post is answered with its duplicates and no alerts: then the run's health says it, unless the run was
        `resumed` and its health may be an earlier life's.
        """
        found = False
        for alert in _with_symptoms(answer.get("alerts")):
            if alert.get("severity") != "critical":
                continue
            event, own_id = alert.get("event"), str(alert.get("id"))
            if alert.get("state") not in ("open", "acknowledged") or event == "resolved":
                self._inherited.discard(own_id)
            elif method == "PUT" and event != "opened":
                self._inherited.add(own_id)
            elif event == "opened" or (event == "changed" and own_id not in self._inherited):
                found = True
        return found or (not resumed and bool(answer.get("duplicates")) and answer.get("health") == "critical")
