"""A training loss that rises because what it asks for has become harder, and not because the model has become worse.

Where the log tells of what grows (the length of the sequences over which the loss is summed, a margin, the weight of a
term), the loss is measured anew at each growth. Where it does not, there is one objective that climbs from its very
first record on: choosing the one match among many keys, as contrastive learning with a queue does (He et al., "Momentum
Contrast", 2020). While the queue is empty of real keys the choice is easy; then the loss climbs to near the logarithm
of their number, and comes down slowly from there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from statistics import median
from typing import Final

from trackside_service.rules.objective_parts import weights_of
from trackside_service.rules.running import Series, improvement, jitter, jitter_of, noise_of

_GROWN: Final = 1.05
_KEYS: Final = math.log(2**17)  # the largest queue in use has 65536 keys; a batch beside it adds as many at most
_UNTAUGHT: Final = (0.02, 2.0)  # of the start, and times its jitter: a loss that has come down by no more
_SMOOTH: Final = 0.035  # of the level: one that was thrown there by too large a step trembles by more
# A count of tokens or samples so far is none, nor is what one batch happens to hold.
_SIZES: Final = re.compile(
    r"(?:.*[/ ])?(?:(?:max_?)?seq_?len(?:gth)?|(?:max_?)?sequence_length|context_?len(?:gth)?|ctx_?len|block_?size"
    r"|max_?len(?:gth)?|(?:global_?)?batch_?size|resolution|im(?:age|g)_?(?:size|sz)|imgsz|margin|mask_?ratio"
    r"|difficulty|curriculum(?:_\w+)?)",
    re.IGNORECASE,
)


def grown(highest: Mapping[str, float], values: Mapping[str, float]) -> tuple[Mapping[str, float], bool]:
    """Return the highest of what the objective depends on, with a record's, and whether one has grown there."""
    names = sizes_of(tuple(values))
    if not names:
        return highest, False
    more = {
        name: values[name]
        for name in names
        if math.isfinite(values[name])
        and (name not in highest or values[name] > max(_GROWN * highest[name], highest[name]))
    }
    return ({**highest, **more} if more else highest), any(name in highest for name in more)


@lru_cache(maxsize=1024)
def sizes_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of `names` that are a size, a margin or a weight which the loss grows with."""
    return (*(name for name in names if _SIZES.fullmatch(name)), *weights_of(names))


def climbs_to_its_keys(
    calm: Series, values: Sequence[float], others: Mapping[str, Series], *, settled: bool = False
) -> bool:
    """Say whether a loss, calm so far and with these last `values`, may be climbing to the logarithm of the number of
    keys that it chooses among: nothing had been learned before, nothing else is told that could be worse, and it goes
    as smoothly as before (which is not asked again once it has `settled` there), no higher than such a loss can be.
    """
    if others or not values or calm.start is None or calm.best is None or calm.best < 0 or max(values) > _KEYS:
        return False
    share, times = _UNTAUGHT
    if improvement(calm) > max(share * calm.start, times * jitter(calm)):
        return False
    # A trend adds to the noise, and chance to the jitter of few values: it takes both.
    return settled or min(noise_of(values), jitter_of(values)) <= _SMOOTH * median(values)
