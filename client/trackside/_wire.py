"""Values to JSON: numbers, numpy scalars, torch and Paddle tensors, NaN and infinities, and the caps of the service.

Two steps. `freeze` runs in the training loop: it is cheap, waits for no device, and returns something that a later
in-place change cannot alter and that keeps no autograd graph alive. `to_float` runs in the sender's thread.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, ClassVar, Union

MAX_NAME = 200
MAX_METRICS = 1000
MAX_STEP = 2**62
MAX_EPOCH = 10**9
MAX_TEXT = 2000
MAX_BITS = 4096  # of a whole number among the params; Python writes none of more than 4,300 digits
MAX_ITEMS = 1000
MAX_DEPTH = 8

WireNumber = Union[float, str]


class RefusedError(ValueError):
    """A value or a name that cannot be reported; the text says why."""


class OnDevice:
    """A copy of one number that still lies on an accelerator, and the event after which it is there."""

    __slots__ = ("_event", "_number", "_value", "read")

    any_made: ClassVar[bool] = False  # whether this process ever logged a value on a device

    def __init__(self, value: Any, event: Any) -> None:
        self._value = value
        self._event = event
        self._number: Any = None
        self.read = False
        OnDevice.any_made = True

    def item(self) -> Any:
        """Wait for the copy (in the caller's thread, never the training loop's) and return the number."""
        value, event = self._value, self._event
        if not self.read:
            if event is not None:
                event.synchronize()
            self._number = value.item()
            self.read = True
            self._value = self._event = None
        return self._number

    def ready(self) -> bool:
        """Whether the copy is there, as far as the device can tell without a wait."""
        event = self._event
        try:
            return event is None or bool(event.query())
        except Exception:
            return False


def text(value: str) -> str:
    """Return `value` as the wire can carry it: "?" for a lone surrogate (of a file's name, say) and for a NUL."""
    return value.encode("utf-8", "replace").decode("utf-8").replace("\0", "?")


def freeze(value: Any) -> Any:
    """Return `value` in a form that later changes cannot alter. Raises `RefusedError` on what is no single number.

    Python numbers and numpy scalars are immutable and come back as they are; an array or a tensor in the processor's
    memory is read at once; one on a device is copied on the device, in the order of the current stream, and read later.
    """
    if value is None or isinstance(value, (float, int)):
        return value
    if isinstance(value, (str, bytes)):
        raise RefusedError("text is no number")
    if hasattr(value, "full_tensor"):  # a DTensor holds this process's part only; the whole is a collective call
        raise RefusedError("a distributed tensor; pass value.full_tensor()")
    detach = getattr(value, "detach", None)
    if detach is not None and hasattr(value, "shape"):
        return _freeze_tensor(detach())
    if hasattr(value, "dtype") and hasattr(value, "item"):
        if "bool" in str(value.dtype):
            raise RefusedError("true and false are no numbers")
        if getattr(value, "size", 1) != 1:
            raise RefusedError(f"it holds {value.size} values; report one number")
        return value.item()
    if hasattr(type(value), "__float__") and not isinstance(value, complex):
        return _float(value)  # now: a meter goes on counting, and its code is not for another thread
    return value


def to_float(value: Any) -> float | None:
    """Return the number, or None for None. Raises `RefusedError` on anything else."""
    if isinstance(value, OnDevice):
        value = value.item()
    if value is None:
        return None
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        raise RefusedError("true and false are no numbers")
    if isinstance(value, (str, bytes)):
        raise RefusedError("text is no number")
    if isinstance(value, complex) or (not hasattr(type(value), "__float__") and not hasattr(type(value), "__index__")):
        raise RefusedError(f"a {type(value).__name__} is no number")
    return _float(value)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except Exception as error:
        raise RefusedError(f"a {type(value).__name__} is no number") from error


def number(value: float) -> WireNumber:
    """Return the JSON form of a float: itself, or "NaN", "Infinity", "-Infinity"."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def check_name(name: object) -> str:
    """Return a metric's name. Raises `RefusedError` unless it is printable text of 1 to 200 characters."""
    if not isinstance(name, str):
        raise RefusedError(f"a metric's name must be text, not {type(name).__name__}")
    name = text(name)
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise RefusedError(f"the name {name[:60]!r} is not printable text of 1 to {MAX_NAME} characters")
    return name


def step_of(value: Any) -> int | None:
    """Return a step as the wire wants it, a whole number of at least 0, or None. Raises `RefusedError` else."""
    position = to_float(freeze(value))
    if position is None:
        return None
    if not math.isfinite(position) or position < 0 or position != int(position):
        raise RefusedError(f"step must be a whole number of at least 0, not {position:g}")
    step = int(value) if isinstance(value, int) else int(position)
    if step > MAX_STEP:
        raise RefusedError(f"step must be at most 2**62, not {position:g}")
    return step


def epoch_of(value: Any) -> float | None:
    """Return an epoch, a number of at least 0, maybe fractional, or None. Raises `RefusedError` else."""
    position = to_float(freeze(value))
    if position is None:
        return None
    if not math.isfinite(position) or position < 0:
        raise RefusedError(f"epoch must be a number of at least 0, not {position:g}")
    if position > MAX_EPOCH:
        raise RefusedError(f"epoch must be at most {MAX_EPOCH:,}, not {position:g}")
    return int(position) if position == int(position) else position


def time_text(seconds: float) -> str:
    """Return the RFC 3339 text, in UTC with milliseconds, of a POSIX time."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def jsonable(value: Any, depth: int = 0) -> Any:
    """Return `value` as JSON can hold it: for a run's params and an optimizer's settings.

    Numbers, text and their lists and mappings pass (non-finite numbers as text, long text cut); a one-element array or
    tensor becomes its number; anything else becomes the name of its type.
    """
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        return f"<{type(value).__name__} of {value.bit_length()} bits>"
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str):
        return text(value)[:MAX_TEXT]
    if depth >= MAX_DEPTH:
        return f"<{type(value).__name__}>"
    if isinstance(value, Mapping):
        return {text(str(key))[:MAX_NAME]: jsonable(item, depth + 1) for key, item in list(value.items())[:MAX_ITEMS]}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(item, depth + 1) for item in list(value)[:MAX_ITEMS]]
    try:
        found = to_float(freeze(value))
    except Exception:
        return getattr(value, "__name__", None) or f"<{type(value).__name__}>"
    return None if found is None else number(found)


def _freeze_tensor(tensor: Any) -> Any:
    """Read or copy a detached tensor of one element."""
    count = math.prod(int(size) for size in tensor.shape)
    if count != 1:
        raise RefusedError(f"it holds {count} values; report one number")
    if "bool" in str(tensor.dtype):
        raise RefusedError("true and false are no numbers")
    if _in_host_memory(tensor):
        return tensor.item()
    copy = tensor.clone()
    event = None
    if getattr(copy, "is_cuda", False):
        # The sender's thread has its own current stream: without an event it could read before the copy is made.
        event = sys.modules["torch"].cuda.Event()
        event.record()
    return OnDevice(copy, event)


def _in_host_memory(tensor: Any) -> bool:
    place = getattr(tensor, "place", None)  # paddle
    if place is not None and hasattr(place, "is_cpu_place"):
        return bool(place.is_cpu_place())
    return str(getattr(tensor, "device", "cpu")) == "cpu"
