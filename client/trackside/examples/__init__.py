"""Programs that use the client as a user would; each runs with `python -m trackside.examples.NAME`."""
