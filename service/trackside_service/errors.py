"""Named refusals, each with a stable code; no HTTP here: one table in `api` maps them to statuses.

Every message says what to change. None repeats a secret, and none echoes a rejected body.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a body: `pointer` is a JSON pointer into it ("" is the whole), `message` what to change."""

    pointer: str
    message: str


class TracksideError(Exception):
    """A refusal with a stable `code`; `str(error)` is the detail for the user."""

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong inside Trackside"

    def __init__(self, detail: str, *, faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = tuple(faults)


class InvalidInputError(TracksideError):
    """The request is well-formed but a value in it is not acceptable."""

    code = "invalid_input"
    title = "A value is not acceptable"


class ScheduleError(InvalidInputError):
    """A schedule's declaration that the real library would refuse, or that Trackside does not know."""

    code = "invalid_schedule"
    title = "The schedule cannot be built"


class RunNotFoundError(TracksideError):
    """No run has this id."""

    code = "run_not_found"
    title = "No such run"


class RunConflictError(TracksideError):
    """The run exists with another configuration, and no new process life was announced."""

    code = "run_conflict"
    title = "The run exists with another configuration"


class RunEndedError(TracksideError):
    """The run has ended otherwise than a request to end it says; an end stays as it is."""

    code = "run_ended"
    title = "The run has ended already, and otherwise"


class RunUnhealthyError(TracksideError):
    """Asked with `fail_on`: the run is at least that bad."""

    code = "run_unhealthy"
    title = "The run is not healthy"


class AlertNotFoundError(TracksideError):
    """No alert has this id."""

    code = "alert_not_found"
    title = "No such alert"


class AlertResolvedError(TracksideError):
    """The alert is resolved: there is nothing to take in hand any more."""

    code = "alert_resolved"
    title = "The alert is resolved already"


class SilenceNotFoundError(TracksideError):
    """No silence has this id."""

    code = "silence_not_found"
    title = "No such silence"


class RuleNotFoundError(TracksideError):
    """No rule has this code."""

    code = "rule_not_found"
    title = "No such rule"


class ChannelNotFoundError(TracksideError):
    """No channel has this id."""

    code = "channel_not_found"
    title = "No such channel"


class DeliveryNotFoundError(TracksideError):
    """No delivery has this id."""

    code = "delivery_not_found"
    title = "No such delivery"


class TargetRefusedError(InvalidInputError):
    """A channel's address that Trackside does not send to (private network, scheme, credentials in the address ...)."""

    code = "target_refused"
    title = "This target is not allowed"


class SecretKeyMissingError(TracksideError):
    """A channel cannot be stored because nothing can encrypt its secrets."""

    code = "secret_key_missing"
    title = "No key to encrypt secrets with"


class StorageUnavailableError(TracksideError):
    """The database cannot be reached or is not ready."""

    code = "storage_unavailable"
    title = "The database is not available"


class BusyError(TracksideError):
    """The writer's queue is full; try again after a moment."""

    code = "busy"
    title = "Too much at once"
