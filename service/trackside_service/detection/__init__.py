"""Floor 4: records and the state of the rules to findings and new state. Pure.

`configuring` resolves how each rule runs on a run, `inspecting` shows it what there is to see, and `keeping` turns the
state of all of them into bytes and back.
"""

from trackside_service.detection.configuring import check_settings, configure
from trackside_service.detection.inspecting import (
    adopt,
    begin,
    conclude,
    end,
    explanation,
    inspect,
    lr_state,
    plan,
    reading_of,
    silence,
    silence_limit_s,
)
from trackside_service.detection.keeping import dump, load, load_some
from trackside_service.detection.states import DetectorState, Inspection, RuleFault

__all__ = [
    "DetectorState",
    "Inspection",
    "RuleFault",
    "adopt",
    "begin",
    "check_settings",
    "conclude",
    "configure",
    "dump",
    "end",
    "explanation",
    "inspect",
    "load",
    "load_some",
    "lr_state",
    "plan",
    "reading_of",
    "silence",
    "silence_limit_s",
]
