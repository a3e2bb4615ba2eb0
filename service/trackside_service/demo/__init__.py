"""`trackside demo`: two real trainings, watched from start to end.

A service on SQLite and a receiver of webhooks start on loopback; a training program of its own reports through the
client, first under the plan of a real incident, then under its repair. The training collapses by itself or it does not:
nothing here is scripted to fail.
"""

from trackside_service.demo.show import main

__all__ = ["main"]
