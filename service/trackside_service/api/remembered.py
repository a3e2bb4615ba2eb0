"""Answers that cost something to find, kept for as long as they are asked for again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")


class Remembered(Generic[V]):
    """The answers asked for last, at most `most` of them, for any number of threads. `made` counts those computed.

    A key says all that an answer depends on: what has changed has another key, and the old answer is dropped in time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: OrderedDict[Hashable, V] = OrderedDict()
        self._lock = Lock()
        self.made = 0

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """Return the answer to `key`, from `make` where it is not known. Two that ask at once may both compute it."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        answer = make()
        with self._lock:
            self.made += 1
            self._answers[key] = answer
            self._answers.move_to_end(key)
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)
        return answer
