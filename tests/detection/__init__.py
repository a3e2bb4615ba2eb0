"""Detection, alerting and replay: floors 4 and 5."""
