"""The faults, and what is owed under each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tests.faults.gate import Mode

# all: every point is on the service exactly once; second: all but those of the last second before the kill; counted:
# what is missing is as many as the service is told
Owed = Literal["all", "second", "counted"]
Disk = Literal["good", "full", "limited", "read-only"]


@dataclass(frozen=True)
class Case:
    """One training. `modes` are the gate's by the share of the steps at which they begin; `restarts` are the shares at
    which the service itself is killed, to be started again; `kill` is the share at which the training is.
    """

    name: str
    owed: Owed = "all"
    modes: tuple[tuple[float, Mode], ...] = ((0.0, "up"),)
    restarts: tuple[float, ...] = ()
    kill: float | None = None
    disk: Disk = "good"
    steps: int = 500
    want: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


def _always(mode: Mode) -> tuple[tuple[float, Mode], ...]:
    return ((0.0, mode),)


_LONG: Final[dict[str, Any]] = {"pause_s": 0.08}  # after every 25 steps: 500 take 1.6 seconds more
# It fills between two looks of the sender, every quarter of a second, on a machine that is ten times slower too.
_LITTLE_MEMORY: Final = {"TRACKSIDE_QUEUE_SIZE": "20"}
CASES: Final = (
    Case("up"),
    Case("dead", modes=_always("dead")),
    Case("hanging at connect", modes=_always("hangs at connect")),
    Case("hanging before the answer", modes=_always("hangs")),
    Case("hanging after headers", modes=_always("hangs after headers")),
    Case("connection reset", modes=_always("resets")),
    Case("429 with Retry-After", modes=_always("429")),
    Case("500", modes=_always("500")),
    Case("413 to everything", modes=_always("413")),
    Case("200 with invalid JSON", modes=_always("nonsense")),
    Case("slow drip", modes=_always("drips")),
    Case("away and back", modes=((0.0, "up"), (0.2, "dead"), (0.6, "up")), want=_LONG),
    Case("hanging and back", modes=((0.0, "up"), (0.2, "hangs"), (0.6, "up")), want=_LONG),
    Case("service killed and restarted, twice", restarts=(0.1, 0.5), steps=1500, want=_LONG),
    Case("full queue", "counted", modes=_always("hangs"), variables=_LITTLE_MEMORY),
    Case("full queue, then back", "counted", modes=((0.0, "hangs"), (0.6, "up")), variables=_LITTLE_MEMORY, want=_LONG),
    Case("full disk", "counted", modes=_always("dead"), disk="full"),
    Case("file size limit", "counted", modes=_always("dead"), disk="limited"),
    Case("read-only disk", "counted", modes=_always("dead"), disk="read-only"),
    Case("full disk, then back", modes=((0.0, "dead"), (0.6, "up")), disk="full", want=_LONG),
    Case("fork", want={"fork": True}),
    Case("fork while dead", modes=_always("dead"), want={"fork": True}),
    Case("SIGKILL", "second", kill=0.8, want=_LONG),
    Case("SIGKILL while dead", "second", modes=_always("dead"), kill=0.8, want=_LONG),
    Case("SIGKILL while hanging", "second", modes=_always("hangs"), kill=0.8, want=_LONG),
    Case("thread start refused", want={"no_threads": True}),
    Case("bad records in batches", "counted", want={"wide": list(range(100, 340, 20))}),
    Case("bad records, replayed", "counted", modes=_always("dead"), want={"wide": list(range(100, 340, 20))}),
)
