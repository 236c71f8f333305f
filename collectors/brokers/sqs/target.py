"""One account in one region: its clients, and every call that is made through them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from ...errors import CollectorError
from .budget import Budget
from .failures import explained
from .options import Options
from .parallel import MOST_THREADS
from .session import BoundedSession

#: Tries of one call, the first included; botocore waits longer before each, with jitter. Its adaptive mode is not
#: used: it slows down inside a call, for half a minute at a time, where `Budget` slows down from poll to poll.
TRIES = 3
CONNECT_SECONDS = 4.0
#: A role is assumed anew so many seconds before its session ends.
EARLY = 300.0
#: The name under which a role's session stands in the account's own log.
SESSION = "weir"
_NAMES = {"sqs": "SQS", "cloudwatch": "CloudWatch", "sts": "STS", "resourcegroupstaggingapi": "the Tagging API"}
_ACTIONS = {"sqs": "sqs", "cloudwatch": "cloudwatch", "sts": "sts", "resourcegroupstaggingapi": "tag"}


class Meter:
    """Counts requests, retries included, and bytes since `begin`; every request is taken from the budget."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.requests = self.bytes = 0
        self._lock = threading.Lock()

    def begin(self) -> None:
        with self._lock:
            self.requests = self.bytes = 0

    def watch(self, client: Any) -> None:
        """Count what a client sends; botocore emits these events for every try."""
        client.meta.events.register("before-send.sqs", self._sending_sqs)
        if client.meta.service_model.service_name != "sqs":
            client.meta.events.register("before-send", self._sending_other)
        client.meta.events.register("response-received", self._received)

    def _sending_sqs(self, request: Any, **_: Any) -> None:
        body = request.body if isinstance(request.body, bytes) else b""
        self._count("fifo" if b'.fifo"' in body else "standard")

    def _sending_other(self, **_: Any) -> None:
        self._count("other")

    def _count(self, kind: Literal["standard", "fifo", "other"]) -> None:
        self.budget.spent(time.monotonic(), kind)
        with self._lock:
            self.requests += 1

    def _received(self, response_dict: Any = None, **_: Any) -> None:
        body = (response_dict or {}).get("body")
        if isinstance(body, bytes):
            with self._lock:
                self.bytes += len(body)


class Target:
    """A region, and a role in an account (or "" for the credentials as they are). Clients are made when first used."""

    def __init__(self, options: Options, region: str, role: str, meter: Meter) -> None:
        self.region, self.role = region, role
        self._options, self._meter = options, meter
        self._lock = threading.RLock()
        self._session: boto3.session.Session | None = None
        self._clients: dict[tuple[str, bool], Any] = {}
        self._until = float("inf")  # monotonic end of the role's session

    @property
    def account(self) -> str:
        """The account of the role, "" where none is assumed."""
        return self.role.split(":")[4] if self.role else ""

    def place(self, service: str = "sqs") -> str:
        """Where calls go, in words: "SQS in eu-west-1", "SQS at 127.0.0.1:4566"."""
        at = f"at {urlsplit(self._options.endpoint).netloc}" if self._options.endpoint else f"in {self.region}"
        return f"{_NAMES[service]} {at}" + (f" (account {self.account})" if self.account else "")

    @property
    def is_aws(self) -> bool:
        """Whether calls go to Amazon itself, and not to something else that speaks its protocol."""
        host = urlsplit(self._options.endpoint).hostname or ""
        return not host or host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """One action, by its name in boto3 ("list_queues"), retried while that may help. Raises CollectorError."""
        return self._call(service, operation, False, parameters)

    def call_once(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """As `call`, but never retried: for what would be done twice when an answer is lost."""
        return self._call(service, operation, True, parameters)

    def _call(self, service: str, operation: str, once: bool, parameters: dict[str, Any]) -> dict[str, Any]:
        action = f"{_ACTIONS[service]}:{operation.title().replace('_', '')}"
        try:
            answer: dict[str, Any] = getattr(self._client(service, once), operation)(**parameters)
        except CollectorError:
            raise
        except Exception as error:
            raise explained(error, action, self.place(service), self._options.timeout) from error
        return answer

    def pages(self, service: str, operation: str, mark: str = "NextToken", **parameters: Any) -> Iterator[Any]:
        """The answers of an action page after page; `mark` is the name of the token that leads to the next one."""
        token = ""
        while True:
            answer = self.call(service, operation, **parameters, **({mark: token} if token else {}))
            yield answer
            following = str(answer.get(mark) or "")
            if not following or following == token:
                return
            token = following

    def close(self) -> None:
        """Let go of every connection; the next call makes new ones."""
        with self._lock:
            clients, self._clients, self._session = list(self._clients.values()), {}, None
        for client in clients:
            client.close()

    def queue_url(self, account: str, name: str) -> str:
        """The URL of a queue, whether it exists or not."""
        return f"{self._client('sqs').meta.endpoint_url.rstrip('/')}/{account}/{name}"

    def queue_arn(self, key: str) -> str:
        """The ARN of the queue of this key."""
        return f"arn:{self._client('sqs').meta.partition}:sqs:{key}"

    def _client(self, service: str, once: bool = False) -> Any:
        with self._lock:
            if time.monotonic() > self._until - EARLY:
                self.close()
            if (service, once) not in self._clients:
                session = self._session = self._session or self._sign_in()
                self._clients[service, once] = self._build(session, service, 1 if once else TRIES)
            return self._clients[service, once]

    def _sign_in(self) -> boto3.session.Session:
        """A session with the URL's credentials or those of the usual AWS chain, changed for those of the role."""
        options = self._options
        session = boto3.session.Session(
            aws_access_key_id=options.access_key or None,
            aws_secret_access_key=options.secret_key or None,
            profile_name=options.profile or None,
        )
        if not self.role:
            return session
        sts = self._build(session, "sts")
        extra = {"ExternalId": options.external_id} if options.external_id else {}
        try:
            answer = sts.assume_role(RoleArn=self.role, RoleSessionName=SESSION, **extra)
        except Exception as error:
            raise explained(error, "sts:AssumeRole", self.place("sts"), options.timeout) from error
        finally:
            sts.close()
        given = answer["Credentials"]
        self._until = time.monotonic() + max(given["Expiration"].timestamp() - time.time(), 2 * EARLY)
        return boto3.session.Session(
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )

    def _build(self, session: boto3.session.Session, service: str, tries: int = TRIES) -> Any:
        timeout = self._options.timeout
        client = session.client(
            service,
            region_name=self.region,
            endpoint_url=self._options.endpoint or None,
            config=Config(
                connect_timeout=min(CONNECT_SECONDS, timeout),
                read_timeout=timeout,
                retries={"mode": "standard", "total_max_attempts": tries},
                max_pool_connections=2 * MOST_THREADS,  # receiving, and deleting meanwhile
                parameter_validation=service != "sqs",  # a fifth of what a call costs; what is sent is typed here
                user_agent_extra="weir",
            ),
        )
        self._meter.watch(client)
        endpoint = client._endpoint  # botocore has no public way to its HTTP
        endpoint.http_session = BoundedSession(
            endpoint.http_session, self.place(service), timeout, json=service == "sqs"
        )
        return client
