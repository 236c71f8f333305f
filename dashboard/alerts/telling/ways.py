"""Sending one notice, once. It arrives, or `Undelivered` says in a sentence why not and whether trying again can help.

Everything that takes an address of its own is connected to as `addresses` checked it; redirects are not followed;
an answer is read for at most a few seconds and kilobytes, and never acted upon.
"""

from __future__ import annotations

import hashlib
import hmac
import smtplib
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formataddr, formatdate, make_msgid
from typing import Any, TypeVar
from urllib.parse import quote

import orjson
import urllib3
from urllib3.exceptions import HTTPError

from . import texts
from .addresses import Refused, pinned
from .notice import Notice
from .urls import Target

CONNECT, ANSWER = 5.0, 10.0  # seconds
LARGEST_ANSWER = 16_384
SLACK = "https://hooks.slack.com/services"
PAGERDUTY = {"us": "https://events.pagerduty.com/v2/enqueue", "eu": "https://events.eu.pagerduty.com/v2/enqueue"}


_E = TypeVar("_E", bound=BaseException)


class Undelivered(Exception):
    """A message did not arrive, as far as is known. `permanent`: the same again will fail the same."""

    def __init__(self, sentence: str, permanent: bool = False) -> None:
        super().__init__(sentence)
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent and what the service answered, for people who test a notifier."""

    sent: str
    answered: str


def send(target: Target, notice: Notice, allow_private: bool) -> Sent:
    """Tell. Raises Undelivered."""
    try:
        return _WAYS.get(target.scheme, _plain)(target, notice, allow_private)
    except Refused as refused:
        raise Undelivered(str(refused), refused.permanent) from None


def refusal(target: Target, allow_private: bool) -> str:
    """Why nothing could ever be sent there, as a sentence; "" when it can be tried, or the host is not found now."""
    if target.scheme in ("mailto", "mailtos"):
        host, port = target.plugin.smtp_host, _smtp(target)[0]
    elif target.scheme in ("json", "jsons"):
        host, port = target.host, target.port
    else:
        return ""
    try:
        pinned(host, port, allow_private)
    except Refused as refused:
        return str(refused) if refused.permanent else ""
    return ""


# --- HTTP -----------------------------------------------------------------------------------------------------------


def _post(url: str, body: Any, headers: dict[str, str], allow_private: bool) -> str:
    """POST JSON to a checked address; what was answered. Raises Undelivered, Refused."""
    parts = urllib3.util.parse_url(url)
    host = (parts.host or "").strip("[]")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = pinned(host, port, allow_private)
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    timeout = urllib3.Timeout(connect=CONNECT, read=ANSWER)
    common: dict[str, Any] = {"port": port, "timeout": timeout, "retries": False, "maxsize": 1}
    if parts.scheme == "https":
        pool: Any = urllib3.HTTPSConnectionPool(
            address, server_hostname=host, assert_hostname=host, ssl_context=ssl.create_default_context(), **common
        )
    else:
        pool = urllib3.HTTPConnectionPool(address, **common)
    named = f"[{host}]" if ":" in host else host
    headers = {"Content-Type": "application/json", "User-Agent": "Weir"} | headers
    headers["Host"] = named if parts.port is None else f"{named}:{port}"
    try:
        response = pool.request(
            "POST", parts.request_uri, body=data, headers=headers, redirect=False, preload_content=False
        )
        answer = _read(response)
    except (HTTPError, OSError) as error:
        raise Undelivered(f"{host} did not take it: {_reason(error)}.") from None
    finally:
        pool.close()
    if 300 <= response.status < 400:
        raise Undelivered(f"{host} answered {response.status}: it wants to redirect, which is not followed.", True)
    if not 200 <= response.status < 300:
        permanent = 400 <= response.status < 500 and response.status not in (408, 409, 425, 429)
        raise Undelivered(f"{host} answered {response.status}: {answer[:200] or 'nothing more'}", permanent)
    return f"{response.status} {answer[:500]}".strip()


def _read(response: Any) -> str:
    """The beginning of an answer, as text; a slow one is not waited for."""
    until, got = time.monotonic() + ANSWER, b""
    while len(got) < LARGEST_ANSWER and time.monotonic() < until:
        chunk = response.read(1024)
        if not chunk:
            break
        got += chunk
    response.close()
    return " ".join(got.decode("utf-8", "replace").split())


def _reason(error: BaseException) -> str:
    untrusted = _within(error, ssl.SSLCertVerificationError)
    if untrusted is not None:
        return _untrusted(untrusted)
    text = " ".join(str(error).split())
    if "timed out" in text.lower():
        return f"no answer within {ANSWER:.0f} s"
    if "refused" in text.lower():
        return "the connection was refused"
    if "doesn't match" in text:  # urllib3 compares names itself
        return f"its certificate is not trusted: {text.rpartition(': ')[2]}; {_ANOTHER_NAME}"
    return text.rpartition(": ")[2][:200].rstrip(".)") or type(error).__name__


def _within(error: BaseException | None, kind: type[_E]) -> _E | None:
    """An error, or the one that it was raised for."""
    seen = 0
    while error is not None and seen < 9:
        inner = next((one for one in (error, *error.args) if isinstance(one, kind)), None)
        if inner is not None:
            return inner
        error, seen = error.__cause__ or error.__context__, seen + 1
    return None


def _untrusted(error: ssl.SSLCertVerificationError) -> str:
    """What is wrong with a certificate, and what to do. The numbers are OpenSSL's X509_V_ERR_..."""
    said = f"its certificate is not trusted: {error.verify_message.rstrip('.')}"
    if error.verify_code == 10:
        return f"{said}; it has to be renewed there"
    if error.verify_code in (62, 64):
        return f"{said}; {_ANOTHER_NAME}"
    return f"{said}; SSL_CERT_FILE names a file of the authorities that Weir trusts"


_ANOTHER_NAME = "write a name into the URL that it was made for"


def signature(secret: str, at: int, body: bytes) -> str:
    """What the header X-Weir-Signature says: HMAC-SHA256 over the time, a dot and the body."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


def _webhook(target: Target, notice: Notice, allow_private: bool) -> Sent:
    body = orjson.dumps(texts.webhook(notice))
    headers = {"Idempotency-Key": notice.key}
    if target.secret:
        headers["X-Weir-Signature"] = signature(target.secret, int(time.time()), body)
    plugin = target.plugin
    if plugin.user:
        headers |= urllib3.make_headers(basic_auth=f"{plugin.user}:{plugin.password or ''}")
    scheme = "https" if target.scheme == "jsons" else "http"
    host = f"[{target.host}]" if ":" in target.host else target.host
    path = quote(plugin.fullpath or "/", safe="/%:@!$&'()*+,;=-._~")
    answered = _post(f"{scheme}://{host}:{target.port}{path}", body, headers, allow_private)
    return Sent(body.decode(), answered)


def _slack(target: Target, notice: Notice, allow_private: bool) -> Sent:
    plugin = target.plugin
    if plugin.mode != "hook":
        return _plain(target, notice, allow_private)
    body = texts.slack(notice)
    path = "/".join(quote(token, safe="") for token in (plugin.token_a, plugin.token_b, plugin.token_c))
    for channel in plugin.channels or [""]:
        told = body | {"channel": channel} if channel else body
        answered = _post(f"{SLACK}/{path}", told, {}, allow_private)
    return Sent(orjson.dumps(body).decode(), answered)


def _pagerduty(target: Target, notice: Notice, allow_private: bool) -> Sent:
    key, url = target.plugin.integration_key, PAGERDUTY[target.plugin.region_name]
    if notice.event == "test":
        payload = {"summary": texts.TEST, "source": "Weir", "severity": "info"}
        begins = {"routing_key": key, "dedup_key": f"weir-{notice.key}", "event_action": "trigger", "payload": payload}
        answered = _post(url, begins, {}, allow_private)
        _post(
            url, {k: begins[k] for k in ("routing_key", "dedup_key")} | {"event_action": "resolve"}, {}, allow_private
        )
        return Sent(texts.TEST, answered)
    answered = ""
    for item in notice.items:
        answered = _post(url, texts.pagerduty(item, notice, key), {}, allow_private)
    return Sent(f"{len(notice.items)} events", answered)


# --- mail -----------------------------------------------------------------------------------------------------------


class _Pinned(smtplib.SMTP):
    """Connects to a checked address, and checks the certificate of the name."""

    address = ""

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        return super()._get_socket(self.address, port, timeout)  # type: ignore[misc]


class _PinnedTLS(smtplib.SMTP_SSL):
    address = ""

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        plain = smtplib.SMTP._get_socket(self, self.address, port, timeout)  # type: ignore[attr-defined]
        return self.context.wrap_socket(plain, server_hostname=host)  # type: ignore[attr-defined]


def mail(target: Target, notice: Notice) -> EmailMessage:
    """The message as it goes out. The key is in the Message-ID, so that a repetition is known as one."""
    plugin, message = target.plugin, EmailMessage()
    name, address = plugin.from_addr
    people = [who for _, who in plugin.targets]
    message["From"] = formataddr((name or "Weir", address))
    message["To"] = ", ".join(people)
    message["Subject"] = texts.subject(notice)
    message["Date"] = formatdate()
    domain = address.rpartition("@")[2] or "weir"
    message["Message-ID"] = f"<{notice.key}@{domain}>" if notice.key else make_msgid(domain=domain)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Weir-Event"] = notice.event
    if len(notice.items) == 1:
        message["References"] = f"<{notice.items[0].key}@{domain}>"
    message.set_content(texts.plain(notice))
    message.add_alternative(texts.html(notice), subtype="html")
    return message


def _smtp(target: Target) -> tuple[int, str]:
    """The port of a mail server, and how the connection becomes secret: "ssl" from the start, "starttls", or not."""
    plugin = target.plugin
    mode = str(getattr(plugin.secure_mode, "value", plugin.secure_mode))
    return plugin.port or {"ssl": 465, "starttls": 587}.get(mode, 25), mode


def _mail(target: Target, notice: Notice, allow_private: bool) -> Sent:
    plugin, message = target.plugin, mail(target, notice)
    host, (port, mode) = plugin.smtp_host, _smtp(target)
    context = ssl.create_default_context()
    kind: Any = _PinnedTLS if mode == "ssl" else _Pinned
    more = {"context": context} if mode == "ssl" else {}
    server = kind(timeout=ANSWER, **more)
    server.address = pinned(host, port, allow_private)
    server._host = host
    try:
        server.connect(host, port)
        if mode == "starttls":
            server.starttls(context=context)
        if plugin.user:
            server.login(plugin.user, plugin.password or "")
        refused = server.send_message(message)
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        raise Undelivered(f"{host} answered {error.smtp_code}: {said[:200]}", error.smtp_code >= 500) from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        raise Undelivered(f"{host} refused every recipient ({codes[0]}).", min(codes) >= 500) from None
    except (smtplib.SMTPException, OSError) as error:
        raise Undelivered(f"{host} did not take it: {_reason(error)}.") from None
    finally:
        with suppress(smtplib.SMTPException, OSError):
            server.close()
    left_out = f"; refused for {', '.join(refused)}" if refused else ""
    return Sent(f"{texts.subject(notice)}\n\n{texts.plain(notice)}", f"{host} took it{left_out}")


# --- the others -----------------------------------------------------------------------------------------------------


def _plain(target: Target, notice: Notice, allow_private: bool) -> Sent:
    """A plain text, by Apprise, to a service whose address is not the user's to choose."""
    import apprise  # here, as in urls.py: it is slow to start

    text, kinds = texts.plain(notice), {"critical": "failure", "warning": "warning", "info": "info"}
    kind = "success" if notice.event == "closed" else kinds[notice.severity]
    with apprise.LogCapture(level=apprise.logging.WARNING) as log:
        arrived = target.plugin.notify(body=text, title=texts.subject(notice), notify_type=kind)
        said = " ".join(log.getvalue().split())[-300:]
    if not arrived:
        raise Undelivered(f"{target.scheme} did not take it: {_without(said, target)}" if said else
                          f"{target.scheme} did not take it.")  # fmt: skip
    return Sent(text, "it was taken")


def _without(said: str, target: Target) -> str:
    """A log line of Apprise's without anything of the URL: it may name tokens."""
    for part in sorted({*target.url.replace("?", "/").replace("&", "/").replace("@", "/").split("/")}, key=len):
        if len(part) > 5:
            said = said.replace(part, "…")
    return said


_WAYS = {
    "mailto": _mail,
    "mailtos": _mail,
    "slack": _slack,
    "pagerduty": _pagerduty,
    "json": _webhook,
    "jsons": _webhook,
}
