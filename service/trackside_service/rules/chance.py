"""What guessing gives: a cross-entropy of ln k and an accuracy of 1/k among k classes; and which k a loss speaks of."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Final

EVERY_UP_TO: Final = 20
"""Up to here every number of classes is usual; beyond, ln k lies so densely that any loss is near one."""

USUAL: Final = (
    *range(2, EVERY_UP_TO + 1),
    *(21, 35, 37, 40, 43, 47, 50, 51, 62, 80, 81, 91, 100, 101, 102, 120, 133, 150, 151, 196, 200, 256, 257),
    *(300, 345, 365, 397, 400, 500, 525, 555, 600, 700, 1000, 1203, 2048, 4096, 8142, 8192, 10000, 10575, 16384),
    *(21128, 21841, 21843, 28996, 30000, 30522, 32000, 32128, 32768, 37000, 49152, 49408, 50257, 50265, 50304, 50400),
    *(50432, 52000, 64000, 65536, 79077, 85742, 93431, 100277, 100352, 119547, 128000, 128256, 129280, 131072, 151936),
    *(152064, 250002, 256000, 256128, 262144),
)
"""Numbers of classes that data sets, vocabularies and self-supervised heads usually have, rising."""
_LOSSES: Final = tuple(math.log(classes) for classes in USUAL)


def loss_at(classes: int) -> float:
    """Return the cross-entropy (natural logarithm) of guessing among `classes`, which is ln k."""
    return math.log(classes)


def accuracy_at(classes: int) -> float:
    """Return the accuracy of guessing among `classes` equally frequent ones, as a fraction."""
    return 1.0 / classes


def classes_of(loss: float, *, within: float, declared: int | None = None) -> int | None:
    """Return the number of classes whose ln k is nearest to `loss`, if it is within the relative distance `within`.

    `declared` is the run's own number of classes: where it is known no other counts. Else it is one of `USUAL`.
    """
    if not (math.isfinite(loss) and loss > 0):
        return None
    if declared is not None:
        near = declared > 1 and abs(loss - math.log(declared)) <= within * math.log(declared)
        return declared if near else None
    place = bisect_left(_LOSSES, loss)
    best = min(
        (each for each in (place - 1, place) if 0 <= each < len(_LOSSES)), key=lambda each: abs(loss - _LOSSES[each])
    )
    return USUAL[best] if abs(loss - _LOSSES[best]) <= within * _LOSSES[best] else None
