"""Listening for deliveries that other processes write: a courier that is told need not wait for its next poll."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from trackside_service.storage.engine import is_sqlite
from trackside_service.storage.notices import listening

log: Final = logging.getLogger(__name__)
# How soon it notices that it should stop, and how long it rests when the database is away.
TURN_S: Final = 0.5
REST_S: Final = 5.0


class Listener:
    """Calls `wake` when deliveries were written, in a thread of its own. Without Postgres it does nothing."""

    def __init__(self, engine: sa.Engine, wake: Callable[[], None], *, rest_s: float = REST_S) -> None:
        self._engine = engine
        self._wake = wake
        self._rest_s = rest_s
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to listen."""
        if is_sqlite(self._engine):
            return
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="trackside-listener", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with listening(self._engine) as wait:
                    self._wake()  # for what came while nobody listened
                    while not self._stopping.is_set():
                        if wait(TURN_S):
                            self._wake()
            except Exception as error:
                # Polling goes on meanwhile.
                log.info("nothing is heard of other processes' deliveries: %s", type(error).__name__)
                self._stopping.wait(self._rest_s)
