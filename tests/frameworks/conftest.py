"""These tests run the real torch and Paddle, in the environment that has them (`.venv-frameworks`); elsewhere none is collected."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") and find_spec("paddle") else ["test_*.py"]
