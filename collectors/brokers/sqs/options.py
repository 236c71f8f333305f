"""What a URL of SQS says: `sqs://ACCESS_KEY:SECRET@REGION[,REGION...]?parameter=value`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ...errors import BadURL
from ...url import BrokerURL

PARAMETERS = (
    "prefix", "tag", "endpoint", "role_arn", "external_id", "profile", "calls", "moving_every", "quiet_every",
    "cloudwatch", "cloudwatch_every", "timeout",
)  # fmt: skip
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+")


@dataclass(frozen=True, slots=True)
class Options:
    """A URL's parameters, read and checked.

    prefixes, tags   narrow what is found; tags are (key, value) pairs, value None = any, of which a queue has all
    endpoint         the URL of something else that speaks SQS; "" = AWS
    roles            ARNs to assume, one for each account; none = the credentials as they are
    calls            the budget of API calls per second
    moving_every     seconds between two measurements of a queue that changes, quiet_every of one that does not
    cloudwatch       rates and ages from CloudWatch, every `cloudwatch_every` seconds
    timeout          seconds for one answer
    """

    regions: tuple[str, ...]
    access_key: str
    secret_key: str
    prefixes: tuple[str, ...]
    tags: tuple[tuple[str, str | None], ...]
    endpoint: str
    roles: tuple[str, ...]
    external_id: str
    profile: str
    calls: float
    moving_every: float
    quiet_every: float
    cloudwatch: bool
    cloudwatch_every: float
    timeout: float

    @classmethod
    def of(cls, url: BrokerURL) -> Options:
        """Raises BadURL naming the part that is wrong."""
        options = cls(
            regions=tuple(host for host, _ in url.hosts),
            access_key=url.user,
            secret_key=url.password,
            prefixes=url.get_all("prefix") or ("",),
            tags=tuple(_tag(text) for text in url.get_all("tag")),
            endpoint=url.get("endpoint"),
            roles=url.get_all("role_arn"),
            external_id=url.get("external_id"),
            profile=url.get("profile"),
            calls=_calls(url.get("calls", "20")),
            moving_every=url.get_seconds("moving_every", 10.0),
            quiet_every=url.get_seconds("quiet_every", 120.0),
            cloudwatch=url.get_bool("cloudwatch"),
            cloudwatch_every=url.get_seconds("cloudwatch_every", 300.0),
            timeout=url.get_seconds("timeout", 10.0),
        )
        options._check()
        return options

    def _check(self) -> None:
        if not self.regions:
            raise BadURL("The URL names no region; write for example sqs://eu-west-1.")
        for region in self.regions:
            if not _REGION.fullmatch(region):
                raise BadURL("The host of an SQS URL is a region, for example sqs://eu-west-1; endpoint= names a host.")
        if bool(self.access_key) != bool(self.secret_key):
            raise BadURL("The URL has half of a pair: write ACCESS_KEY:SECRET@ before the region, or neither.")
        if self.access_key and self.profile:
            raise BadURL("The URL has both a key and profile=; one of them is to be used.")
        if self.endpoint and (urlsplit(self.endpoint).scheme not in ("http", "https")):
            raise BadURL("endpoint= is a URL such as http://127.0.0.1:4566.")
        for role in self.roles:
            if not _ROLE.fullmatch(role):
                raise BadURL(
                    f"role_arn={role} is not the ARN of a role; one reads arn:aws:iam::123456789012:role/weir."
                )
        if self.cloudwatch_every < 60 or not self.timeout > 0:
            raise BadURL("cloudwatch_every= is a minute or more, and timeout= more than nothing.")
        if self.quiet_every < self.moving_every:
            raise BadURL("quiet_every= cannot be shorter than moving_every=, the pace for queues that change.")

    @property
    def narrowed(self) -> bool:
        """Whether queues may exist that are not to be found: sources of a dead-letter queue, say."""
        return self.prefixes != ("",) or bool(self.tags)


def _tag(text: str) -> tuple[str, str | None]:
    key, colon, value = text.partition(":")
    if not key:
        raise BadURL(f"tag={text} has no key; write for example tag=team:growth.")
    return key, value if colon else None


def _calls(text: str) -> float:
    try:
        calls = float(text)
    except ValueError:
        calls = 0.0
    if not 0.1 <= calls <= 1000:
        raise BadURL(f"calls={text} is not a number of API calls per second between 0.1 and 1000.")
    return calls
