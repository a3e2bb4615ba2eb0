"""Client of Trackside."""
