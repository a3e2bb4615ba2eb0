"""Floor 8: the HTTP edge. `app.create_app` assembles it; `routers` has one file a resource, `schemas` what the wire
looks like.

Nothing is decided here: a route turns a body into domain values, hands a post to the writer (or a question to
storage), and renders the answer. `problems` holds the one table from named error to status.
"""
