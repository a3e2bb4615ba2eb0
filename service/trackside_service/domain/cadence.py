"""How regularly a run is heard of: what its silence is measured by.

Times are those at which the service heard of the run, by its own clock: that is what a silence is made of. The times
inside records only tell whether a post is news or an old log that is sent in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from trackside_service.domain.records import Record

KNOWN_AFTER: Final = 5
"""Posts of one process after which its pauses count as known."""
_WIDENS: Final = 4.0
_NEWS_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Cadence:
    """`posts` of the present process so far (counted up to `KNOWN_AFTER`), and the longest pause between two, in
    seconds, of any process; 0 where there was none.
    """

    posts: int = 0
    longest_s: float = 0.0

    @property
    def known(self) -> bool:
        """Whether so much was heard of the process that its pauses are known."""
        return self.posts >= KNOWN_AFTER


def heard(cadence: Cadence, pause_s: float, *, limit_s: float | None) -> Cadence:
    """Return the cadence after a post that came `pause_s` after the one before.

    The first post of a process teaches no pause: the time before it is its start. A pause beyond the limit that held
    (None: there was none) was called a silence; it widens what is normal, and a night on a closed laptop not without
    bounds.
    """
    posts = min(KNOWN_AFTER, cadence.posts + 1)
    if cadence.posts == 0:
        return replace(cadence, posts=posts)
    most = pause_s if limit_s is None else min(pause_s, _WIDENS * limit_s)
    return Cadence(posts, max(cadence.longest_s, most))


def restarted(cadence: Cadence) -> Cadence:
    """Return the cadence where a new process begins: it has a start of its own, and the pauses of the others."""
    return replace(cadence, posts=0)


def is_old(records: Iterable[Record], now: datetime, limit_s: float) -> bool:
    """Say whether a post is an old log that is sent in: the newest of its times lies further back than a silence would.

    Records without times are news. One hour is granted in any case, since a job's clock may be off.
    """
    times = [record.time for record in records if record.time is not None]
    return bool(times) and now - max(times) > timedelta(seconds=max(limit_s, _NEWS_S))
