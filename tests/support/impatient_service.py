"""A service to be killed, with an impatient courier inside.

`python -m tests.support.impatient_service DATABASE_URL PORT`
"""

from __future__ import annotations

import logging
import sys
from dataclasses import replace

import uvicorn

from tests.support.impatient_courier import impatient
from tests.support.outbox import KEY, LOOPBACK
from trackside_service.api.app import create_app
from trackside_service.cli.assemble import open_context
from trackside_service.cli.serve import configure, listen
from trackside_service.settings import Settings


def main() -> None:
    """Serve until killed."""
    logging.disable(logging.CRITICAL)
    context = open_context(Settings(database_url=sys.argv[1], secret_key=KEY, allow_targets=LOOPBACK))
    app = create_app(replace(context, courier=impatient(context.engine)))
    uvicorn.Server(configure(app)).run(sockets=[listen("127.0.0.1", int(sys.argv[2]))])


if __name__ == "__main__":
    main()
