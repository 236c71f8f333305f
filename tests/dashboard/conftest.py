"""Fixtures of tests.dashboard.web, for every test of pages and API; a Valkey for tests of the live bus."""

from __future__ import annotations

from tests.servers.redis import valkey

from .letterbox import box, looked
from .web import admin_api, operator_api, viewer_api, web

__all__ = ["admin_api", "box", "looked", "operator_api", "valkey", "viewer_api", "web"]
