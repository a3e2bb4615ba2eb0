"""Where in a run something was, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def place(where: Mapping[str, Any] | None) -> str:
    """Say where in the run; empty where that is not known."""
    parts = [f"{name} {where[name]:g}" for name in ("epoch",) if where and where.get(name) is not None]
    parts += [f"step {where['step']}"] if where and where.get("step") is not None else []
    return ", ".join(parts)
