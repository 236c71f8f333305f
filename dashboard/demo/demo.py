"""The demo as one thing to start and stop."""

from __future__ import annotations

from types import TracebackType

import redis

from .server import DemoUnavailable, EmbeddedServer
from .shop import Shop


class Demo:
    """An embedded server with the shop's traffic on it. Use it as a context manager, or `start` and `stop`.

    It ends with this process, also when this process is killed. Weight: a few per cent of one core at most,
    64 MB of memory at most, nothing on disk.
    """

    def __init__(self, port: int | None = None) -> None:
        self.server = EmbeddedServer(port)
        self._client: redis.Redis | None = None
        self._shop: Shop | None = None

    @property
    def url(self) -> str:
        """The broker URL to watch it by."""
        return f"redis://127.0.0.1:{self.server.port}/0?name=demo&interval=2s&tags=demo"

    def start(self) -> str:
        """Start the server and its traffic; answers with the broker URL. Raises DemoUnavailable."""
        self.server.start()
        self._client = self.server.client()
        self._shop = Shop(self._client)
        try:
            self._shop.open()
        except redis.RedisError as error:
            self.stop()
            raise DemoUnavailable(f"The demo's server does not take the shop's messages: {error}.") from error
        return self.url

    def stop(self) -> None:
        """End the traffic, then the server, and leave nothing behind. May be called twice."""
        if self._shop is not None:
            self._shop.close()
        if self._client is not None:
            self._client.close()
        self.server.stop()

    def describe(self) -> str:
        """What it is, in words for a person."""
        return (
            f"A demo: a made-up shop on an embedded {self.server.version} at 127.0.0.1:{self.server.port}. "
            "Its orders, payments and dead letters are invented, and nothing of it is kept."
        )

    def __enter__(self) -> Demo:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
