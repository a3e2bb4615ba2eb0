"""How serious a message is, at a glance: a character and a colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

Tone: TypeAlias = Literal["critical", "warning", "info", "resolved", "acknowledged", "test"]

# The severity has to be seen before anything is read.
MARKS: Final[Mapping[Tone, str]] = {
    "critical": "🔴",
    "warning": "🟠",
    "info": "🔵",
    "resolved": "🟢",
    "acknowledged": "👀",
    "test": "🏁",
}
# The same, for channels that show a colour (0xRRGGBB).
COLOURS: Final[Mapping[Tone, int]] = {
    "critical": 0xD92D20,
    "warning": 0xF79009,
    "info": 0x2E90FA,
    "resolved": 0x12B76A,
    "acknowledged": 0x667085,
    "test": 0x667085,
}
