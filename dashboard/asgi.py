"""The web process: `daphne dashboard.asgi:application`."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
_http = get_asgi_application()  # sets Django up: what follows needs the models

from channels.routing import ProtocolTypeRouter  # noqa: E402

from . import processes  # noqa: E402
from .gone import heard  # noqa: E402
from .live.routing import websocket_application  # noqa: E402

processes.needs_bus("The web process")
application = ProtocolTypeRouter({"http": heard(_http), "websocket": websocket_application})
