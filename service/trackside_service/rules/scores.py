"""Which metric says how good a model is, where more is better: an accuracy, or a score known by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from trackside_service.domain.metrics import VAL_ACC

UNKNOWN: Final = "val_metric"
"""What some tools call the metric that a checkpoint is chosen by, whatever it is: its direction is not known."""

# Whole names only, so that a score of one class or one object size, a batch's figure, or what falls while the model
# gets better (wer, err, rmse, perplexity) is none of them. Precision and recall are traded for each other;
# the recall among the first few of a retrieval is no such one.
_OF_VALIDATION: Final = r"(?:metrics|val|valid|validation|eval|test)[/_ -]"
_KIND: Final = r"(?:(?:coco|bbox|segm|box|mask|macro|micro|weighted|mean|avg|overall|balanced)[/_ -])?"
_SCORES: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_OF_VALIDATION}{_KIND}(?:accuracy|acc|acc@1|acc1)",
        rf"(?:{_OF_VALIDATION})?{_KIND}m?ap(?:[_@]?50(?:[-_:]?95)?)?(?:\([bmpo]\))?",
        rf"(?:{_OF_VALIDATION})?{_KIND}miou",
        rf"(?:{_OF_VALIDATION})?{_KIND}recall@(?:1|5|10)",
        rf"{_OF_VALIDATION}{_KIND}(?:iou|m?dice(?:_coef)?|m?auc|auroc|f1|mcc|matthews_correlation|bleu|rouge(?:1|2|l|lsum)?)",
    )
)


@lru_cache(maxsize=4096)
def rank(name: str) -> int | None:
    """Return how well a metric speaks for the model (0 is best); None where it does not, or nobody knows."""
    if name == VAL_ACC:
        return 0
    if name == UNKNOWN:
        return len(_SCORES) + 1
    low = name.lower()
    return next((place for place, score in enumerate(_SCORES, start=1) if score.fullmatch(low)), None)


def lead(names: Iterable[str], so_far: str | None = None) -> str | None:
    """Return the name among `names` and `so_far` that speaks best for the model; None where there is none."""
    return _lead(tuple(names), so_far)


@lru_cache(maxsize=1024)
def _lead(names: tuple[str, ...], so_far: str | None) -> str | None:
    best, best_key = so_far, _key(so_far)
    for name in names:
        key = _key(name)
        if key is not None and (best_key is None or key < best_key):
            best, best_key = name, key
    return best


@lru_cache(maxsize=4096)
def _key(name: str | None) -> tuple[int, int, str] | None:
    """Order: the kind of score, then the shorter name, which is the more general one."""
    place = None if name is None else rank(name)
    return None if name is None or place is None else (place, len(name), name)
