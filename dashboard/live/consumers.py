"""`/ws/live/`: who may connect, and what a client's messages mean. The frames come from the hub.

Close codes: 4401 not signed in (or signed out), 4403 not allowed, 4408 nothing acknowledged for long,
4429 too many messages or too many bad ones, 4503 too many clients. A message that cannot be followed is
answered with {"error": {"code", "message", "field", "position"}}.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson
from channels.auth import get_user
from channels.consumer import AsyncConsumer
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer

from ..access import Principal, Refused, from_scope
from ..models import Wallboard
from . import view
from .client import Client
from .hub import SIGNED_OUT, TOO_MANY, Hub, the_hub

NOT_ALLOWED, REFUSED = 4403, 4429
LARGEST_MESSAGE = 4096  # bytes
PER_SECOND, BURST = 20.0, 60.0  # messages
MOST_BAD = 20  # messages that cannot be followed, in one connection


class Bucket:
    """How many messages a client may send: PER_SECOND, and BURST at once."""

    def __init__(self) -> None:
        self._left, self._at = BURST, time.monotonic()

    def take(self) -> bool:
        """Count one message; False when it is one too many."""
        now = time.monotonic()
        self._left = min(BURST, self._left + (now - self._at) * PER_SECOND)
        self._at = now
        self._left -= 1
        return self._left >= 0


class BadMessage(ValueError):
    """A message that cannot be followed: a sentence and the field."""

    def __init__(self, sentence: str, field: str | None = None, position: int | None = None) -> None:
        super().__init__(sentence)
        self.field, self.position = field, position


class LiveConsumer(AsyncConsumer):  # type: ignore[misc]
    """One WebSocket. Its messages are followed without Channels' dispatch, which takes tasks and a thread for each.

    It has no channel: frames and notes come over the bus.
    """

    hub: Hub
    client: Client | None = None
    principal: Principal
    pin: tuple[str, str] | None = None  # filter and order of a wallboard, which shows nothing else

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope, self.base_send = scope, send
        with suppress(StopConsumer):
            while True:
                await self.dispatch(await receive())

    async def dispatch(self, message: Mapping[str, Any]) -> None:
        match message["type"]:
            case "websocket.receive":
                await self.received(message)
            case "websocket.connect":
                await self.connect()
            case "websocket.disconnect":
                if self.client is not None:
                    self.hub.leave(self.client)
                raise StopConsumer

    async def connect(self) -> None:
        await self.base_send({"type": "websocket.accept"})  # first, so that a browser sees the code of a refusal
        try:
            principal = await database_sync_to_async(from_scope)(self.scope)
        except Refused as refused:
            return await self.refuse(SIGNED_OUT, "refused", str(refused))
        if principal is None:
            return await self.refuse(SIGNED_OUT, "not_signed_in", "Sign in, or send a token in the header.")
        self.principal = principal
        self.hub = await the_hub()
        if self.hub.full:
            return await self.refuse(TOO_MANY, "too_many", "This server has as many live pages as it takes; try later.")
        self.bucket, self.bad = Bucket(), 0
        if principal.kind == "wallboard":
            self.pin = await database_sync_to_async(_pin)(principal.id)
        person = principal.kind == "person"
        session = self.scope.get("session")
        self.client = Client(
            self.base_send,
            session=session.session_key if person and session is not None else None,
            token=principal.id if principal.kind == "token" else None,
            user=principal.id if person else None,
            wallboard=principal.id if principal.kind == "wallboard" else None,
            may_stay=self.may_stay,
            straight=self.scope.get("straight"),
        )
        self.hub.join(self.client)

    async def may_stay(self) -> bool:
        """Whether who connected is still signed in, or the token still good, and may still see."""
        scope = dict(self.scope)
        try:
            if self.principal.kind == "person":
                scope["session"] = type(self.scope["session"]._wrapped)(self.scope["session"].session_key)
                scope["user"] = await get_user(scope)
            principal = await database_sync_to_async(from_scope)(scope)
        except Refused:
            return False
        return principal is not None and principal.can("see")

    async def refuse(self, code: int, word: str, sentence: str, **more: Any) -> None:
        """Say why, and close."""
        await self.error(word, sentence, **more)
        if self.client is not None:
            self.hub.leave(self.client)
            self.client = None
        await self.base_send({"type": "websocket.close", "code": code})

    async def error(self, word: str, sentence: str, **more: Any) -> None:
        text = orjson.dumps({"error": {"code": word, "message": sentence, **more}}).decode()
        await self.base_send({"type": "websocket.send", "text": text})

    async def received(self, message: Mapping[str, Any]) -> None:
        """Follow a message, or say in a sentence why not."""
        if self.client is None:  # it was refused, and what it sent before it heard of that does not count
            return
        if not self.bucket.take():
            await self.refuse(
                REFUSED, "too_fast", f"More than {PER_SECOND:.0f} messages a second; connect again, slower."
            )
            return
        try:
            self.follow(read(message), self.client)
        except (BadMessage, view.BadView) as wrong:
            self.bad += 1
            told = {"field": wrong.field, "position": wrong.position}
            more = {name: value for name, value in told.items() if value is not None}
            if self.bad > MOST_BAD:
                await self.refuse(REFUSED, "bad_message", str(wrong), **more)
            else:
                await self.error("bad_message", str(wrong), **more)
        except Refused as refused:
            await self.refuse(NOT_ALLOWED, "refused", str(refused))

    def follow(self, message: Mapping[str, Any], client: Client) -> None:
        """Do what a message says. Raises BadMessage, BadView or Refused."""
        if "ack" in message:
            if not isinstance(message["ack"], int):
                raise BadMessage("ack must be the seq of a frame.", "ack")
            if client.acknowledge(message["ack"]):
                self.hub.wake()
        elif "hold" in message:
            if not isinstance(message["hold"], bool):
                raise BadMessage("hold must be true or false.", "hold")
            client.hold(message["hold"])
            self.hub.wake()
        else:
            wanted = view.read_view(message, self.principal)
            self.principal.must(view.deed_of(wanted))
            client.show(wanted if self.pin is None else view.pinned(wanted, *self.pin))
            self.hub.wake()


def _pin(wallboard: int) -> tuple[str, str]:
    row = Wallboard.objects.get(pk=wallboard)
    return row.filter, row.sort


def read(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The JSON object of a WebSocket message. Raises BadMessage."""
    data = message.get("text") or message.get("bytes") or ""
    if len(data) > LARGEST_MESSAGE:
        raise BadMessage(f"A message may have at most {LARGEST_MESSAGE:,} bytes.")
    try:
        read = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise BadMessage("A message must be JSON.") from None
    if not isinstance(read, dict):
        raise BadMessage('A message must be an object: {"view": ...}, {"hold": ...} or {"ack": ...}.')
    return read
