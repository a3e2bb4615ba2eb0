"""Client of Trackside: reports a training run's metrics and learning rates, and never harms the run.

Importing this imports neither httpx nor any framework.
"""

from __future__ import annotations

from trackside import schedules
from trackside._version import __version__
from trackside.run import Run

__all__ = ["Run", "__version__", "schedules"]
