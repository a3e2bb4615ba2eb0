"""Faults found inside a part of a body point from the whole body's root."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trackside_service.errors import Fault, InvalidInputError


@contextmanager
def at(prefix: str, kind: type[InvalidInputError] = InvalidInputError) -> Iterator[None]:
    """Put `prefix` before the pointers of an error of `kind` raised inside."""
    try:
        yield
    except kind as error:
        faults = [Fault(prefix + fault.pointer, fault.message) for fault in error.faults]
        raise type(error)(error.detail, faults=faults or [Fault(prefix, error.detail)]) from None
