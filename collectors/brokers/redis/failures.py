"""What redis-py raises, as errors of the collectors: one sentence that says what, where and what to do."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator

import redis

from ...certificates import why_untrusted
from ...errors import (
    AccessRefused,
    BadAnswer,
    BadURL,
    CollectorError,
    NotSupported,
    SignInRefused,
    TimedOut,
    Unreachable,
)
from ...url import BrokerURL

_FOR_NOW = (
    redis.exceptions.ReadOnlyError, redis.exceptions.TryAgainError, redis.exceptions.MasterDownError,
    redis.exceptions.ClusterDownError,
)  # fmt: skip
_FOR_NOW_WORDS = ("READONLY", "TRYAGAIN", "MASTERDOWN", "CLUSTERDOWN", "LOADING", "NOREPLICAS", "MISCONF", "BUSY")


class Silent(redis.ResponseError):
    """Stands for the reply of a node of a cluster that did not answer."""


def explained(error: BaseException, url: BrokerURL, *, answered_before: bool = False) -> CollectorError:
    """The collectors' error for a failure of the connection or the sign-in; `error` itself if it is one already.

    `answered_before`: this server has answered, so that the URL is not to blame.
    """
    if isinstance(error, CollectorError):
        return error
    place = f"{url.host}:{url.port(6379)}"
    if isinstance(error, redis.AuthenticationError):
        return _refused_sign_in(str(error), url, place)
    if isinstance(error, redis.BusyLoadingError):
        return BadAnswer(f"Redis at {place} is still loading its data into memory; it answers when that is done.")
    if isinstance(error, redis.TimeoutError | TimeoutError):
        seconds = url.get_seconds("timeout", 5.0)
        tls = ", does it speak TLS" if url.scheme == "rediss" else ""
        return TimedOut(
            f"Redis at {place} did not answer within {seconds:g} seconds; is the host right, is it busy{tls}?"
        )
    if "DENIED" in str(error) or "protected mode" in str(error):
        return AccessRefused(f"Redis at {place} is in protected mode and refuses other hosts; give it a password.")
    if "Database" in str(error) or "DB index" in str(error):
        return BadURL(f"Redis at {place} has no database {url.path}, or user {who(url)} may not SELECT it.")
    if "max number of clients" in str(error):
        return BadAnswer(f"Redis at {place} has reached its maxclients and takes no more connections.")
    if isinstance(error, redis.InvalidResponse):
        return BadAnswer(f"What listens at {place} does not speak the Redis protocol.")
    return _unreachable(error, url, place, answered_before)


def who(url: BrokerURL) -> str:
    """The user of a URL, in quotes."""
    return f"'{url.user or 'default'}'"


def refused(refusal: redis.ResponseError, url: BrokerURL, command: str, rule: str) -> CollectorError:
    """The error for a refusal of a command without which nothing can be measured; `rule` is the ACL rule for it."""
    place = f"{url.host}:{url.port(6379)}"
    if not_allowed_key(refusal):
        return AccessRefused(
            f"Redis user {who(url)} may not read the keys asked for; let an ACL rule like ~* match them."
        )
    if not_allowed(refusal):
        cure = f"ACL SETUSER {url.user or 'default'} {rule}"
        return AccessRefused(f"Redis user {who(url)} may not run {command}; allow it with {cure}.")
    if unknown_command(refusal) or "syntax error" in str(refusal):
        return NotSupported(f"Redis at {place} does not know {command} as 6.2 does; Weir needs 6.2 or newer.")
    return BadAnswer(f"Redis at {place} refused {command}: {line(refusal)}.")


def has_gone(reply: object) -> bool:
    """Whether the key (or the group in it) is not there any more, holds another type, or lies on another node."""
    return isinstance(reply, redis.ResponseError) and (
        isinstance(reply, redis.exceptions.MovedError)
        or str(reply).startswith(("WRONGTYPE", "NOGROUP", "no such key", "ERR no such key"))
    )


def line(refusal: object) -> str:
    """What the server says, as one line without a full stop."""
    return " ".join(str(refusal).split())[:200].rstrip(".")


def not_allowed(reply: object) -> bool:
    """Whether a reply is a missing permission."""
    return isinstance(reply, redis.exceptions.NoPermissionError)


def not_allowed_key(reply: object) -> bool:
    """Whether a reply is a missing permission on a key (or channel), not on the command itself."""
    return not_allowed(reply) and re.search(r"access (one of )?(a|the) (key|channel)", str(reply)) is not None


def for_now(reply: object) -> bool:
    """Whether a refusal, or what a script says of one, is not about the command but about the server as it is just
    now: a replica, one that is loading, a slot on its way."""
    if isinstance(reply, _FOR_NOW):
        return True
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
    return text.partition(" ")[0].lstrip("-") in _FOR_NOW_WORDS


def unknown_command(reply: object) -> bool:
    """Whether the server does not know the command: too old, or renamed by a hosting company."""
    return isinstance(reply, redis.ResponseError) and str(reply).lower().removeprefix("err ").startswith("unknown ")


def _refused_sign_in(text: str, url: BrokerURL, place: str) -> SignInRefused:
    if "without any password" in text or "no password is set" in text:
        return SignInRefused(f"Redis at {place} has no password set for its default user; leave it out of the URL.")
    if not url.password:
        return SignInRefused(
            f"Redis at {place} wants a password; put it in front of the host, as in redis://user:password@{place}/0."
        )
    return SignInRefused(f"Redis at {place} refused user {who(url)}: wrong user or password, or the user is off.")


def _unreachable(error: BaseException, url: BrokerURL, place: str, answered_before: bool) -> CollectorError:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unreachable(f"The certificate of Redis at {place} is not trusted: {why_untrusted(cause)}.")
        if isinstance(cause, ssl.SSLError):
            return Unreachable(
                f"No TLS with Redis at {place}; if it speaks plain TCP there, write redis:// for rediss://."
            )
        if isinstance(cause, socket.gaierror):
            return Unreachable(f"The host name {url.host} is not known; check the URL or the name server.")
        if isinstance(cause, ConnectionRefusedError):
            return Unreachable(f"Nothing listens at {place}: the connection was refused; is Redis running there?")
    if answered_before:
        return Unreachable(f"The connection to Redis at {place} was lost.")
    hint = "" if url.scheme == "rediss" else "; if it expects TLS, write rediss:// for redis://"
    return Unreachable(f"The connection to Redis at {place} was lost or could not be made{hint}.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
