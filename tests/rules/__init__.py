"""Rules, each in a file of its own as in the service."""
