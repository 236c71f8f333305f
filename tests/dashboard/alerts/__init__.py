"""Rules, incidents, silences, and who is told."""
