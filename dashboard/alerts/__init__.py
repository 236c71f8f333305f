"""Rules, incidents, and telling people. Judging is fast and happens with each tick; telling is the worker's."""
