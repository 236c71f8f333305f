"""Fixtures of tests.dashboard.web, for every test of pages and API; a Valkey for tests of the live bus."""

from __future__ import annotations

import pytest

from tests.servers.redis import valkey

from .letterbox import box, looked
from .web import admin_api, operator_api, viewer_api, web

__all__ = ["admin_api", "box", "looked", "operator_api", "valkey", "viewer_api", "web"]


@pytest.fixture(autouse=True)
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks into the queues of these tests for long."""
    monkeypatch.setattr("dashboard.replay.hidden.LOOKED_AT", 0.2)


@pytest.fixture(autouse=True)
def patient_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan is waited for however busy the machine is: it is answered whole, not as one that is still being made."""
    monkeypatch.setattr("dashboard.replay.deeds.PATIENCE", 60.0)
