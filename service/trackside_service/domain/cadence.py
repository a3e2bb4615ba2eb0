"""How regularly a run is heard of: what its silence is measured by.

Times are those at which the service heard of the run, by its own clock: that is what a silence is made of. The times
inside records only tell whether a post is news or an old log that is sent in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from trackside_service.domain.records import Record

KNOWN_AFTER: Final = 5
"""Posts of one process after which its pauses count as known."""
_WIDENS: Final = 4.0
_NEWS: Final = timedelta(hours=1)
# So far apart may the clocks of two services be. What is further ahead was written by one that was wrong.
_CLOCKS_APART: Final = timedelta(minutes=10)


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


@dataclass(frozen=True, slots=True)
class Watch:
    """How a run is waited for: its cadence, the silence in seconds that is normal by it (None: nobody waits), and when
    to look whether it is silent (None: there is no need to). It is never later than the run could be silent.
    """

    cadence: Cadence = field(default_factory=Cadence)
    limit_s: float | None = None
    deadline_at: datetime | None = None

    def unwatched(self) -> Watch:
        """Return it where nobody waits for the run."""
        return Watch(self.cadence)

    def until(self, now: datetime, limit_s: float | None) -> Watch:
        """Return it for a run that was heard of just `now` and may be silent for `limit_s`."""
        if limit_s is None:
            return self.unwatched()
        deadline = now + timedelta(seconds=limit_s)
        # A later deadline is left to the look at the earlier one: most posts would otherwise move it.
        if self.deadline_at is not None and self.deadline_at < deadline:
            deadline = self.deadline_at
        return Watch(self.cadence, limit_s, deadline)


def heard(cadence: Cadence, pause_s: float, *, limit_s: float | None, whole: bool = True) -> Cadence:
    """Return the cadence after a post that came `pause_s` after the one before; not `whole`: at least so long after it,
    since the service did not hear all of the pause. Such a one makes no pauses known.

    The first post of a process teaches no pause: the time before it is its start. A pause beyond the limit that held
    (None: there was none) was called a silence; it widens what is normal, and a night on a closed laptop not without
    bounds.
    """
    posts = min(KNOWN_AFTER, cadence.posts + 1)
    if cadence.posts == 0:
        return replace(cadence, posts=posts)
    most = pause_s if limit_s is None else min(pause_s, _WIDENS * limit_s)
    return Cadence(posts if whole else cadence.posts, max(cadence.longest_s, most))


def restarted(cadence: Cadence) -> Cadence:
    """Return the cadence where a new process begins: it has a start of its own, and the pauses of the others."""
    return replace(cadence, posts=0)


def seen_at(now: datetime, before: datetime | None) -> datetime:
    """Return when a run was last seen that was so `before` and is heard of `now`. It does not go back by what the
    clocks of two services differ; it does where a clock was ahead and was set right, or a run would not be missed until
    the time is made up.
    """
    if before is None or before - now > _CLOCKS_APART:
        return now
    return max(now, before)


def is_old(records: Iterable[Record], now: datetime) -> bool:
    """Say whether a post is an old log that is sent in: the newest of its times is more than an hour past.

    Records without times are news. The hour is granted because a job's clock may be off, and records may have waited.
    """
    times = [record.time for record in records if record.time is not None]
    return bool(times) and now - max(times) > _NEWS
