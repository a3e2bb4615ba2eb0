"""Writes the rules' pages as one document: `python -m trackside_service.rules.pages > docs/rules.md`."""

from __future__ import annotations

import sys

from trackside_service.rules import RULES, page

_INTRODUCTION = """\
# The rules

What Trackside looks for in a run, one page a rule. Generated from the rules' own files; `GET /v1/rules` and
`trackside rule CODE` print the same text.

A rule is switched off, or set otherwise, for one run under `rules` when the run is opened:
`{"rules": {"ACC001": {"severity": "warning", "params": {"patience": 5}}, "LR002": {"enabled": false}}}`.

"""


def document() -> str:
    """Return docs/rules.md."""
    listing = "".join(f"- `{rule.code}` {rule.summary}\n" for rule in sorted(RULES, key=lambda rule: rule.code))
    pages = "\n".join(page(rule) for rule in sorted(RULES, key=lambda rule: rule.code))
    return f"{_INTRODUCTION}{listing}\n{pages}"


if __name__ == "__main__":
    sys.stdout.write(document())
