"""Imports paddle, which warns at its import of tools that it does not find; in these tests a warning is an error."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import paddle

__all__ = ["paddle"]
