"""Every weather on the way to a broker: within bounded time one clear sentence of the right kind, and it heals."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from collectors.errors import AccessRefused, BadAnswer, CollectorError, NotSupported, TimedOut, Unreachable
from tests.servers.proxy import FAIR, Proxy, Weather
from tests.servers.rabbitmq import Node
from tests.servers.sqs import Peer
from tests.weather.watch import Memory, Watch, is_one_sentence

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

MB = 1024 * 1024
#: What an answer of 200 MB may cost at most: far from holding it, with room for what else this process does meanwhile.
MOST = 120 * MB
HTTP = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
PAGE = b"<html><body>It works!</body></html>"
WEB_PAGE = HTTP.replace(b"json", b"html") + b"content-length: %d\r\n\r\n" % len(PAGE) + PAGE
PACKED = gzip.compress(bytes(200 * MB), 1)
NONSENSE = bytes(range(1, 256)) * 4 + b"\r\n"

Kinds = tuple[type[CollectorError], ...]
#: What happens on any way, and what it is called.
WEATHERS: list[tuple[Weather, Kinds]] = [
    (Weather("nothing gets through", silent=True), (TimedOut,)),
    (Weather("every piece takes too long", delay=1.5), (TimedOut,)),
    (Weather("thirty bytes a second", rate=30), (TimedOut,)),
    (Weather("the connection is reset", says=b"", ends="reset"), (Unreachable,)),
    (Weather("it is closed", says=b"", ends="close"), (Unreachable, BadAnswer)),
    (Weather("it is half closed", says=b"", ends="half-close"), (Unreachable, BadAnswer)),
    (Weather("the answer breaks off", cut_after=25, ends="close"), (Unreachable, BadAnswer)),
    (Weather("the answer breaks off later", cut_after=400, ends="close"), (Unreachable, BadAnswer)),
    (Weather("the answer is reset in the middle", cut_after=25, ends="reset"), (Unreachable, BadAnswer)),
    (Weather("half an answer, and then nothing", cut_after=25, ends="half-close"), (Unreachable, BadAnswer)),
    (Weather("nonsense", says=NONSENSE), (BadAnswer, TimedOut)),
    (Weather("nonsense, and the end", says=NONSENSE, ends="close"), (BadAnswer, Unreachable)),
    (Weather("a web page", says=WEB_PAGE), (BadAnswer,)),
    (Weather("nothing but filler", says=b"", flood=200 * MB), (BadAnswer, Unreachable, TimedOut)),
]
#: What only one protocol can say.
OF_REDIS: list[tuple[Weather, Kinds]] = [
    (Weather("200 MB in one reply", says=b"$209715200\r\n", flood=200 * MB), (BadAnswer,)),
    (Weather("200 MB of replies", says=b"*9999999\r\n" + b"$-1\r\n" * 9, flood=200 * MB), (BadAnswer, TimedOut)),
    (Weather("replies in replies", says=b"*1\r\n" * 100_000), (BadAnswer,)),
    (Weather("a length that cannot be", says=b"$99999999999999999999\r\n"), (BadAnswer, TimedOut)),
    (Weather("a length that is none", says=b"$many\r\n"), (BadAnswer,)),
    (Weather("a version that knows nothing", says=b"-ERR unknown command\r\n" * 50), (NotSupported,)),
    (Weather("numbers for everything", says=b":7\r\n" * 50), (BadAnswer,)),
    (Weather("texts for everything", says=b"+OK\r\n" * 50), (BadAnswer,)),
    (Weather("still loading", says=b"-LOADING Redis is loading the dataset in memory\r\n"), (BadAnswer,)),
]
OF_HTTP: list[tuple[Weather, Kinds]] = [
    (Weather("200 MB in one answer", says=HTTP + b"content-length: 209715200\r\n\r\n", flood=200 * MB), (BadAnswer,)),
    (Weather("200 MB without a length", says=HTTP + b"\r\n", flood=200 * MB, ends="close"), (BadAnswer,)),
    (Weather("200 MB of header", says=HTTP, flood=200 * MB), (BadAnswer, Unreachable)),
    (
        Weather("a head that is none", says=b"HTTP/1.1 200 OK\r\nno head: \r\n at all\x00\r\n\r\n"),
        (BadAnswer, TimedOut),
    ),
    (
        Weather("packed, and broken", says=HTTP + b"content-encoding: gzip\r\ncontent-length: 9\r\n\r\nnot-gzip!"),
        (BadAnswer,),
    ),
    (Weather("packed 500 times", says=HTTP + b"content-encoding: gzip\r\n\r\n" + PACKED, ends="close"), (BadAnswer,)),
    (Weather("another version: an object", says=HTTP + b"content-length: 2\r\n\r\n{}"), (BadAnswer,)),
    (Weather("another version: a list", says=HTTP + b"content-length: 4\r\n\r\n[{}]"), (BadAnswer,)),
    (Weather("a server that failed", says=b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"), (BadAnswer,)),
    (Weather("elsewhere", says=b"HTTP/1.1 302 No\r\nlocation: /\r\ncontent-length: 0\r\n\r\n"), (BadAnswer,)),
    (Weather("signed out", says=b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n"), (AccessRefused,)),
]


def cases(*tables: list[tuple[Weather, Kinds]]) -> list:  # type: ignore[type-arg]
    return [pytest.param(*case, id=case[0].name.replace(" ", "-")) for table in tables for case in table]


def patience(kinds: Kinds, least: str) -> str:
    """A timeout: short where it is what happens, long where something else is to happen before it on a busy machine."""
    return least if TimedOut in kinds else "10s"


@contextmanager
def in_memory_of(most: int) -> Iterator[None]:
    with Memory() as memory:
        yield
    assert memory.growth < most, f"{memory.growth / MB:.0f} MB more"


@pytest.mark.parametrize(("weather", "kinds"), cases(WEATHERS, OF_REDIS))
def test_redis(watch: Watch, redis7, weather: Weather, kinds: Kinds) -> None:  # type: ignore[no-untyped-def]
    with Proxy(redis7.port) as proxy:
        watch.start(f"redis://:@127.0.0.1:{proxy.port}/0?timeout={patience(kinds, '400ms')}")
        with in_memory_of(MOST):
            proxy.weather = weather
            watch.failure()  # of the poll that was under way, perhaps
            error = watch.failure()
            print(f"\nSEEN redis | {weather.name} | {type(error).__name__} | {error}")
            assert isinstance(error, kinds)
        proxy.weather = FAIR
        assert [s.depth for s in watch.answer().samples] == [2]


@pytest.mark.rabbitmq
@pytest.mark.parametrize(("weather", "kinds"), cases(WEATHERS, OF_HTTP))
def test_rabbitmq(watch: Watch, rabbitmq_node: Node, vhost: str, weather: Weather, kinds: Kinds) -> None:
    with rabbitmq_node.connect(vhost) as connection:
        connection.channel().queue_declare("orders")
    with Proxy(rabbitmq_node.management) as proxy:
        url = rabbitmq_node.without_prometheus_url(vhost=vhost)
        url = url.replace(str(rabbitmq_node.management), str(proxy.port))
        watch.start(f"{url}&timeout={patience(kinds, '1s')}")
        with in_memory_of(MOST):
            proxy.weather = weather
            watch.failure()  # of the poll that was under way, perhaps
            error = watch.failure()
            print(f"\nSEEN rabbitmq | {weather.name} | {type(error).__name__} | {error}")
            assert isinstance(error, kinds)
        proxy.weather = FAIR
        assert [s.name for s in watch.answer().samples] == [f"{vhost}/orders"]


@pytest.mark.rabbitmq
@pytest.mark.parametrize("weather", [one for one, _ in WEATHERS + OF_HTTP], ids=lambda w: w.name.replace(" ", "-"))
def test_rabbitmq_of_which_prometheus_is_in_bad_weather(
    watch: Watch, rabbitmq_node: Node, vhost: str, weather: Weather
) -> None:
    """The management API measures instead: a partial truth, said in one sentence, and no queue is lost."""
    with rabbitmq_node.connect(vhost) as connection:
        connection.channel().queue_declare("orders")
    with Proxy(rabbitmq_node.prometheus) as proxy:
        url = rabbitmq_node.url(vhost=vhost).replace(str(rabbitmq_node.prometheus), str(proxy.port))
        watch.start(url + "&timeout=1s")
        with in_memory_of(MOST):
            proxy.weather = weather
            poll = watch.answer(lambda poll: poll.problems)
        assert [s.name for s in poll.samples] == [f"{vhost}/orders"] and len(poll.problems) == 1
        print(f"\nSEEN prometheus | {weather.name} | {poll.problems[0]}")
        is_one_sentence(poll.problems[0])
        proxy.weather = FAIR
        assert len(watch.answer().samples) == 1


@pytest.mark.parametrize(
    "weather", [w for w, _ in WEATHERS + OF_HTTP if not w.rate], ids=lambda w: w.name.replace(" ", "-")
)
def test_sqs(watch: Watch, sqs_peer: Peer, weather: Weather) -> None:
    """An answer in drips is only slow here: botocore bounds each piece of a head, the poller bounds the poll."""
    sqs_peer.create("orders")
    with Proxy(sqs_peer.port) as proxy:
        watch.start(sqs_peer.url("timeout=1s", endpoint=f"http://127.0.0.1:{proxy.port}"))
        with in_memory_of(MOST):
            proxy.weather = weather
            error = watch.trouble()
            print(f"\nSEEN sqs | {weather.name} | {error}")
        proxy.weather = FAIR
        assert len(watch.answer(lambda poll: not poll.problems).samples) == 1
