"""Answers that are kept: which, and how many."""

from __future__ import annotations

from functools import partial

import pytest

from trackside_service.api.remembered import Remembered


def test_an_answer_is_made_once_and_the_one_asked_for_longest_ago_is_dropped() -> None:
    known: Remembered[str] = Remembered(2)
    assert [known.get(key, partial(str, key)) for key in (1, 2, 1, 3)] == ["1", "2", "1", "3"]
    assert (known.made, len(known)) == (3, 2)
    known.get(1, lambda: "anew")  # 2 was dropped, not 1
    assert known.made == 3
    assert known.get(2, lambda: "anew") == "anew"


def test_what_raises_is_not_kept() -> None:
    known: Remembered[int] = Remembered(2)
    with pytest.raises(ZeroDivisionError):
        known.get("key", lambda: 1 // 0)
    assert (known.made, len(known)) == (0, 0)
    assert known.get("key", lambda: 7) == 7
