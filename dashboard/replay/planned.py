"""A plan, as it is kept, shown and answered; and what becomes of a copy's own fields, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Plan:
    """A plan as it is kept, shown and answered.

    count, exact   letters that would be sent, as far as is known: None = it shows only when the queue is read
    of             letters that lie there
    bytes          of their bodies together, estimated from those that Weir knows; None = none is known
    exchanges      to which they could be sent as well, and came_by: through which they had come where they died
    edited         what differs in the copy of an edited letter, in words
    seconds        estimate, until the last is sent; None = it cannot be told
    pace           messages a second without a limit, and pace_known_by: whence, in words; None = it is not known
    beyond         of a deletion: there may not be room to keep a copy of all
    holds          letters that can be held at once
    loses          there may be no room for all where they go, and the broker throws away what is beyond
    confirm        the number that has to be typed to start; None = none
    staging        how the rest could be moved aside first, where the queue is too long for the choice; "" = needless
    own_move       how the broker could move all of them by itself, and what it cannot; "" = it does not fit here
    refused        why it cannot be done, a sentence; "" = it can
    """

    at: str = ""
    count: int | None = None
    exact: bool = True
    of: int | None = None
    bytes: int | None = None
    destinations: list[dict[str, Any]] = field(default_factory=list)
    wide: bool = False
    exchanges: list[str] = field(default_factory=list)
    came_by: list[dict[str, str]] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)
    seconds: float | None = None
    pace: float | None = None
    pace_known_by: str = ""
    replayed_before: int = 0
    left_out: int = 0
    price: str = ""
    trial_words: str = ""
    stamps: str = ""
    safety: str = ""
    options: dict[str, str] = field(default_factory=dict)
    staging: str = ""
    own_move: str = ""
    own_name: str = ""
    own_fastest: int | None = None
    beyond: bool = False
    holds: int = 0
    loses: bool = False
    confirm: int | None = None
    refused: str = ""
    warnings: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def changed_by(kind: str, options: Sequence[str] = (), fifo: bool = False) -> str:
    """What becomes of a copy's own fields on this kind of broker, with these options; "" = nothing."""
    if kind == "rabbitmq":
        gone = [name for name, option in _LEFT_OUT if option not in options]
        listed = f"{', '.join(gone[:-1])} and {gone[-1]}" if len(gone) > 1 else gone[0]
        return f"Copies go without {listed}, on which the broker or others would act; all else stays, byte for byte."
    if kind == "sqs":
        more = ", and a new deduplication id, for SQS would swallow the old one within five minutes" if fifo else ""
        return f"Copies get a new message id and a new time{more}."
    return ""


#: What copies on RabbitMQ go without, unless the option is chosen.
_LEFT_OUT = (
    ("x-death and what libraries wrote when they gave up", "keep_deaths"),
    ("CC", "keep_cc"),
    ("user_id", ""),
)
