"""Which queues there are: ListQueues page after page, narrowed by prefix, tag and the globs of the URL."""

from __future__ import annotations

from ...errors import CollectorError
from ...url import BrokerURL
from .names import key_of_arn, key_of_url
from .options import Options
from .queue import Queue
from .target import Target

#: SQS stops at 1,000 queues and says nothing, unless this many are asked for: then it gives a token for the next page.
PAGE = 1000
#: A list is made anew so many seconds after it was made, for each page that it has; never more rarely than that.
EVERY_PER_PAGE, RAREST = 60.0, 600.0


class Discovery:
    """The queues of one target; `names` puts region and account before a name where the URL has several."""

    def __init__(self, url: BrokerURL, options: Options, target: Target) -> None:
        self._url, self._options, self._target = url, options, target
        self.queues: dict[str, Queue] = {}
        self.known = False  #: whether there is a list at all
        self.problem: CollectorError | None = None
        self._due = float("-inf")

    def refresh(self, now: float, again: bool = False) -> bool:
        """Make the list if it is time, or `again`; whether it was made. A failure is kept in `problem`."""
        if now < self._due and not again:
            return False
        try:
            urls, pages = self._list()
            tagged = self._tagged()
        except CollectorError as error:
            self.problem = error
            self._due = now + EVERY_PER_PAGE
            return False
        self.problem, self.known = None, True
        self._due = now + min(pages * EVERY_PER_PAGE, RAREST)
        self._take(urls, tagged)
        return True

    def soon(self) -> None:
        """Make the list anew with the next poll: it names a queue that does not exist, or there is none."""
        self._due = float("-inf")

    def _list(self) -> tuple[dict[str, str], int]:
        """URLs by key, and the number of pages."""
        found: dict[str, str] = {}
        pages = 0
        for prefix in self._options.prefixes:
            narrowed = {"QueueNamePrefix": prefix} if prefix else {}
            for page in self._target.pages("sqs", "list_queues", MaxResults=PAGE, **narrowed):
                pages += 1
                for url in page.get("QueueUrls") or ():
                    if key := key_of_url(self._target.region, url):
                        found[key] = url
        return found, max(pages, 1)

    def _tagged(self) -> frozenset[str] | None:
        """Keys of the queues that have all tags of the URL; None when it names none."""
        if not self._options.tags:
            return None
        wanted: dict[str, list[str]] = {}
        for name, value in self._options.tags:
            wanted.setdefault(name, []).extend([] if value is None else [value])
        filters = [{"Key": name, **({"Values": values} if values else {})} for name, values in wanted.items()]
        pages = self._target.pages(
            "resourcegroupstaggingapi", "get_resources", "PaginationToken",
            ResourceTypeFilters=["sqs"], TagFilters=filters, ResourcesPerPage=100,
        )  # fmt: skip
        return frozenset(key_of_arn(row["ResourceARN"]) for page in pages for row in page["ResourceTagMappingList"])

    def _take(self, urls: dict[str, str], tagged: frozenset[str] | None) -> None:
        queues = {}
        for key, url in sorted(urls.items()):
            name = self._name(key)
            if (tagged is None or key in tagged) and self._url.wants(name):
                queues[key] = self.queues.get(key) or Queue(key, name, url, self._target)
        self.queues = queues

    def _name(self, key: str) -> str:
        region, account, name = key.split(":", 2)
        before = [region] if len(self._options.regions) > 1 else []
        before += [account] if len(self._options.roles) > 1 else []
        return "/".join([*before, name])
