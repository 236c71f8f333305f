"""`manage.py replay`: plan a replay, start it, watch it with a progress bar; pause, resume, stop."""

from __future__ import annotations

import getpass
import sys
import time
from argparse import ArgumentParser
from contextlib import suppress
from typing import Any

import orjson
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from collectors.decoding import visible
from collectors.errors import CollectorError
from dashboard import processes
from dashboard.access import Principal, Refused
from dashboard.live.bus import the_bus
from dashboard.management.base import DataCommand
from dashboard.management.watching import news, so_far
from dashboard.models import Queue, Replay, Role
from dashboard.refused import DeedRefused
from dashboard.replay import deeds, showing, staging, way_back
from dashboard.replay.states import JournalError
from dashboard.replay.working import Replayer
from dashboard.samples import close_store
from dashboard.store.base import StoreError
from dashboard.terminal import duration

EVERY = 0.5  # seconds between two looks
ALONE = 3.0  # seconds after which this process does what no worker has taken on


class Command(DataCommand):
    help = (
        "Send dead letters of a queue back: the plan is shown, then confirmed, then it runs with a progress bar. "
        "Ends with 0 when all that was chosen was sent, 1 when something failed, came back or was stopped, "
        "or all of it was left out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queue", nargs="?", help="its name, or BROKER/NAME")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--all", action="store_true", help="all that lie there now")
        which.add_argument("--oldest", type=int, metavar="N", help="so many, the oldest first")
        which.add_argument("--filter", help="the filter language of dead letters: 'error:Timeout died>2h'")
        which.add_argument("--cause", help="fingerprint of a cause")
        which.add_argument("--ids", nargs="+", metavar="ID", help="numbers of letters, as dead_letters list has them")
        parser.add_argument("--deed", choices=("replay", "move", "copy", "delete"), default="replay")
        parser.add_argument("--to", metavar="QUEUE", help="a queue of the same broker (default: each where it died)")
        parser.add_argument("--exchange", help="send wide, to all who listen there (RabbitMQ); asks for the count")
        parser.add_argument("--routing-key", default="", help="for --exchange")
        parser.add_argument("--rate", type=float, help="messages a second (default: no limit)")
        parser.add_argument("--trial", type=int, default=0, metavar="N", help="so many first, then wait for returns")
        parser.add_argument("--watch", type=float, metavar="SECONDS", help="watch for returns after it (default 300)")
        parser.add_argument(
            "--option", action="append", default=[], metavar="NAME", help="one of those in the plan's JSON"
        )
        parser.add_argument(
            "--limit", action="append", default=[], metavar="NAME=VALUE",
            help="lag, depth (yield above), came_back (per cent: stop above), watch, trial_wait (seconds); or none",
        )  # fmt: skip
        parser.add_argument("--beyond-bound", action="store_true", help="delete also what there is no room to keep")
        parser.add_argument("--allow-replayed", action="store_true", help="also such as were replayed 3 times or more")
        parser.add_argument(
            "--how", choices=("weir", "broker"), default="weir",
            help="broker: its own move of a whole queue (SQS), of which the plan tells the limits",
        )  # fmt: skip
        parser.add_argument(
            "--stage", action="store_true",
            help="where the queue is too long for the choice: move the rest to a staging queue first",
        )  # fmt: skip
        parser.add_argument("--dry-run", action="store_true", help="show the plan, send nothing")
        parser.add_argument("--start", type=int, metavar="ID", help="start what was planned before by its number")
        parser.add_argument(
            "--yes", action="store_true", help="start without asking, except where a count is asked for"
        )
        parser.add_argument("--confirm", type=int, metavar="COUNT", help="the count, where the plan asks for it")
        for verb in ("show", "pause", "resume", "stop"):
            parser.add_argument(f"--{verb}", type=int, metavar="ID", help=f"{verb} a replay by its number")
        parser.add_argument("--repeat", type=int, metavar="ID", help="plan again what failed or was left out of one")
        parser.add_argument("--restore", type=int, metavar="ID", help="put back what a deletion has kept")
        parser.add_argument(
            "--json", action="store_true",
            help="one JSON object at the end; until then one a line on standard error, for each change and every 5 s",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        processes.all_in_one()
        try:
            self._handle(options)
        except (DeedRefused, Refused, CollectorError, JournalError, ImproperlyConfigured, StoreError) as error:
            raise CommandError(str(error)) from None
        finally:
            close_store()

    def _handle(self, options: dict[str, Any]) -> None:
        for verb in ("show", "pause", "resume", "stop"):
            if options[verb] is not None:
                replay = _find(options[verb])
                if verb != "show":
                    replay = getattr(deeds, verb)(_me(), replay)
                return self._end(replay, options["json"])
        if options["start"] is not None:
            return self._run(deeds.start(_me(), _find(options["start"]), options["confirm"]), options)
        if options["restore"] is not None:
            return self._run(self._restored(_find(options["restore"]), options["confirm"]), options)
        if options["repeat"] is not None:
            replay = self._planned(deeds.repeat(_me(), _find(options["repeat"])), options)
        else:
            replay = self._made(options)
        if options["stage"] and (replay.plan or {}).get("staging"):
            replay = self._planned(staging.stage(_me(), replay), options)
        plan = replay.plan or {}
        if replay.state == Replay.State.FAILED:
            more = f" {plan['staging']} (--stage)" if plan.get("staging") else ""
            raise CommandError(f"{replay.reason}{more}")
        if options["dry_run"]:
            return self._end(replay, options["json"])
        if not self._agreed(replay, plan, options):
            return self._end(deeds.stop(_me(), replay), options["json"])
        self._run(deeds.start(_me(), replay, options["confirm"]), options)

    def _run(self, replay: Replay, options: dict[str, Any]) -> None:
        self._watch(replay, options["json"])
        replay.refresh_from_db()
        self._end(replay, options["json"])
        none = replay.skipped and not replay.sent
        if replay.state != Replay.State.DONE or replay.failed or replay.came_back or none:
            raise CommandError(replay.reason or f"{replay.failed} could not be sent: see /replays/{replay.pk}/.")

    def _made(self, options: dict[str, Any]) -> Replay:
        if not options["queue"]:
            raise CommandError("Name a queue: manage.py replay QUEUE --all")
        kinds = ("oldest", "filter", "cause")
        selection: dict[str, Any] = {kind: options[kind] for kind in kinds if options[kind] is not None}
        if options["ids"]:
            selection["ids"] = [int(id) if id.isdigit() else id for id in options["ids"]]
        if options["all"]:
            selection["all"] = True
        if options["beyond_bound"]:
            selection["beyond_bound"] = True
        queue = _queue(options["queue"])
        to: dict[str, Any] | None = {"queue_id": _queue(options["to"]).pk} if options["to"] else None
        if options["exchange"]:
            to = {"exchange": options["exchange"], "routing_key": options["routing_key"]}
        replay = deeds.make(
            _me(), queue, selection, options["deed"], to, options["rate"], options["trial"],
            allow_replayed=options["allow_replayed"], how=options["how"], options=options["option"],
            limits=_limits(options),
        )  # fmt: skip
        return self._planned(replay, options)

    def _planned(self, replay: Replay, options: dict[str, Any]) -> Replay:
        told = news(self.stdout, self.stderr, options["json"])
        while replay.state == Replay.State.PLANNING:
            told.tell(replay)
            time.sleep(EVERY)
            replay.refresh_from_db()
            if replay.state != Replay.State.PLANNING:
                told.end()
        if not options["json"] and (replay.plan or {}).get("safety"):  # else nothing is known: the broker is away
            self._show_plan(replay)
        return replay

    def _show_plan(self, replay: Replay) -> None:
        plan = replay.plan or {}
        of = "" if plan.get("of") in (None, plan.get("count")) else f" of {plan['of']:,}"
        count = "as many as match" if plan.get("count") is None else f"{plan['count']:,}{of}"
        to = ", ".join(one["name"] for one in plan.get("destinations", ())) or "where each died"
        rate = "no limit" if replay.rate is None else f"{replay.rate:g} a second"
        self.stdout.write(f"{replay.deed.capitalize()} {replay.pk} of {visible(replay.queue_name)}: {count} messages")
        if replay.deed != Replay.Deed.DELETE:
            self.stdout.write(f"  to      {visible(to)}, {rate}")
        if plan.get("trial_words"):
            self.stdout.write(f"  trial   {plan['trial_words']}")
        if replay.trial:
            self.stdout.write(f"  trial   {replay.trial} first, then it waits whether they come back")
        if plan.get("seconds") is not None:
            slow = replay.rate is not None and plan["pace"] is not None and replay.rate <= plan["pace"]
            why = "" if plan["pace"] is None or slow else f", at {plan['pace']:,.0f} a second {plan['pace_known_by']}"
            self.stdout.write(f"  time    about {duration(plan['seconds'])}{why}")
        self.stdout.write(f"  safety  {plan.get('safety', '')}")
        if plan.get("own_move") and replay.how == Replay.How.WEIR:
            self.stdout.write(f"  or      {plan['own_name']} moves them by itself (--how broker): {plan['own_move']}")
        for warning in plan.get("warnings", ()):
            self.stdout.write(f"  mind    {visible(warning)}")

    def _agreed(self, replay: Replay, plan: dict[str, Any], options: dict[str, Any]) -> bool:
        """Whether to start; where a count is asked for it is typed, or given by --confirm."""
        wanted = plan.get("confirm")
        if wanted is not None and options["confirm"] is None and sys.stdin.isatty():
            with suppress(ValueError):
                options["confirm"] = int(input(f"Type {wanted} to go on: ").replace(",", ""))
        if wanted is not None or options["yes"] or options["confirm"] is not None:
            return True
        if not sys.stdin.isatty():
            deeds.stop(_me(), replay)
            raise CommandError("Nothing was started: say --yes, or --dry-run for the plan alone.")
        return input(f"{replay.deed.capitalize()} these? [y/N] ").strip().lower() in ("y", "yes")

    def _restored(self, deletion: Replay, confirm: int | None) -> Replay:
        """What puts a deletion's copies back; where the queue would lose others by that, the count is typed."""
        try:
            return deeds.restore(_me(), deletion, confirm)
        except DeedRefused as error:
            if error.field != "confirm" or confirm is not None or not sys.stdin.isatty():
                raise
            typed = input(f"{error}\nThe count: ").replace(",", "").strip()
            return deeds.restore(_me(), deletion, int(typed) if typed.isdecimal() else None)

    # --- watching ------------------------------------------------------------------------------------------------
    def _watch(self, replay: Replay, as_json: bool) -> None:
        """Until it is over; what no worker takes on within some seconds is done by this process."""
        began, replayer = time.monotonic(), None
        told = news(self.stdout, self.stderr, as_json)
        try:
            while not (replay.over and not replay.owner) and replay.state != Replay.State.PAUSED:
                time.sleep(EVERY)
                replay.refresh_from_db()
                if replayer is None and not replay.owner and time.monotonic() - began > ALONE:
                    replayer = Replayer(the_bus(), only=replay.pk)
                    replayer.start()
                told.tell(replay)
        except KeyboardInterrupt:
            where = "in the workers" if replayer is None else "with the next worker that runs"
            said = f"\nIt goes on {where}; stop it with: manage.py replay --stop {replay.pk}"
            (self.stderr if as_json else self.stdout).write(said)
            raise SystemExit(130) from None
        finally:
            if replayer is not None:
                replayer.stop()
            told.end()

    def _end(self, replay: Replay, as_json: bool) -> None:
        if as_json:
            self.stdout.write(orjson.dumps(showing.replay(replay), option=orjson.OPT_INDENT_2).decode())
            return
        if replay.state == Replay.State.PLANNED:
            start = f"manage.py replay --start {replay.pk}"
            return self.stdout.write(f"Planned, and nothing was sent. To start it: {start}")
        self.stdout.write(" ".join([so_far(replay), visible(replay.reason), *showing.notes(replay)]).rstrip())
        if way_back.open_for(replay) and replay.plan:
            staged = replay.plan["destinations"][0]["name"]
            back = f"--all --deed move --to {replay.queue_name}" + "".join(f" --option {one}" for one in replay.options)
            self.stdout.write("Now give the command again; when that is done, move the rest back with:")
            self.stdout.write(f"  manage.py replay {visible(staged)} {visible(back)}")


def _limits(options: dict[str, Any]) -> dict[str, Any]:
    """Those of --limit and --watch. Raises CommandError for what is no number."""
    found: dict[str, Any] = {} if options["watch"] is None else {"watch": options["watch"]}
    for text in options["limit"]:
        name, _, value = text.partition("=")
        try:
            found[name] = None if value == "none" else float(value)
        except ValueError:
            raise CommandError(f"--limit {text}: say a number, as in lag=30, or none.") from None
    return found


def _me() -> Principal:
    """Who sits at the terminal of this machine may do what an administrator may, and is named in the audit."""
    return Principal("person", 0, f"{getpass.getuser()} (command line)", Role.ADMIN)


def _find(id: int) -> Replay:
    replay = Replay.objects.filter(pk=id).select_related("queue__broker").first()
    if replay is None:
        raise CommandError(f"There is no replay {id}.")
    return replay


def _queue(text: str) -> Queue:
    """A queue by its name, or BROKER/NAME where several have it."""
    found = list(Queue.objects.filter(name=text, gone_at=None).select_related("broker")[:20])
    if not found and "/" in text:
        broker, _, name = text.partition("/")
        found = list(Queue.objects.filter(name=name, broker__name=broker, gone_at=None).select_related("broker"))
    if not found:
        raise CommandError(f"There is no queue named {text}; manage.py queues lists them.")
    if len(found) > 1:
        raise CommandError(f"{len(found)} queues are named {text}; say BROKER/{text}: "
                           f"{', '.join(sorted(queue.broker.name for queue in found))}.")  # fmt: skip
    return found[0]
