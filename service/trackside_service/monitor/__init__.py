"""Floor 7: the work of one post, inside a transaction that the caller owns.

`open_run`, `record` and `finish` each lock the run's row first and write everything that follows from the post: points,
the rules' state, alerts, and a delivery for every subscribed channel. Either all of it is committed or none.
"""

from trackside_service.monitor.backtesting import Backtest, backtest
from trackside_service.monitor.finishing import finish
from trackside_service.monitor.memory import Known, look
from trackside_service.monitor.opening import open_run
from trackside_service.monitor.recording import record
from trackside_service.monitor.results import FinishResult, OpenResult, RecordResult

__all__ = [
    "Backtest",
    "FinishResult",
    "Known",
    "OpenResult",
    "RecordResult",
    "backtest",
    "finish",
    "look",
    "open_run",
    "record",
]
