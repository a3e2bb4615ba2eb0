"""Whether a run's loss tells how well it does. Where two networks play against each other, or a policy moves its own
data, it does not: there it may rise for good while all is well.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_PART: Final = r"(?:d|g|netd|netg|disc|gen|adv|critic|actor|policy|value|vf|td|discriminator|generator|adversarial)"
_NAMES: Final = re.compile(
    r"reward|return|advantage|approx_?kl|clip_?frac|episode|rollout|win_?rate|q_?values?\b"
    r"|(?:^|[_/ .])(?:(?:avg|mean|max)_?q|q_?(?:avg|mean|max)|td_?error|ep_?len\w*)(?:$|[_/ .])"
    rf"|(?:^|[_/ .]){_PART}[_/ .]?loss|loss[_/ .]{_PART}(?:$|[_/ .])|(?:^|[_/ .])(?:disc|gen|w?gan)(?:$|[_/ .])"
    r"|(?:^|[_/ .])[dg]_(?:total|real|fake|adv)(?:$|[_/ .])|^(?:loss|err)[dg](?:$|_)",
    re.IGNORECASE,
)
_PLAYERS: Final = ({"g", "d"}, {"netg", "netd"})
_EXPLORES: Final = re.compile(r"(?:^|[_/ .])(?:eps|epsilon|explor\w*)(?:$|[_/ .])", re.IGNORECASE)


@lru_cache(maxsize=1024)
def moves_its_own_goal(names: tuple[str, ...]) -> bool:
    """Say whether the metrics of a record are those of adversarial or of reinforcement learning."""
    if any(_NAMES.search(name) is not None for name in names):
        return True
    last = {re.split(r"[/ .]", name.lower())[-1] for name in names}
    if any(both <= last for both in _PLAYERS):
        return True
    # An exploration rate beside a score. Others tell of either alone: privacy has an epsilon, detection a score.
    return any(_EXPLORES.search(name) for name in names) and any("score" in name.lower() for name in names)
