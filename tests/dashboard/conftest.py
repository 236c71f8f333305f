"""Fixtures of tests.dashboard.web, for every test of pages and API."""

from __future__ import annotations

from .web import admin_api, operator_api, viewer_api, web

__all__ = ["admin_api", "operator_api", "viewer_api", "web"]
