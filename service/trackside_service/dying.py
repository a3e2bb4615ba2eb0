"""Whether a channel is dead: nothing arrives there any more, and trying on would only hide that (pure).

A 410 says so itself. Else it takes time: a receiver that is being set up, or down for a night, is no dead one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# As long as a message is tried (backoff.STANDARD_WEBHOOKS).
DEAD_AFTER: Final = timedelta(hours=72)
# So many messages in a row that were refused for good, over at least that time: an address that is not there (404), or
# does not let us in (401, 403). A single one may be about the message.
REFUSALS: Final = 10
REFUSED_FOR: Final = timedelta(hours=1)
# Where little happens, days lie between two failures that each were of a moment. So it takes a message that was tried
# this often, or to the end of its schedule, or as many messages that were refused.
TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Failing:
    """A channel at which nothing arrived `since` the first of the attempts that failed; `refusals` messages were
    refused for good since then. `others_deliver`: meanwhile messages arrived at another channel, so that it is not our
    own network that fails.
    """

    since: datetime
    refusals: int
    others_deliver: bool = False


def why_dead(
    failing: Failing, *, answered: bool, insisted: bool, now: datetime, dead_after: timedelta | None
) -> str | None:
    """Say why a channel is dead after an attempt that failed, whether the receiver `answered` it or not; None: it is
    not. `insisted`: its message was tried `TRIES` times or to the end of its schedule. `dead_after` None: no channel
    ever is.
    """
    lasted = now - failing.since
    if dead_after is None:
        return None
    if failing.refusals >= REFUSALS and lasted >= min(REFUSED_FOR, dead_after):
        return f"{failing.refusals} messages in a row were refused for good"
    insisted = insisted or failing.refusals >= TRIES
    if lasted >= dead_after and insisted and (answered or failing.others_deliver):
        return f"nothing has arrived there for {lasted // timedelta(hours=1)} hours"
    return None
