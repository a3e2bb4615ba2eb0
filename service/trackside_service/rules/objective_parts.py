"""The parts of an objective whose terms are weighed anew on the way, as a variational autoencoder's are.

While the weight of its penalty is raised the total rises, training and validation alike, and all is well: the part that
tells how well the model fits says so.
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
_UNSEEN: Final = Series()
_KL: Final = re.compile(r"(?:^|[_/ .-])(?:kl|kld|kl_?div|beta|elbo)(?:$|[_/ .-])", re.IGNORECASE)
_FIT: Final = re.compile(r"(?:^|[_/ .-])(?:recon\w*|rec|nll|likelihood|mse|bce|ce)(?:$|[_/ .-])", re.IGNORECASE)


def follow(parts: Mapping[str, Series], reading: Reading) -> Mapping[str, Series]:
    """Return the parts of an objective after a record."""
    values, here = reading.record.metrics, place_of(reading.record)
    names = parts_of(tuple(values))
    if not names:
        return parts
    new = {name: running.followed(parts.get(name, _UNSEEN), values[name], here) for name in names}
    return {**parts, **new}


def fits_still(parts: Mapping[str, Series]) -> bool:
    """Say whether a part that tells of the fit is about as good as ever, whatever has become of the total."""
    return any(
        one.best is not None
        and running.level(one) <= one.best + max(_HELD * running.improvement(one), _NEAR * abs(one.best))
        for one in parts.values()
    )


@lru_cache(maxsize=1024)
def parts_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of `names` that tell how well a model fits, where such a penalty stands beside them."""
    penalties = {name for name in names if _KL.search(name)}
    return tuple(name for name in names if name not in penalties and _FIT.search(name)) if penalties else ()
