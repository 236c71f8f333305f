"""What the made-up shop's messages say: JSON of about 200 bytes. No real person, order or address is in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from .flow import Moment

Body = Callable[[Moment], bytes]
#: A Celery task: its name and its keyword arguments.
Task = Callable[[Moment], tuple[str, dict[str, Any]]]

ARTICLES = ("kettle-17", "lamp-04", "chair-22", "mug-09", "shelf-31", "rug-12", "clock-08")
COUNTRIES = ("DE", "FR", "NL", "SE", "PL", "ES")


def order_number(moment: Moment) -> str:
    return f"A-{480_000 + int(moment.t) * 8 + moment.dice.randrange(8):06d}"


def order(moment: Moment) -> bytes:
    lines = [
        {"article": moment.dice.choice(ARTICLES), "count": moment.dice.randrange(1, 4)}
        for _ in range(moment.dice.randrange(1, 4))
    ]
    return orjson.dumps(
        {
            "type": "order.placed",
            "order": order_number(moment),
            "placed_at": _time(moment),
            "lines": lines,
            "total_cents": moment.dice.randrange(900, 32_000),
            "country": moment.dice.choice(COUNTRIES),
            "contact": f"customer{moment.dice.randrange(900)}@example.com",
        }
    )


def payment(moment: Moment) -> bytes:
    return orjson.dumps(
        {
            "type": "payment.capture",
            "order": order_number(moment),
            "amount_cents": moment.dice.randrange(900, 32_000),
            "currency": "EUR",
            "method": moment.dice.choice(("card", "card", "transfer", "voucher")),
            "at": _time(moment),
        }
    )


def shipment(moment: Moment) -> bytes:
    return orjson.dumps(
        {
            "type": "parcel.ready",
            "order": order_number(moment),
            "parcels": moment.dice.randrange(1, 3),
            "grams": moment.dice.randrange(200, 9_000),
            "carrier": moment.dice.choice(("north", "south")),
            "country": moment.dice.choice(COUNTRIES),
        }
    )


def refund(moment: Moment) -> bytes:
    return orjson.dumps({"type": "return.received", "order": order_number(moment), "reason": "does not fit"})


def visit(moment: Moment) -> bytes:
    return orjson.dumps({"type": "page.seen", "page": f"/articles/{moment.dice.choice(ARTICLES)}", "at": _time(moment)})


def picture(moment: Moment) -> bytes:
    return orjson.dumps({"article": moment.dice.choice(ARTICLES), "width": 640, "format": "webp"})


def search_document(moment: Moment) -> bytes:
    return orjson.dumps({"index": "articles", "id": moment.dice.choice(ARTICLES), "changed": ["stock", "price"]})


def webhook(moment: Moment) -> bytes:
    return orjson.dumps(
        {
            "url": "https://partner.example.com/hooks/orders",
            "event": "order.shipped",
            "order": order_number(moment),
            "attempt": 1,
        }
    )


def stock(moment: Moment) -> bytes:
    return orjson.dumps({"article": moment.dice.choice(ARTICLES), "left": moment.dice.randrange(200)})


def price(moment: Moment) -> bytes:
    return orjson.dumps({"article": moment.dice.choice(ARTICLES), "cents": moment.dice.randrange(900, 9_000)})


def update_task(moment: Moment) -> tuple[str, dict[str, Any]]:
    return "shop.stock.update", {"article": moment.dice.choice(ARTICLES), "by": moment.dice.randrange(-3, 20)}


def mail_task(moment: Moment) -> tuple[str, dict[str, Any]]:
    to = f"customer{moment.dice.randrange(900)}@example.com"
    return "shop.mail.send", {"template": "order_placed", "to": to, "order": order_number(moment)}


def report_task(moment: Moment) -> tuple[str, dict[str, Any]]:
    return "shop.reports.render", {"report": "sales", "country": moment.dice.choice(COUNTRIES)}


def _time(moment: Moment) -> str:
    return datetime.fromtimestamp(moment.now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
