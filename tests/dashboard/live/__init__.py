"""Frames, the hub, the bus, live pages."""
