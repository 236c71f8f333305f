"""Queues: found, filtered, marked, gone; their pages and command."""
