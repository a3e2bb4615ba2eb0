"""One message to one endpoint: opened, rendered, sent. Nothing here raises, and nothing here knows the outbox."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

from trackside_service.channels import Message, Outcome, channel, deliver
from trackside_service.channels.base import Endpoint
from trackside_service.channels.outbound import Outbound
from trackside_service.channels.secrets import Secrets
from trackside_service.channels.wording import news
from trackside_service.errors import SecretKeyMissingError
from trackside_service.storage.channels import Sealed

log: Final = logging.getLogger(__name__)


def can_be_told(message: Message) -> bool:
    """Whether there are words for a message: what was stored may not be what it should."""
    try:
        news(message)
    except Exception as error:
        log.error("a message could not be made: %s", type(error).__name__)
        return False
    return True


def send(message: Message, sealed: Sealed, secrets: Secrets, outbound: Outbound, now: datetime) -> Outcome:
    """Send a message to a sealed endpoint; raises nothing."""
    try:
        endpoint = Endpoint(
            secrets.decrypt(sealed.url),
            None if sealed.secret is None else secrets.decrypt(sealed.secret),
            sealed.target,
        )
    except SecretKeyMissingError as error:
        return Outcome("retry", error=error.detail, ours=True)
    try:
        return deliver(channel(sealed.kind), message, endpoint, outbound, now)
    except Exception as error:
        # Not the text of the error: it may repeat what was to be sent.
        log.error("a %s message could not be made: %s", sealed.kind, type(error).__name__)
        return Outcome("failed", error=f"the message could not be made ({type(error).__name__})", ours=True)
