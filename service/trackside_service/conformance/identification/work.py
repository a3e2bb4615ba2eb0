"""How much an identification may do: counted, never timed, so that the same log always gets the same answer."""

from __future__ import annotations

from typing import Final

MOST: Final = 12_000_000
"""Units for a whole log, one being a shape evaluated at a point for a parameter: about half a second."""
SHARE: Final = 5_000_000
"""What one family may take of it under one clock."""
_CALL: Final = 3_000
"""What an evaluation costs whatever its size."""


class WorkedOut(Exception):  # noqa: N818
    """The work that was allowed is done. Raised and caught within the search, and no error."""


class Work:
    """A counter. `spent` is what was done so far, `given_up` whether a search had to stop for it."""

    __slots__ = ("_until", "calls", "given_up", "spent")

    def __init__(self) -> None:
        self.spent = 0
        self.calls = 0
        self.given_up = False
        self._until = MOST

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return self.spent >= MOST

    def begin(self) -> None:
        """Allow a search its share of what is left."""
        self._until = min(self.spent + SHARE, MOST)

    def spend(self, units: int) -> None:
        """Count an evaluation. Raises `WorkedOut` where it is one too many."""
        self.spent += units + _CALL
        self.calls += 1
        if self.spent > self._until:
            self.given_up = True
            raise WorkedOut
