"""Trackside: a service that watches machine-learning training runs.

The packages are floors: each imports only those below it (`errors` and `domain` at the bottom, `cli` at the top).
"""
