"""A preview as JSON text, piece by piece: a million LRs are numbers in an array until they are sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from trackside_service.api.answers import encode

PIECE: Final = 20_000
"""LRs that are written at once."""


def previewed(groups: Sequence[npt.NDArray[np.float64]], *, listed: bool) -> Iterator[bytes]:
    """Yield {"lrs": [...]} of the first group, and with `listed` "groups" as well, one list a group."""
    yield b'{"lrs":'
    yield from _list(groups[0])
    if listed:
        yield b',"groups":['
        for place, lrs in enumerate(groups):
            if place:
                yield b","
            yield from _list(lrs)
        yield b"]"
    yield b"}"


def _list(lrs: npt.NDArray[np.float64]) -> Iterator[bytes]:
    yield b"["
    for begin in range(0, len(lrs), PIECE):
        yield (b"," if begin else b"") + encode(lrs[begin : begin + PIECE].tolist())[1:-1]
    yield b"]"
