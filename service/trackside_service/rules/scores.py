"""Which metric says how good a model is: an accuracy, or a score known by its name, and which way it is better.

`lead` names the one that an accuracy's rules judge: of validation, and more is better. `better` knows many more, of
training too and those that fall while the model gets better: they tell a loss that means something else from one that
rises because what was learned is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from trackside_service.domain.metrics import ACCURACIES, VAL_ACC, VAL_LOSS
from trackside_service.rules.running import Better

UNKNOWN: Final = "val_metric"
"""What some tools call the metric that a checkpoint is chosen by, whatever it is: its direction is not known."""

# Whole names only, so that a score of one class or one object size, a batch's figure, or what falls while the model
# gets better (wer, err, rmse, perplexity) is none of them. Precision and recall are traded for each other;
# the recall among the first few of a retrieval is no such one.
_OF_VALIDATION: Final = r"(?:metrics|val|valid|validation|eval|test)[/_ -]"
_KIND: Final = r"(?:(?:coco|bbox|segm|box|mask|macro|micro|weighted|mean|avg|overall|balanced)[/_ -])?"
_FURTHER: Final = (
    r"f1_score|dice_score|dsc|jaccard|iou_score|roc_auc|auc_roc|pr_auc|average_precision|(?:cohen_)?kappa"
    r"|qwk|ndcg(?:@\d+)?|mrr|pearsonr?|spearmanr?|chrf|meteor|cider|pq"
)
_LIKENESS: Final = r"(?:psnr(?:_[yb])?|(?:ms_?)?ssim)"
_SCORES: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_OF_VALIDATION}{_KIND}(?:accuracy|acc|acc@1|acc1)",
        rf"(?:{_OF_VALIDATION})?{_KIND}m?ap(?:[_@]?50(?:[-_:]?95)?)?(?:\([bmpo]\))?",
        rf"(?:{_OF_VALIDATION})?{_KIND}miou",
        rf"(?:{_OF_VALIDATION})?{_KIND}recall@(?:1|5|10)",
        rf"{_OF_VALIDATION}{_KIND}(?:iou|m?dice(?:_coef)?|m?auc|auroc|f1|mcc|matthews_correlation|bleu|rouge(?:1|2|l|lsum)?)",
        rf"{_OF_VALIDATION}{_KIND}(?:{_FURTHER})",
        rf"{_OF_VALIDATION}{_LIKENESS}",
    )
)
_ANYWHERE: Final = r"(?:(?:train(?:ing)?|metrics|val|valid|validation|eval|test)[/_ -])?"
_RISING: Final = re.compile(
    rf"{_ANYWHERE}{_KIND}(?:m?iou|m?dice(?:_coef)?|m?auc|auroc|f1|mcc|bleu|r2(?:_score)?|score|{_FURTHER}|{_LIKENESS})"
)
# R2 has no lower bound, so that a share of its best says little. A `score` is more where it is better: so it is in
# scikit-learn, and in games.
# The perplexity of training may be that of a codebook, of which more is better; an `mse` of it is its loss.
_FALLING: Final = re.compile(
    rf"{_ANYWHERE}(?:wer|cer|eer|lpips|fid|kid|ppl|n?rmse|mae|s?mape|epe|abs_?rel|ade|fde|nme|bpc|bpb)"
    rf"|{_OF_VALIDATION}(?:per|perplexity|mse|err|error|error_rate)"
)
_LIKENESS_NAME: Final = re.compile(rf"{_ANYWHERE}{_LIKENESS}")
_IN_DECIBELS: Final = re.compile(rf"{_ANYWHERE}psnr(?:_[yb])?")
_MOST: Final = 2


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
def better(name: str) -> Better | None:
    """Return which way a metric beside the training loss is better; None where it tells nothing of the model, or nobody
    knows.
    """
    if name == VAL_LOSS:
        return "lower"
    low = name.lower()
    if name in ACCURACIES or rank(name) is not None or _RISING.fullmatch(low):
        return None if name == UNKNOWN else "higher"
    return "lower" if _FALLING.fullmatch(low) else None


@lru_cache(maxsize=1024)
def beside(names: tuple[str, ...]) -> tuple[tuple[str, Better], ...]:
    """Return the scores among `names` beside losses and accuracies, each with the way it is better: the two that speak
    best for the model.
    """
    told = [name for name in names if name != VAL_LOSS and name not in ACCURACIES and better(name) is not None]
    told.sort(key=lambda name: _key(name) or (len(_SCORES) + 2, len(name), name))
    return tuple((name, way) for name in told[:_MOST] if (way := better(name)) is not None)


@lru_cache(maxsize=4096)
def is_likeness(name: str) -> bool:
    """Say whether a score tells how like two images are: high from the first epoch on, and lower where they are made to
    look sharp.
    """
    return _LIKENESS_NAME.fullmatch(name.lower()) is not None


@lru_cache(maxsize=4096)
def in_decibels(name: str) -> bool:
    """Say whether a score is a ratio in decibels, without a bound: infinite for identical images."""
    return _IN_DECIBELS.fullmatch(name.lower()) is not None


@lru_cache(maxsize=4096)
def _key(name: str | None) -> tuple[int, int, str] | None:
    """Order: the kind of score, then the shorter name, which is the more general one."""
    place = None if name is None else rank(name)
    return None if name is None or place is None else (place, len(name), name)
