"""The norm of the gradients that an update uses: the Euclidean norm over all of them, as gradient clipping takes it.

It stays where the gradients are; nothing waits for a device.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable
from typing import Any


def torch_norm(parameters: Iterable[Any]) -> Any | None:
    """Return the norm as a tensor of one element, on the gradients' device; None where there are no gradients."""
    torch = sys.modules["torch"]
    found = [each.grad.detach() for each in parameters if getattr(each, "grad", None) is not None]
    if not found:
        return None
    with torch.no_grad():
        first = found[0].device
        return torch.stack([torch.linalg.vector_norm(each).to(first) for each in found]).norm()


def of_groups(optimizer: Any) -> Any | None:
    """Return the norm over all param groups of a torch optimizer."""
    return torch_norm(each for group in optimizer.param_groups for each in group["params"])


def paddle_norm(parameters: Iterable[Any]) -> Any | None:
    """Return the norm as a Paddle tensor; None where there are no gradients, or some are kept as rows of a table."""
    paddle = sys.modules["paddle"]
    found = [each.grad for each in parameters if each.grad is not None]
    if not found or any(each.is_selected_rows() for each in found):
        return None
    with paddle.no_grad():
        return paddle.linalg.norm(paddle.stack([paddle.linalg.norm(each.astype("float32")) for each in found]))


def before_updates(optimizer: Any, note: Callable[[], None]) -> Callable[[], None]:
    """Have `note` called before each update of a Paddle optimizer, which has no hook for it. Returns what undoes it.

    Several runs may watch one optimizer: what stands in the place of `step` is there once, until the last is undone.
    """
    watched = []
    for name in ("step", "minimize"):
        standing = vars(optimizer).get(name)
        if not isinstance(standing, _Noting):
            standing = _Noting(getattr(optimizer, name), own=standing)
            setattr(optimizer, name, standing)
        standing.notes = (*standing.notes, note)
        watched.append((name, standing))

    def undo() -> None:
        for name, standing in watched:
            standing.notes = tuple(each for each in standing.notes if each != note)
            if not standing.notes and vars(optimizer).get(name) is standing:  # else others stand around it
                if standing.own is None:
                    delattr(optimizer, name)
                else:
                    setattr(optimizer, name, standing.own)

    return undo


class _Noting:
    """An optimizer's method which is noted before it is called. `own`: what stood in the place of the class's."""

    def __init__(self, update: Callable[..., Any], own: Any) -> None:
        self._update = update
        self.own = own
        self.notes: tuple[Callable[[], None], ...] = ()

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        for note in self.notes:
            with contextlib.suppress(Exception):
                note()
        return self._update(*arguments, **options)
