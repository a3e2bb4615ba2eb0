"""Floor 4: from findings to alerts that open, change and resolve, and to what people are told of them. Pure.

`reconciling` holds findings against the open alerts, `inhibition` says which alert is a symptom of which, `flapping`
keeps one that comes and goes from being told each time, `acknowledging` is what a person does, and `telling` decides
who hears of what.
"""

from trackside_service.alerting.acknowledging import acknowledge, take_back
from trackside_service.alerting.flapping import FLAP_WINDOW, settle
from trackside_service.alerting.inhibition import INHIBITIONS, family
from trackside_service.alerting.reconciling import ENDINGS, SILENCE, end, reconcile, reopen
from trackside_service.alerting.telling import REMIND_AFTER, due_at, overdue, tell

__all__ = [
    "ENDINGS",
    "FLAP_WINDOW",
    "INHIBITIONS",
    "REMIND_AFTER",
    "SILENCE",
    "acknowledge",
    "due_at",
    "end",
    "family",
    "overdue",
    "reconcile",
    "reopen",
    "settle",
    "take_back",
    "tell",
]
