"""The state of a comparison in progress as JSON values, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from trackside_service.conformance.driven import storing, trail
from trackside_service.conformance.epochs import EpochStats
from trackside_service.conformance.fronts import Suspect
from trackside_service.conformance.keeping import Keeping, Kept
from trackside_service.conformance.observations import LrPoint
from trackside_service.conformance.print_stats import PrintStats
from trackside_service.conformance.tracker import TrackerState


def dump(state: TrackerState) -> dict[str, Any]:
    """Return the state as JSON values, a few kilobytes; equal fronts are written once."""
    fronts = list(dict.fromkeys(state.fronts))
    prints = state.prints
    return {
        "peak": state.peak,
        "points": state.points,
        "placed": state.placed,
        "unknown": state.unknown,
        "magnitude": state.magnitude,
        "first_epoch": state.first_epoch,
        "epochs": [getattr(state.epochs, part.name) for part in fields(state.epochs)],
        "prints": {part.name: _plain(getattr(prints, part.name)) for part in fields(prints)},
        "fronts": [[[*s.key, s.ways, s.index, s.level, *_point(s.point)] for s in front] for front in fronts],
        "of": [fronts.index(front) for front in state.fronts],
        "stride": state.keeping.stride,
        "marks": list(state.keeping.marks),
        "driven": None if state.driven is None else storing.dump(state.driven),
        "loose": None if state.loose is None else storing.dump(state.loose),
        "trail": None if state.driven is None else trail.dump(state.trail),
        **{
            name: [[kept.index, *_point(kept.point)] for kept in part]
            for name, part in (
                ("series", state.keeping.series),
                ("recent", state.keeping.recent),
                ("around", state.keeping.around),
            )
        },
    }


def load(data: dict[str, Any]) -> TrackerState:
    """Undo `dump`. Raises `KeyError`, `TypeError` or `ValueError` on data that it did not write."""
    fronts = [
        tuple(
            Suspect((entry[0], entry[1], entry[2]), entry[4], _unpoint(entry[6:]), entry[5], entry[3])
            for entry in front
        )
        for front in data["fronts"]
    ]
    shown = data["prints"]
    prints = PrintStats(
        texted=shown["texted"],
        mantissas=_pair(shown["mantissas"]),
        plain=_pair(shown["plain"]),
        trailing=shown["trailing"],
        decimals=shown["decimals"],
        significant=shown["significant"],
        at_depth=tuple(shown["at_depth"]),
        bits=shown["bits"],
        exact=shown["exact"],
        upper=shown["upper"],
        spelt=shown["spelt"],
    )
    return TrackerState(
        peak=data["peak"],
        points=data["points"],
        placed=data["placed"],
        unknown=data["unknown"],
        magnitude=data["magnitude"],
        first_epoch=data["first_epoch"],
        epochs=EpochStats(*data["epochs"]),
        prints=prints,
        fronts=tuple(fronts[index] for index in data["of"]),
        keeping=Keeping(
            _kept(data["series"]), data["stride"], _kept(data["recent"]), _kept(data["around"]), tuple(data["marks"])
        ),
        driven=None if data["driven"] is None else storing.load(data["driven"]),
        loose=None if data["loose"] is None else storing.load(data["loose"]),
        trail=trail.Trail() if data["trail"] is None else trail.load(data["trail"]),
    )


def _kept(entries: Sequence[Sequence[Any]]) -> tuple[Kept, ...]:
    return tuple(Kept(entry[0], _unpoint(entry[1:])) for entry in entries)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _pair(value: Sequence[int] | None) -> tuple[int, int] | None:
    return None if value is None else (value[0], value[1])


def _point(point: LrPoint) -> list[Any]:
    lr: float | str = point.lr if math.isfinite(point.lr) else repr(point.lr)
    parts: list[Any] = [lr, point.step, point.epoch, point.text, point.before or None, point.perhaps or None]
    while parts[-1] is None:
        parts.pop()
    return parts


def _unpoint(parts: Sequence[Any]) -> LrPoint:
    lr, step, epoch, text, before, perhaps = (*parts, *(None,) * 5)[:6]
    return LrPoint(float(lr), step, epoch, text, before=before or 0, perhaps=perhaps or 0)
