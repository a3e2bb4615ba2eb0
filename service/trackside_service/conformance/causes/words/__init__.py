"""What each cause is called, and what to do about it, in every framework's own words: a table a framework.

An entry ends the statement ("...: {why}.") and gives the advice; words in braces are filled in by the cause. `PLAIN`
holds for schedules of no framework and says nothing that only one framework has; a framework replaces what it can say
better. A key with "/Class" is for that class alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trackside_service.conformance.causes.words.keras import KERAS
from trackside_service.conformance.causes.words.paddle import PADDLE
from trackside_service.conformance.causes.words.plain import PLAIN, Table
from trackside_service.conformance.causes.words.stepped import STEPPED
from trackside_service.conformance.causes.words.timm import TIMM
from trackside_service.conformance.causes.words.torch import TORCH
from trackside_service.conformance.causes.words.transformers import TRANSFORMERS

TABLES: Final[Mapping[str, Table]] = {
    "": PLAIN,
    "torch": {**PLAIN, **STEPPED, **TORCH},
    "paddle": {**PLAIN, **STEPPED, **PADDLE},
    "transformers": {**PLAIN, **STEPPED, **TORCH, **TRANSFORMERS},
    "timm": {**PLAIN, **STEPPED, **TIMM},
    "keras": {**PLAIN, **KERAS},
}
