"""The one Django app."""

from __future__ import annotations

from django.apps import AppConfig


class DashboardConfig(AppConfig):  # type: ignore[misc]
    name = "dashboard"
    verbose_name = "Weir"

    def ready(self) -> None:
        from django.db.backends.signals import connection_created

        from . import checks  # noqa: F401 - registers them
        from .alerts import causes
        from .database import write_ahead
        from .letters import view as letters
        from .replay import view as replays

        connection_created.connect(write_ahead)
        causes.register()
        letters.register()
        replays.register()
