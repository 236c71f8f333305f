"""`manage.py dead_letters`: the inbox of dead letters for a terminal."""

from __future__ import annotations

import getpass
import shutil
import sys
import time
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import orjson
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from collectors.decoding import visible
from collectors.errors import CollectorError
from dashboard import audit
from dashboard.access import Principal, Refused, withheld
from dashboard.filters import FilterError
from dashboard.letters import bodies, choosing, counting, looks, showing
from dashboard.letters.groups import BY
from dashboard.letters.listing import SORTS, ordered
from dashboard.letters.masking import Masking
from dashboard.management.base import DataCommand
from dashboard.management.commands.queues import _Shown
from dashboard.models import Letter, Queue
from dashboard.refused import DeedRefused
from dashboard.samples import the_store
from dashboard.store.base import StoreError
from dashboard.terminal import cut, duration

#: What is not said.
_USUAL: dict[str, Any] = {"json": False, "filter": "", "limit": None, "group": "cause"}


class Command(DataCommand):
    help = "Dead letters: in groups by cause, queue or type; as a list; one letter; or look into a queue."

    def add_arguments(self, parser: ArgumentParser) -> None:
        every, found, grouped = (ArgumentParser(add_help=False) for _ in range(3))
        for one in (parser, every):
            one.add_argument("--json", action="store_true", default=SUPPRESS, help="one JSON object")
        for one in (parser, found):
            one.add_argument("--filter", default=SUPPRESS, help="such as 'error:Timeout queue:pay* died<2h'")
            one.add_argument("--limit", type=int, default=SUPPRESS, help="at most so many (default 50)")
        for one in (parser, grouped):
            one.add_argument("--group", choices=BY, default=SUPPRESS, help="of what (default cause)")
        parser.set_defaults(**_USUAL)  # so that each may stand before or behind the word
        which = parser.add_subparsers(dest="what", metavar="causes|list|show|look")
        which.required = False
        which.add_parser(
            "causes", parents=[every, found, grouped], help="in groups, counted (what is done without a word)"
        )
        rows = which.add_parser("list", parents=[every, found], help="one a line, the newest first")
        rows.add_argument("--sort", default="-died_at", help=f"{', '.join(SORTS)}; --sort=-size: largest first")
        show = which.add_parser("show", parents=[every], help="one letter, decoded and masked")
        show.add_argument("id", type=int, help="its number in the list")
        look = which.add_parser("look", parents=[every], help="look into a queue: the price is said first")
        look.add_argument("queue", help="its name, or BROKER/NAME")
        look.add_argument("--limit", type=int, default=SUPPRESS, help=f"letters (default {looks.USUAL})")
        look.add_argument("--price", action="store_true", help="say the price, and do not look")
        look.add_argument("--yes", action="store_true", help="look without asking, whatever it costs")

    def handle(self, *args: Any, what: str | None, **options: Any) -> None:
        what = what or "causes"
        if options["limit"] is None:
            options["limit"] = looks.USUAL if what == "look" else 50
        if options["limit"] < 1:
            raise CommandError("--limit must be 1 or more.")
        try:
            getattr(self, f"_{what}")(options)
        except FilterError as error:
            raise CommandError(f"--filter: {error}") from None
        except (CollectorError, DeedRefused, Refused, ImproperlyConfigured, StoreError, ValueError) as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            self.stdout.write("")

    # --- what there is -------------------------------------------------------------------------------------------

    def _causes(self, options: dict[str, Any]) -> None:
        snapshot = _Shown(the_store()).snapshot()
        found = counting.count(
            snapshot, options["filter"], options["group"], choosing.Sight.of(_me()), limit=options["limit"]
        )
        if options["json"]:
            self._json({"total": found.total, "summary": found.summary, "items": found.items})
            return
        self._lines(_groups(found.items, _width(), time.time()))
        left = found.total - len(found.items)
        more = f", {left:,} groups not shown (--limit)" if left else ""
        self._lines([f"{found.summary['messages']:,} dead letters, {found.summary['taken']['sentence']}{more}"])
        self._lines(f"never looked into: {name}" for name in found.summary["unlooked"])

    def _list(self, options: dict[str, Any]) -> None:
        table = choosing.table(choosing.Sight.of(_me()))
        rows = np.flatnonzero(choosing.mask(options["filter"], table))
        page, _ = ordered(table.index, rows, options["sort"], options["limit"], None)
        ids = table.index.ids[page[: options["limit"]]].tolist()
        told = _rows(ids, options["filter"])
        if options["json"]:
            self._json({"total": len(rows), "items": told})
            return
        self._lines(_letters(told, _width()))
        searched = "" if table.searched is None else f"; {table.searched.sentence}"
        self._lines([f"{len(rows):,} letter{'' if len(rows) == 1 else 's'}{searched}"])
        self._say_what_is_withheld()

    def _show(self, options: dict[str, Any]) -> None:
        row = Letter.objects.filter(pk=options["id"]).select_related("cause", "queue__broker").first()
        if row is None:
            raise CommandError(f"There is no letter {options['id']}.")
        _me().must("see_payloads")
        kept = bodies.find([row.pk], time.time()).get(row.pk)
        if kept is not None:
            audit.record(_me().who, "see letter", row.queue.name, letter=row.pk, broker=row.queue.broker.name)
        told = showing.whole(row, kept, Masking.load())
        if options["json"]:
            self._json(told)
        else:
            self._lines(_whole(told))

    # --- looking -------------------------------------------------------------------------------------------------

    def _look(self, options: dict[str, Any]) -> None:
        queue = _queue(options["queue"])
        offer = looks.offer(queue)
        left = "" if offer.left is None else f" {offer.left} looks are left."
        if options["price"] or (not options["json"] and not offer.price.free):
            self._lines([f"{offer.price.sentence}{left}", *([offer.refused] if offer.refused else [])])
        if options["price"]:
            return
        if not offer.price.free and not offer.refused and not options["yes"] and not _agreed():
            raise CommandError("Nothing was looked at; --yes looks without asking.")
        look = looks.look(_me(), queue, options["limit"])
        if options["json"]:
            told = {"id": look.pk, "price": look.price, "as_of": showing.time_of(look.at), "of": look.of}
            self._json(told | {"taken": len(look.letters), "items": _rows(look.letters, queue.name)})
            return
        self._lines(_letters(_rows(look.letters, queue.name), _width()))
        of = "?" if look.of is None else f"{look.of:,}"
        self._lines([f"{len(look.letters):,} of {of} letters in {queue.name}", *look.notes])
        self._say_what_is_withheld()

    # --- out -----------------------------------------------------------------------------------------------------

    def _say_what_is_withheld(self) -> None:
        if words := withheld(_me().role):
            self._lines([words])

    def _lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.stdout.write(visible(line))

    def _json(self, told: Mapping[str, Any]) -> None:
        self.stdout.write(showing.line(orjson.loads(orjson.dumps(told))).decode().rstrip("\n"))


def _me() -> Principal:
    """Who sits at the terminal of this machine may do what an administrator may, and is named in the audit."""
    return Principal("person", 0, f"{getpass.getuser()} (command line)", "admin")


def _rows(ids: Sequence[int], what: str) -> list[dict[str, Any]]:
    """Letters with the beginning of what is in them, where that may be seen; audited."""
    allowed = _me().can("see_payloads")
    rows = showing.rows(ids, allowed, Masking.load())
    if allowed and (kept := sum(row["body_kept"] for row in rows)):
        audit.record(_me().who, "see letters", what, letters=kept)
    return rows


def _agreed() -> bool:
    if not sys.stdin.isatty():
        return False
    return input("Look? [y/N] ").strip().lower() in ("y", "yes")


def _queue(text: str) -> Queue:
    """The queue of a name. Raises CommandError."""
    broker, slash, name = text.partition("/")
    rows = Queue.objects.filter(gone_at=None).select_related("broker")
    found = list(rows.filter(name=text)[:5])
    if not found and slash:
        found = list(rows.filter(broker__name=broker, name=name)[:5])
    if not found:
        raise CommandError(f"There is no queue '{visible(text)}' that a broker shows now.")
    if len(found) > 1:
        names = ", ".join(f"{queue.broker.name}/{queue.name}" for queue in found)
        raise CommandError(f"Several brokers have that queue; write {names}.")
    return found[0]


def _width() -> int:
    return shutil.get_terminal_size((120, 40)).columns


def _groups(items: Sequence[Mapping[str, Any]], width: int, now: float) -> list[str]:
    room = max(24, width - 60)
    lines = [f"{'COUNT':>9} {'NEW':>7} {'LAST':>9}  {'WHAT':{room}}  QUEUES"]
    for item in items:
        last = _ago(item["last_at"], now)
        names = ", ".join(queue["name"] for queue in item["queues"][:3])
        more = f" and {item['queue_count'] - 3} more" if item["queue_count"] > 3 else ""
        what = cut(item["title"], room)
        lines.append(f"{item['count']:>9,} {item['new']:>7,} {last:>9}  {what:{room}}  {cut(names, 28)}{more}")
    return lines


def _letters(rows: Sequence[Mapping[str, Any]], width: int) -> list[str]:
    room = max(20, width - 72)
    lines = [f"{'ID':>8} {'DIED':19} {'QUEUE':20} {'CAUSE':20} MESSAGE"]
    for row in rows:
        at, seen = row["died_at"], row["first_seen"]  # when nobody wrote down when it died: before it was first seen
        died = (at[:19] if at else f"≤ {seen[:16]}").replace("T", " ")
        absent = "not kept" if "body_kept" in row else "withheld"
        cause, message = cut(row["cause"]["title"], 20), cut(row["preview"] or absent, room)
        lines.append(f"{row['id']:>8} {died:19} {cut(row['queue'], 20):20} {cause:20} {message}")
    return lines


def _whole(told: Mapping[str, Any]) -> list[str]:
    lines = [
        f"letter   {told['id']} in {told['queue']} ({told['broker']}), {told['size_bytes']:,} bytes",
        f"cause    {told['cause']['title']}",
        f"path     {' → '.join(told['path'])}",
        *(f"death    {death['sentence']}" for death in told["history"]),
        *(f"header   {name}: {_short(value)}" for name, value in told["headers"].items()),
    ]
    decoded = told["decoded"]
    if decoded is not None:
        steps = " → ".join(f"{s['name']} {s['detail']}".strip() for s in decoded["steps"])
        lines += [f"layers   {steps}", *(f"note     {note}" for note in decoded["notes"]), ""]
        text = orjson.dumps(decoded["value"], option=orjson.OPT_INDENT_2).decode() if decoded["structured"] else ""
        lines += (text or decoded["text"] or "").split("\n")
    return [*lines, *([told["hidden"]] if told["hidden"] else [])]


def _short(value: Any) -> str:
    return cut(value if isinstance(value, str) else orjson.dumps(value).decode(), 200)


def _ago(at: str | None, now: float) -> str:
    if at is None:
        return "?"
    return duration(max(0.0, now - datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()))
