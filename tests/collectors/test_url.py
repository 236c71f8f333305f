from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import registry
from collectors.errors import BadURL, NotSupported
from collectors.url import BrokerURL, glob_of, seconds


def test_every_part_is_read_and_decoded() -> None:
    url = BrokerURL.parse("AMQP://us%40er:p%2Fss%3A@host:5672/vhost?management=http://host:15672&name=My+broker")
    assert (url.scheme, url.user, url.password) == ("amqp", "us@er", "p/ss:")
    assert (url.hosts, url.host, url.port(1), url.path) == ((("host", 5672),), "host", 5672, "vhost")
    assert (url.get("management"), url.label) == ("http://host:15672", "My broker")


def test_what_is_left_out_has_its_usual_value() -> None:
    url = BrokerURL.parse("redis://")
    assert (url.host, url.port(6379), url.user, url.password, url.path) == ("localhost", 6379, "", "", "")
    assert (url.label, url.interval, url.get_seconds("timeout", 3.0)) == ("localhost", None, 3.0)


def test_several_hosts_and_ipv6_are_read_and_shown() -> None:
    url = BrokerURL.parse("redis+sentinel://a:1,b,[::1]:3/service")
    assert url.hosts == (("a", 1), ("b", None), ("::1", 3))
    assert str(url) == "redis+sentinel://a:1,b,[::1]:3/service"


@pytest.mark.parametrize(
    "text",
    [
        "amqp://u:s3cret@h",
        "amqp://u:s3cret@h:1/v?management=http://a:s3cret@h",
        "amqp://u:s3c%23ret%40@h?prometheus=http://a:s3cret@h1,http://b:s3cret@h2",
        "amqp://u:p@h?management=http://a:s3cret@half@h",
    ],
)
def test_no_password_is_shown(text: str) -> None:
    url = BrokerURL.parse(text)
    for shown in (str(url), repr(url), url.safe):
        assert not any(part in shown for part in ("s3c", "half", "ret@")), shown
    assert "•••" in url.safe


def test_a_text_is_rid_of_every_password_in_every_form() -> None:
    url = BrokerURL.parse("amqp://u:s3%2Fcret@h?management=http://a:other%2540@h")
    text = "tried s3/cret, s3%2Fcret, other%40 and other@ at h"
    assert url.hide(text) == "tried •••, •••, ••• and ••• at h"
    assert BrokerURL.parse("amqp://h").hide("nothing to hide") == "nothing to hide"


@pytest.mark.parametrize(
    "text",
    [
        "amqp://u:s3/cret@h",
        "amqp://u:12/s3cret@h",
        "amqp://u:12?s3cret@h",
        "amqp://u:s3#cret@h",
        "amqp://u:s3?cret@h",
        "amqp://u:s3cret@h:port",
        "amqp://u:s3cret@h:99999",
        "amqp://u:s3cret@[h",
        "amqp://u:s3cret@h\uff20x",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_showing_its_password(text: str) -> None:
    with pytest.raises(BadURL, match="%2F") as caught:
        BrokerURL.parse(text)
    assert "s3" not in str(caught.value) and "cret" not in str(caught.value)


def test_a_bad_host_without_a_password_is_named() -> None:
    with pytest.raises(BadURL, match="'host:port'"):
        BrokerURL.parse("amqp://host:port")
    with pytest.raises(BadURL, match="no '://'"):
        BrokerURL.parse("localhost:5672")


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5.0), ("5s", 5.0), ("500ms", 0.5), ("2m", 120.0), ("1.5h", 5400.0), (" 7s ", 7.0)]
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text, "interval") == value


@pytest.mark.parametrize("text", ["", "5x", "-1", "1e3", "nan", "5 s"])
def test_what_is_no_duration_is_refused_by_its_parameter(text: str) -> None:
    with pytest.raises(BadURL, match="interval="):
        seconds(text, "interval")


def test_an_interval_of_zero_is_refused() -> None:
    with pytest.raises(BadURL, match="interval=0s"):
        registry.parse("memory://shop?interval=0s")
    assert registry.parse("memory://shop?interval=500ms").interval == 0.5


def test_names_are_included_and_excluded_by_globs() -> None:
    url = BrokerURL.parse("memory://shop?include=orders.*,mail&exclude=*.tmp&exclude=orders.old")
    wanted = [name for name in ("orders.eu", "orders.tmp", "orders.old", "mail", "mails") if url.wants(name)]
    assert wanted == ["orders.eu", "mail"]


def test_a_boolean_is_true_or_false_and_nothing_else() -> None:
    assert BrokerURL.parse("memory://shop?look_only=yes").get_bool("look_only") is True
    assert BrokerURL.parse("memory://shop").get_bool("look_only") is False
    with pytest.raises(BadURL, match="look_only=maybe"):
        registry.parse("memory://shop?look_only=maybe")


def test_the_registry_names_what_it_does_not_know() -> None:
    with pytest.raises(BadURL, match=r"'gopher'.*amqp"):
        registry.parse("gopher://nowhere")
    with pytest.raises(BadURL, match="'colour'"):
        registry.parse("memory://shop?colour=red")


def test_a_missing_package_harms_only_its_own_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.KINDS, "memory", "no_such_package.broker:Broker")
    with pytest.raises(NotSupported, match="no_such_package"):
        registry.parse("memory://shop")
    monkeypatch.setitem(registry.KINDS, "memory", "collectors.brokers.no_such_file:Broker")
    with pytest.raises(ModuleNotFoundError):
        registry.parse("memory://shop")


@given(st.text(max_size=60).map(lambda text: f"amqp://{text}") | st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        url = BrokerURL.parse(text)
    except BadURL:
        return
    assert url.safe


@given(st.text(min_size=1, max_size=40))
def test_a_glob_of_a_name_leaves_it_out_and_survives_the_address(name: str) -> None:
    url = BrokerURL("memory://h", "memory", parameters=(("exclude", glob_of(name)),))
    assert not url.wants(name) and url.wants(name + "x")
    assert BrokerURL.parse(url.safe).get_all("exclude") == url.get_all("exclude")
