"""What is known of a broker between two measurements: its queues, its nodes, and what its user may see."""

from __future__ import annotations

import time

from collectors.errors import AccessRefused, CollectorError

from .inventory import QueueRow, read_rows
from .management import WITHOUT_STATISTICS, Management, Row
from .prometheus import QueueKey
from .reading import Level, Reading

#: Seconds between two looks at the queues and nodes; the soonest when something unknown appears; and after a failure.
EVERY, SOONEST, AFTER_FAILURE = 60.0, 10.0, 30.0


class Seen:
    """The inventory, kept fresh through the management API.

    rows            every queue that the user may see
    running         names of the running nodes, None when the user may not ask; then nodes_refused says why
    foreign         queues that Prometheus tells of, in virtual hosts that are not the user's to see
    by_management   whether the management API answers
    problems        sentences on what could not be found out
    partition       a sentence when nodes of the cluster are cut off from each other
    """

    def __init__(self, management: Management) -> None:
        self._management = management
        self._read_at = float("-inf")
        self._nodes_at = float("-inf")
        self._tried_at = float("-inf")
        self._refused: AccessRefused | None = None
        self.rows: dict[QueueKey, QueueRow] = {}
        self.running: frozenset[str] | None = None
        self.nodes_refused = ""
        self.foreign: frozenset[QueueKey] = frozenset()
        self.by_management = False
        self.failure: CollectorError | None = None
        self.version = ""
        self.overview: Row = {}
        self.problems: list[str] = []
        self.partition = ""

    def keep_fresh(self) -> None:
        """Read anew what is due.

        Raises AccessRefused; any other failure becomes a problem, for Prometheus may answer.
        """
        wait = SOONEST if self._refused else EVERY if self.by_management else AFTER_FAILURE
        if not self._management.absent and time.monotonic() - self._tried_at >= wait:
            self._refresh()
        if self._refused is not None:  # what Prometheus tells everybody does not make the user's access right again
            raise self._refused.with_traceback(None)

    def who_runs(self, anew: bool) -> frozenset[str] | None:
        """The nodes that should answer; asked of the broker again when `anew`, at most every few seconds."""
        if anew and self.running is not None and time.monotonic() - self._nodes_at > 2:
            try:
                self._read_nodes()
            except CollectorError as error:
                sentence = f"The list of nodes could not be read: {error}"
                self.problems = [*(p for p in self.problems if p != sentence), sentence]
        if self.running is not None:
            return self.running
        return frozenset(row.node for row in self.rows.values() if row.node and not row.down) or None

    def compare(self, reading: Reading) -> None:
        """Bring a reading in line with the inventory.

        Queues that are not (yet) in the inventory are left out; those that should have been measured and were
        not become unknown levels, so that they are not taken for gone; those that are down make it partial.
        """
        if reading.rows is not None:
            self.rows = reading.rows
        elif self._read_at == float("-inf"):
            return  # nobody ever told which queues there are
        elif self._differs(reading) and time.monotonic() - self._tried_at >= SOONEST:
            self._refresh()
        unknown = reading.levels.keys() - self.rows.keys()
        for key in unknown if self.by_management else unknown & self.foreign:
            del reading.levels[key]
        if unknown and self.by_management and self._read_at >= self._compared_at(reading):
            self.foreign = frozenset(unknown)
        self._note_down(reading)
        if reading.complete:
            for key in self.rows.keys() - reading.levels.keys():
                reading.levels[key] = Level(None, None)

    def _compared_at(self, reading: Reading) -> float:
        """When the reading was made, on the clock of `_read_at`."""
        return time.monotonic() - (time.time() - reading.at)

    def _differs(self, reading: Reading) -> bool:
        measured = reading.levels.keys()
        if measured - self.rows.keys() - self.foreign:
            return True
        return any(key not in measured and not row.down for key, row in self.rows.items())

    def _note_down(self, reading: Reading) -> None:
        unmeasured = [row for key, row in self.rows.items() if key not in reading.levels]
        down = sorted(row.name for row in unmeasured if row.down or self._is_stopped(row.node))
        if down:
            reading.complete = False
            more = f" and {len(down) - 5} more" if len(down) > 5 else ""
            count = "1 queue is" if len(down) == 1 else f"{len(down)} queues are"
            reading.problems.append(f"{count} down, their node does not run: {', '.join(down[:5])}{more}.")

    def _is_stopped(self, node: str) -> bool:
        return bool(node) and self.running is not None and node not in self.running

    def _refresh(self) -> None:
        self._tried_at = time.monotonic()
        self.problems, self._refused = [], None
        try:
            self._read()
        except AccessRefused as error:
            self.by_management, self._refused = False, error
            raise
        except CollectorError as error:
            self.by_management, self.failure = False, error
            self.problems = [f"Without the management API, types and relations of queues are not known: {error}"]

    def _read(self) -> None:
        self.overview = self._management.overview()
        self.version = str(self.overview.get("rabbitmq_version", ""))
        try:
            self._read_nodes()
        except AccessRefused as error:
            self.running, self.nodes_refused = None, str(error)
        self.rows = read_rows(self._management.queues(WITHOUT_STATISTICS))
        self._read_at = time.monotonic()
        self.by_management, self.failure = True, None

    def _read_nodes(self) -> None:
        nodes = self._management.nodes()
        self._nodes_at = time.monotonic()
        self.running = frozenset(str(node.get("name")) for node in nodes if node.get("running"))
        cut = sorted(f"{node['name']} from {', '.join(node['partitions'])}" for node in nodes if node.get("partitions"))
        self.partition = f"RabbitMQ says that its nodes are cut off from each other: {'; '.join(cut)}." if cut else ""
