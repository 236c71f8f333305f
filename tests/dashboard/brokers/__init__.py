"""Brokers: saved, polled, carried along, their pages."""
