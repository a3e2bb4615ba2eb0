"""Floor 0: run, record, finding, alert. Frozen dataclasses on the standard library alone."""
