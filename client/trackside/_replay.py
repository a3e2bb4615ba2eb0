"""Makes the requests of a spooled file again, one at a time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from trackside import _delivery, _spool

if TYPE_CHECKING:
    from trackside._transport import Answer


# Records that were refused by this process's replays, by the process that logged them and the file: what one process
# left may lie in several files, and the service keeps one count for it.
_refused: dict[str, dict[str, int]] = {}


class Replay:
    """The state of one claimed file. `next` gives the request to make, `settle` takes its answer."""

    def __init__(self, taken: _spool.Claim) -> None:
        self._claim = taken
        self._requests = taken.requests()
        self._left: deque[_spool.Request] = deque()
        self.run_id = taken.run_id
        self.readable = True
        self._refused_in_a_row = 0
        self.refused = 0  # records
        self._untold = 0  # of them, those that the service was not told of as lost
        self._name = taken.path.name.partition(".")[0]
        self._process: str | None = None
        self._read_on()

    @property
    def finished(self) -> bool:
        """Whether every request was made, or the rest of the file cannot be read (`readable` is False then)."""
        return not self._left

    def next(self) -> _spool.Request:
        """Return the request to make."""
        request = self._left[0]
        refused = sum(_refused.get(str(request.body.get("process")), {}).values())
        if refused and isinstance(request.body.get("lost"), int):
            body = {**request.body, "lost": request.body["lost"] + refused}
            return _spool.Request(request.method, request.path, body)
        return request

    def settle(self, answer: Answer) -> bool:
        """Take the answer to `next`. Returns False when the same request should be made again later."""
        request = self._left[0]
        meaning = _delivery.meaning(request.method, answer)
        records = request.body.get("records", []) if request.method == "POST" else []
        if len(records) > 1 and (meaning == "refused" or answer.status == _delivery.TOO_LARGE):
            half = len(records) // 2
            self._left.popleft()
            for part in (records[half:], records[:half]):
                self._left.appendleft(_spool.Request("POST", request.path, {**request.body, "records": part}))
            return True
        if meaning == "refused" and request.method == "PUT" and answer.status != _delivery.CONFLICT:
            lighter = _delivery.lighter(request.body, answer)
            if lighter is not None:
                self._left[0] = _spool.Request("PUT", request.path, lighter)
                return True
        if meaning not in ("done", "refused"):
            return False
        self._refused_in_a_row = self._refused_in_a_row + 1 if meaning == "refused" else 0
        if records:
            self._process = str(request.body.get("process"))
            if meaning == "refused":
                self.refused += len(records)
                self._untold += len(records)
                _refused.setdefault(self._process, {})[self._name] = self.refused
        elif "lost" in request.body:
            self._untold = 0
        self._left.popleft()
        if not self._left:
            self._read_on()
        return True

    @property
    def pause_s(self) -> float:
        """The seconds to wait before the next request, after records that were refused."""
        return _delivery.refusal_pause(self._refused_in_a_row)

    def close(self) -> None:
        """Remove the file when everything in it was dealt with; one that cannot be read is put back."""
        if self.readable:
            _spool.done(self._claim)
        else:
            self.release()

    def release(self) -> None:
        """Put the file back for a later try."""
        _spool.release(self._claim)

    def _read_on(self) -> None:
        try:
            self._left.append(next(self._requests))
            _spool.touch(self._claim.path)
        except StopIteration:
            if self._untold and self._process is not None:
                path = f"/v1/runs/{self.run_id}/records"
                told = {"process": self._process, "records": [], "lost": 0}  # `next` adds those that were refused
                self._untold = 0
                self._left.append(_spool.Request("POST", path, told))
        except _spool.SpoolError:
            self.readable = False
