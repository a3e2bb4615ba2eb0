"""Makes the requests of a spooled file again, one at a time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from trackside import _delivery, _spool

if TYPE_CHECKING:
    from trackside._transport import Answer


class Replay:
    """The state of one claimed file. `next` gives the request to make, `settle` takes its answer."""

    def __init__(self, taken: _spool.Claim) -> None:
        self._claim = taken
        self._left: deque[_spool.Request] = deque(taken.requests)
        self.run_id = taken.run_id
        self.records = 0
        self.refused = 0

    @property
    def finished(self) -> bool:
        """Whether every request was made."""
        return not self._left

    def next(self) -> _spool.Request:
        """Return the request to make."""
        return self._left[0]

    def settle(self, answer: Answer) -> bool:
        """Take the answer to `next`. Returns False when the same request should be made again later."""
        request = self._left[0]
        posts = request.method == "POST"
        meaning = _delivery.meaning(answer, wants="accepted" if posts else None)
        records = request.body.get("records", []) if posts else []
        if meaning == "done":
            self.records += len(records)
        elif meaning == "refused":
            if request.method == "PUT" and answer.status != 409:
                lighter = _delivery.lighter(request.body, answer)
                if lighter is not None:
                    self._left[0] = _spool.Request("PUT", request.path, lighter)
                    return True
            if len(records) > 1:
                half = len(records) // 2
                self._left.popleft()
                for part in (records[half:], records[:half]):
                    self._left.appendleft(_spool.Request("POST", request.path, {**request.body, "records": part}))
                return True
            self.refused += len(records)
        else:
            return False
        self._left.popleft()
        return True

    def remove(self) -> None:
        """Remove the file: everything in it was dealt with."""
        _spool.done(self._claim)

    def release(self) -> None:
        """Put the file back for a later try."""
        _spool.release(self._claim)
