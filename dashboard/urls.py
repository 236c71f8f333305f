"""Every address of Weir. Pages first, then the API and what other programs read."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
