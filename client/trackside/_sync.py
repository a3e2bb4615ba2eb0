"""`python -m trackside sync`: send what waits on disk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from trackside import _config, _spool
from trackside._replay import Replay

if TYPE_CHECKING:
    from trackside._transport import Transport

TRIES = 3
DELAY_S = 0.5


def sync(settings: _config.Settings) -> tuple[int, int]:
    """Replay every waiting file for this service. Returns (files sent, files that still wait for any service)."""
    from trackside._transport import Transport

    transport = Transport(settings.url, settings.api_key)
    sent = 0
    try:
        for path in _spool.waiting(settings.spool_dir):
            taken = _spool.claim(path, url=settings.url)
            if taken is None:
                continue
            replay = Replay(taken)
            if not _send(transport, replay):
                replay.release()
                break  # the service does not take it now; the others would fare no better
            replay.remove()
            sent += 1
    finally:
        transport.close()
    return sent, len(_spool.waiting(settings.spool_dir))


def _send(transport: Transport, replay: Replay) -> bool:
    """Make the file's requests; False when one fails several times in a row."""
    failures = 0
    while not replay.finished:
        if _once(transport, replay):
            failures = 0
            continue
        failures += 1
        if failures >= TRIES:
            return False
        time.sleep(DELAY_S)
    return True


def _once(transport: Transport, replay: Replay) -> bool:
    from trackside._transport import UnreachableError

    request = replay.next()
    try:
        return replay.settle(transport.request(request.method, request.path, request.body))
    except UnreachableError:
        return False
