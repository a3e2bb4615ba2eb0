"""The causes of an LR off its schedule, one file a family, simplest first. A new family is a file and a line here."""

from __future__ import annotations

from trackside_service.conformance.causes.evidence import CauseSpec
from trackside_service.conformance.causes.scale import SCALE

CAUSES: tuple[CauseSpec, ...] = (SCALE,)
