"""What the wire looks like, as pydantic models: they describe it for OpenAPI, and validate the bodies that nothing
below validates.

The bodies of runs and records are validated by `domain.declarations` alone, which the command line's `check` shares;
a test holds the models here and that validation to each other.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from trackside_service.api.schemas import (
    alerts,
    channels,
    check,
    deliveries,
    problems,
    records,
    rules,
    runs,
    schedules,
    service,
    silences,
)

BODIES: Final[tuple[type[BaseModel], ...]] = (
    runs.RunDeclaration,
    runs.RunEnd,
    records.RecordsBody,
    schedules.PreviewBody,
    schedules.ExplainBody,
    schedules.IdentifyBody,
    check.CheckBody,
    channels.ChannelBody,
    channels.ChannelChange,
    channels.RotateBody,
    deliveries.ReplayBody,
    alerts.AcknowledgeBody,
    silences.SilenceBody,
    rules.ProjectRulesBody,
    rules.BacktestBody,
)
ANSWERS: Final[tuple[type[BaseModel], ...]] = (
    problems.Problem,
    runs.RunShown,
    runs.RunOpened,
    runs.RunPage,
    runs.RunHealth,
    records.RecordsTaken,
    records.RecordPage,
    records.History,
    schedules.Preview,
    schedules.Explanation,
    schedules.Identification,
    schedules.LrShown,
    check.CheckReport,
    rules.RuleList,
    rules.RuleShown,
    rules.ProjectRules,
    rules.Backtested,
    alerts.Alert,
    alerts.AlertPage,
    silences.SilenceWithMatches,
    silences.SilencePage,
    channels.ChannelMade,
    channels.ChannelRotated,
    channels.ChannelShown,
    channels.ChannelList,
    channels.TestSent,
    deliveries.DeliveryPage,
    deliveries.DeliveryShown,
    deliveries.ReplayedShown,
    service.Alive,
    service.Ready,
)
