"""`python -m trackside sync` and `discard`: send what waits on disk, or remove it."""

from __future__ import annotations

import time
from collections import Counter
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
            try:
                answered = _send(transport, replay)
            except BaseException:  # Ctrl-C
                replay.release()
                raise
            if replay.finished:
                replay.close()
                sent += replay.readable
                continue
            replay.release()
            if not answered:
                break  # the service cannot be reached; the others would fare no better
    finally:
        transport.close()
    return sent, len(_spool.waiting(settings.spool_dir))


def discard(settings: _config.Settings) -> int:
    """Remove every waiting file for this service unsent. Returns how many."""
    removed = 0
    for path in _spool.waiting(settings.spool_dir):
        taken = _spool.claim(path, url=settings.url)
        if taken is not None:
            _spool.done(taken)
            removed += not taken.path.exists()
    return removed


def elsewhere(settings: _config.Settings) -> dict[str, int]:
    """Count the files that wait for other services, by their addresses."""
    found = Counter(_spool.address(path) for path in _spool.waiting(settings.spool_dir))
    return {url: count for url, count in sorted(found.items()) if url not in ("", settings.url)}


def _send(transport: Transport, replay: Replay) -> bool:
    """Make the file's requests until one fails several times in a row. False when the last try had no answer at all."""
    from trackside._transport import UnreachableError

    failures = 0
    answered = True
    while not replay.finished and failures < TRIES:
        if failures:
            time.sleep(DELAY_S)
        elif replay.pause_s:
            time.sleep(replay.pause_s)
        request = replay.next()
        try:
            taken = replay.settle(transport.request(request.method, request.path, request.body))
            answered = True
        except UnreachableError:
            taken = answered = False
        failures = 0 if taken else failures + 1
    return answered
