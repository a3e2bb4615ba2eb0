"""The state of a comparison with a metric as JSON values, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

from trackside_service.conformance.driven.following import Follower, States, Tick, View
from trackside_service.conformance.driven.reach import Reach
from trackside_service.conformance.driven.span import Span
from trackside_service.conformance.driven.state import Driven, Levels
from trackside_service.conformance.driven.worlds import CLEAN, Key, Seen, World
from trackside_service.conformance.explanation import FirstOff


def dump(state: Driven) -> dict[str, Any]:
    """Return the state as JSON values, a kilobyte or two."""
    return {
        "free": None if state.free is None else _follower(state.free),
        "followers": [_follower(each) for each in state.followers],
        "first": state.first,
        "levels": list(astuple(state.levels)),
        "falls": state.falls,
    }


def load(data: dict[str, Any]) -> Driven:
    """Undo `dump`."""
    return Driven(
        None if data["free"] is None else _unfollower(data["free"]),
        tuple(_unfollower(each) for each in data["followers"]),
        data["first"],
        Levels(*data["levels"]),
        data["falls"],
    )


def _follower(follower: Follower) -> dict[str, Any]:
    return {
        "name": follower.name,
        "views": [
            [view.when, _states(view.states), _off(view.off), _off(view.latest), view.back] for view in follower.views
        ],
        "by": follower.by,
        "base": follower.base,
        "open": None if follower.open is None else list(astuple(follower.open)),
        "reports": follower.reports,
        "at": list(follower.at),
        "vague": follower.vague,
        "missing": follower.missing,
        "valued": follower.valued,
        "shown": [follower.decimals, follower.significant],
        "snapshots": [[key, [_states(states) for states in held]] for key, held in follower.snapshots],
    }


def _unfollower(data: dict[str, Any]) -> Follower:
    opened = data["open"]
    return Follower(
        data["name"],
        tuple(
            View(when, _unstates(states), _unoff(off), _unoff(latest), back)
            for when, states, off, latest, back in data["views"]
        ),
        data["by"],
        data["base"],
        None
        if opened is None
        else Tick(opened[0], _pair(opened[1]), tuple(Seen(*one) for one in opened[2]), opened[3]),
        data["reports"],
        (data["at"][0], data["at"][1]),
        data["vague"],
        data["missing"],
        data["valued"],
        data["shown"][0],
        data["shown"][1],
        tuple((key, tuple(_unstates(states) for states in held)) for key, held in data["snapshots"]),
    )


def _pair(value: Sequence[float] | None) -> tuple[float, float] | None:
    return None if value is None else (value[0], value[1])


def _states(states: States) -> dict[str, Any] | list[list[Any]]:
    if isinstance(states, Reach):
        return {
            "reach": [states.least, states.most, states.due],
            "key": list(states.key),
            "blame": _off(states.blame),
        }
    if isinstance(states, Span):
        return {"span": [states.low, states.high, states.due], "key": list(states.key), "blame": _off(states.blame)}
    return [_world(world) for world in states]


def _world(world: World) -> list[Any]:
    """Return its parts, without those at the end that say nothing."""
    parts: list[Any] = [world.level, world.bad, world.rest, world.low, world.high]
    if world.left or world.peers:
        return [*parts, list(world.key), _off(world.blame), world.left, list(world.peers)]
    return parts if world.key == CLEAN and world.blame is None else [*parts, list(world.key), _off(world.blame)]


def _unstates(data: dict[str, Any] | Sequence[Sequence[Any]]) -> States:
    if isinstance(data, dict) and "span" in data:
        low, high, due = data["span"]
        return Span(low, high, due, _key(data["key"]), _unoff(data["blame"]))
    if isinstance(data, dict):
        least, most, due = data["reach"]
        return Reach(least, most, due, _key(data["key"]), _unoff(data["blame"]))
    return tuple(_unworld(one) for one in data)


def _unworld(data: Sequence[Any]) -> World:
    level, bad, rest, low, high, *more = data
    key, blame, *last = more or (CLEAN, None)
    left, peers = last or (0, ())
    return World(level, bad, rest, low, high, _key(key), _unoff(blame), left, tuple(peers))


def _key(data: Sequence[int]) -> Key:
    return data[0], data[1], data[2]


def _off(off: FirstOff | None) -> list[Any] | None:
    return None if off is None else list(astuple(off))


def _unoff(data: Sequence[Any] | None) -> FirstOff | None:
    return None if data is None else FirstOff(*data)
