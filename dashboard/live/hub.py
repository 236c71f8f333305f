"""The hub: one task per web process that takes each tick once and sends frames to every client.

It runs in the event loop of the server and starts with the first connection. What needs the
database or takes time happens in one thread of its own (`rounds.Rounds`); sending, and everything about clients,
happens in the loop. A round makes each distinct frame once and sends it past Channels' groups and
dispatch, and past the server's framing of each message (`straight.py`). A client without credit is left out of
rounds, so that a browser that stops reading costs neither memory nor work; when it acknowledges, it gets the newest
state.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import Any

from autobahn.exception import Disconnected

from .bus import Bus, the_bus
from .client import Client
from .feed import Feed, the_feed
from .rounds import Made, Request, Rounds

log = logging.getLogger("weir.live")

PAUSE = 0.1  # seconds between two rounds at least: ticks that come closer share one
CLOCK = 2.0  # seconds between looks at what no tick tells: brokers that fell silent, clients that did
HEARTBEAT = 5.0  # seconds without a frame after which a client is told that nothing is new
YIELD_EVERY = 50  # clients; between them the server writes and answers others
MOST_CLIENTS = 5000
CHECK_EVERY, CHECKED_AT_ONCE = 300.0, 20  # seconds between looks whether a client may stay; how many per CLOCK

SIGNED_OUT, QUIET, BROKEN, TOO_MANY = 4401, 4408, 4500, 4503  # close codes


class Hub:
    """The clients of this process. All methods are for the event loop, unless they say otherwise."""

    def __init__(self, feed: Feed, bus: Bus) -> None:
        self.clients: set[Client] = set()
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._looked_at = 0.0
        self._rounds = Rounds(feed.fleet, bus)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="live-hub")
        self._ends = [feed.listen(self._woken), bus.subscribe(None, self._noted)]
        self._task = self._loop.create_task(self._run(), name="live-hub")

    async def stop(self) -> None:
        """End the task and let go of the bus."""
        for end in self._ends:
            end()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown(wait=False)

    # --- clients -------------------------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        return len(self.clients) >= MOST_CLIENTS

    def join(self, client: Client) -> None:
        self.clients.add(client)

    def leave(self, client: Client) -> None:
        """Forget a client. May be called twice."""
        self.clients.discard(client)

    def wake(self) -> None:
        """A client wants something: make a round soon."""
        self._wake.set()

    async def close(self, client: Client, code: int) -> None:
        """Close a connection from this side."""
        self.leave(client)
        await self._send(client, {"type": "websocket.close", "code": code})

    async def _send(self, client: Client, message: Mapping[str, Any]) -> None:
        """Send, whatever becomes of it: one broken connection must not keep the frame from the others."""
        try:
            await client.send(message)
        except Disconnected:
            self.leave(client)
        except Exception:  # the server refuses the message: a reason to be looked for
            log.exception("A live frame could not be sent; its connection is closed.")
            self.leave(client)
            with suppress(Exception):
                await client.send({"type": "websocket.close", "code": BROKEN})

    # --- from other threads --------------------------------------------------------------------------------------

    def _woken(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    def _noted(self, kind: str, fields: Mapping[str, Any]) -> None:
        if self._loop.is_closed():
            return
        if kind == "signed_out":
            asyncio.run_coroutine_threadsafe(self._sign_out(fields), self._loop)
        elif kind == "bus_back":
            self._loop.call_soon_threadsafe(self._doubt)
        elif kind in ("letters_changed", "replays_changed", "replay_told"):
            self._loop.call_soon_threadsafe(self._wake.set)

    def _doubt(self) -> None:
        """Somebody may have signed out unheard: look again soon."""
        for client in self.clients:
            client.checked_at = 0.0

    async def _sign_out(self, who: Mapping[str, Any]) -> None:
        for client in [client for client in self.clients if client.is_of(who)]:
            await self.close(client, SIGNED_OUT)

    # --- rounds --------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), CLOCK)
            self._wake.clear()
            try:
                await self._look_around()
                await self._round()
            except Exception:  # a database that is locked or away: the next round tries again
                log.exception("A round of live frames failed; the next one tries again.")
            await asyncio.sleep(PAUSE)

    async def _look_around(self) -> None:
        """Every CLOCK seconds: close connections that went quiet, or whose person or token may stay no longer.

        Signing out says so at once; looking again catches sessions that ended by themselves, and words that were lost.
        """
        now = time.monotonic()
        if now - self._looked_at < CLOCK:
            return
        self._looked_at = now
        for client in [client for client in self.clients if client.gone_quiet]:
            log.info("A live connection acknowledged nothing for long and is closed.")
            await self.close(client, QUIET)
        due = [client for client in self.clients if now - client.checked_at > CHECK_EVERY][:CHECKED_AT_ONCE]
        for client in due:
            client.checked_at = now
            if not await client.may_stay():
                await self.close(client, SIGNED_OUT)

    async def _round(self) -> None:
        groups: dict[Request, list[Client]] = defaultdict(list)
        now, asked = time.monotonic(), {client: client.asked for client in self.clients}
        for client in self.clients:
            if client.view is not None and client.has_credit:
                beat = now - client.sent_at >= HEARTBEAT
                groups[Request(client.view, client.last, client.held_order, client.fresh, beat)].append(client)
        if not groups:
            return
        unpacking = {request: n for request, some in groups.items() if (n := sum(one.unpacks for one in some))}
        made = await self._loop.run_in_executor(self._thread, self._rounds.make, list(groups), unpacking)
        sent = 0
        for request, frame in made.items():
            for client in groups[request]:
                if client in self.clients and client.view == request.view and client.has_credit:
                    await self._deliver(client, frame, asked[client])
                    sent += 1
                    if sent % YIELD_EVERY == 0:
                        await asyncio.sleep(0)

    async def _deliver(self, client: Client, made: Made, asked: int) -> None:
        """`asked`: what it had asked for when this was made; what it has wanted since is answered by the next round."""
        if made.frame is not None:
            client.last, client.fresh = made.frame, client.asked != asked
        client.note_sent(made.seq)
        try:
            wire = made.packed if made.packed and client.unpacks else made.wire
            if client.straight is not None and client.straight.write(wire):
                return
        except Disconnected:
            return self.leave(client)
        await self._send(client, made.message)


_starting = Lock()
_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


async def the_hub() -> Hub:
    """The hub of this process and loop, started by whoever comes first (which reads the store)."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        feed = await loop.run_in_executor(None, the_feed)
        with _starting:
            if loop not in _hubs:
                _hubs[loop] = Hub(feed, the_bus())
    return _hubs[loop]
