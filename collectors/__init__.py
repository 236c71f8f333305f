"""Speaks to brokers. Plain Python: no Django, usable and tested alone."""
