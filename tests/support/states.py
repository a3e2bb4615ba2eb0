"""The stored state of a run's rules, opened for a look."""

from __future__ import annotations

import json
import zlib
from typing import Any


def opened(data: bytes) -> Any:
    """What `detection.dump` wrote, as JSON values."""
    return json.loads(zlib.decompress(data))


def closed(body: Any) -> bytes:
    """Undo `opened`."""
    return zlib.compress(json.dumps(body).encode())
