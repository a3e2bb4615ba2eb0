"""Floor 7: the work of one post, inside a transaction that the caller owns.

`open_run`, `record`, `finish` and `look_for_silence` each lock the run's row first and write everything that follows:
points, the rules' state, alerts, and a delivery for every subscribed channel. Either all of it is committed or none.
"""

from trackside_service.monitor.backtesting import Backtest, backtest
from trackside_service.monitor.digesting import digest_of
from trackside_service.monitor.finishing import finish
from trackside_service.monitor.handling import acknowledge, look_at_alerts, take_back
from trackside_service.monitor.memory import Known, look
from trackside_service.monitor.opening import open_run
from trackside_service.monitor.recording import record
from trackside_service.monitor.results import FinishResult, HandResult, LookResult, OpenResult, RecordResult
from trackside_service.monitor.silence import look_for_silence

__all__ = [
    "Backtest",
    "FinishResult",
    "HandResult",
    "Known",
    "LookResult",
    "OpenResult",
    "RecordResult",
    "acknowledge",
    "backtest",
    "digest_of",
    "finish",
    "look",
    "look_at_alerts",
    "look_for_silence",
    "open_run",
    "record",
    "take_back",
]
