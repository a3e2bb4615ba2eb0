"""`python -m trackside_service` is `trackside`."""

from __future__ import annotations

import sys

from trackside_service.cli import main

sys.exit(main())
