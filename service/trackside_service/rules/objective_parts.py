"""The parts of an objective whose terms are weighed anew on the way, as a variational autoencoder's are.

While the weight of its penalty is raised the total rises, training and validation alike, and all is well: the part that
tells how well the model fits says so, or the weight itself, where it is reported and higher than it has been.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from trackside_service.rules import running
from trackside_service.rules.base import Reading
from trackside_service.rules.places import place_of
from trackside_service.rules.running import Series

_HELD: Final = 0.25  # of its improvement: what a part that still fits has lost at most
_NEAR: Final = 0.05  # or of its best
_HIGHER: Final = 1.05  # times its lowest: a weight that has been raised
_UNSEEN: Final = Series()
_KL: Final = re.compile(r"(?:^|[_/ .-])(?:kl|kld|kl_?div|beta|elbo)(?:$|[_/ .-])", re.IGNORECASE)
_FIT: Final = re.compile(r"(?:^|[_/ .-])(?:recon\w*|rec|nll|likelihood|mse|bce|ce)(?:$|[_/ .-])", re.IGNORECASE)
# Weight decay is none: it stands outside of the loss that is reported.
_WEIGHT: Final = re.compile(r"(?:.*[_/ -])?(?:beta|lambda|weight|coeff?|coefficient)", re.IGNORECASE)


def follow(parts: Mapping[str, Series], reading: Reading) -> Mapping[str, Series]:
    """Return the parts of an objective after a record."""
    values, here = reading.record.metrics, place_of(reading.record)
    told = tuple(values)
    names = parts_of(told) or weights_of(told)
    if not names:
        return parts
    new = {name: running.followed(parts.get(name, _UNSEEN), values[name], here) for name in names}
    return {**parts, **new}


def fits_still(parts: Mapping[str, Series]) -> bool:
    """Say whether a part that tells of the fit is about as good as ever, whatever has become of the total, or, where
    only the weight of a penalty is told, whether that is higher than it was.
    """
    return any(one.best is not None and _holds(name, one, one.best) for name, one in parts.items())


def _holds(name: str, one: Series, best: float) -> bool:
    if _WEIGHT.fullmatch(name):
        return one.last is not None and one.last > _HIGHER * best >= 0
    return running.level(one) <= best + max(_HELD * running.improvement(one), _NEAR * abs(best))


@lru_cache(maxsize=1024)
def parts_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of `names` that tell how well a model fits, where such a penalty stands beside them."""
    penalties = {name for name in names if _KL.search(name)}
    return tuple(name for name in names if name not in penalties and _FIT.search(name)) if penalties else ()


@lru_cache(maxsize=1024)
def weights_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of `names` that are the weight of a term of the objective: `beta`, `kl_weight`, `lambda`."""
    return tuple(name for name in names if _WEIGHT.fullmatch(name))


def is_of_divergence(name: str) -> bool:
    """Say whether the weight of this name is that of a divergence from a prior (`kl_weight`, `beta`)."""
    return _KL.search(name) is not None
