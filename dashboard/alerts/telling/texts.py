"""The words of messages: subject and text for people, and what Slack, PagerDuty and webhooks take. Pure.

Whoever reads them may have been asleep: first what is wrong and where, then since when and what was another just
before, then where to press. Times are UTC where a service cannot show its reader's own.
"""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import Any

from ...insight.sentences import ago
from .notice import SPELLED_OUT, Item, Notice

_SIGN = {"critical": "■", "warning": "▲", "info": "●"}
_EMOJI = {"critical": ":red_circle:", "warning": ":large_yellow_circle:", "info": ":large_blue_circle:"}
_COLOUR = {"critical": "#c6322f", "warning": "#a46400", "info": "#2f6fbf", "closed": "#2b7a3f"}
_TWICE = {
    "escalated": ("Nobody has acknowledged this so far.",),
    "still": ("This went on while it was silenced or not told.",),
}
TEST = "This is a test. Whoever reads it will be told when something needs attention."


def subject(notice: Notice) -> str:
    """One line: what, how many, where."""
    if notice.event == "test":
        return "[Weir] Test message"
    items, word = notice.items, _word(notice)
    if len(items) == 1:
        where = f" ({items[0].broker})" if items[0].broker and items[0].queue else ""
        return f"[Weir] {word}: {items[0].what}{where}: {items[0].rule}"
    where = f" on {notice.brokers[0]}" if len(notice.brokers) == 1 else ""
    return f"[Weir] {word}: {len(items)} alerts{where}"


def plain(notice: Notice) -> str:
    """The whole message as text."""
    if notice.event == "test":
        return TEST
    parts = ["\n".join((_head(item, notice), *(f"  {line}" for line in _lines(item, notice)),
                        *(f"  {name}: {link}" for name, link in _links(item, notice))))
             for item in notice.items[:SPELLED_OUT]]  # fmt: skip
    parts += [f"And {_more(notice)} more."] if _more(notice) > 0 else []
    return "\n\n".join(parts) + "\n"


def html(notice: Notice) -> str:
    """The same for mail programs that show it: no picture, nothing loaded from elsewhere."""
    if notice.event == "test":
        return f"<p>{TEST}</p>"
    parts = []
    for item in notice.items[:SPELLED_OUT]:
        colour = _COLOUR["closed" if notice.event == "closed" else item.severity]
        links = " &middot; ".join(f'<a href="{escape(link)}">{escape(name)}</a>' for name, link in _links(item, notice))
        parts.append(
            f'<div style="border-left:4px solid {colour};padding:2px 0 2px 12px;margin:0 0 16px">'
            f'<p style="margin:0 0 6px;font-weight:600">{escape(_head(item, notice))}</p>'
            + "".join(f'<p style="margin:0 0 4px">{escape(line)}</p>' for line in _lines(item, notice))
            + (f'<p style="margin:6px 0 0">{links}</p>' if links else "")
            + "</div>"
        )
    parts += [f"<p>And {_more(notice)} more.</p>"] if _more(notice) > 0 else []
    return f'<div style="font:14px/1.5 system-ui,sans-serif;max-width:640px">{"".join(parts)}</div>'


def _word(notice: Notice) -> str:
    if notice.event == "closed":
        return "Over"
    return {"escalated": "Nobody has acknowledged", "still": "Still firing"}.get(
        notice.event, notice.severity.capitalize()
    )


def _more(notice: Notice) -> int:
    return len(notice.items) - SPELLED_OUT


def _head(item: Item, notice: Notice) -> str:
    sign = "✓ over" if notice.event == "closed" else f"{_SIGN[item.severity]} {item.severity}"
    where = f" on {item.broker}" if item.broker and item.queue else ""
    return f"{sign}: {item.what}{where}: {item.rule}"


def _lines(item: Item, notice: Notice) -> list[str]:
    """What is wrong, since when, and what was another then; or how it ended."""
    if notice.event == "closed":
        lasted = f"Open for {ago(item.lasted)}, " if item.lasted is not None else "Open "
        return [item.closed_because, f"{lasted}from {_when(item.opened_at)} to {_when(item.closed_at)}."]
    lines = [*_TWICE.get(notice.event, ()), item.reason, f"Since {_when(item.opened_at)}."]
    return [*lines, f"Changed just before: {', '.join(item.changed)}."] if item.changed else lines


def _links(item: Item, notice: Notice) -> list[tuple[str, str]]:
    """Where to press; nothing while Weir does not know how it is reached."""
    deed = "The incident" if notice.event == "closed" else "Acknowledge, silence, see why"
    links = [(deed, item.link), ("The queue at that time", item.queue_link)]
    return [(name, link) for name, link in links if link]


def _when(at: str | None) -> str:
    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M} UTC" if at else "?"


def slack(notice: Notice) -> dict[str, Any]:
    """A message in blocks, for Slack's incoming webhooks. Texts are escaped as Slack asks, so nobody is mentioned."""
    if notice.event == "test":
        return {"text": TEST}
    texts = [f"*{_slack_text(subject(notice))}*"] if len(notice.items) > 1 else []
    texts += [_slack_item(item, notice) for item in notice.items[:SPELLED_OUT]]
    texts += [f"And {_more(notice)} more."] if _more(notice) > 0 else []
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": text[:2900]}} for text in texts]
    return {"text": _slack_text(subject(notice)), "blocks": blocks, "unfurl_links": False}


def _slack_item(item: Item, notice: Notice) -> str:
    over = notice.event == "closed"
    where = f" on {_slack_text(item.broker)}" if item.broker and item.queue else ""
    word = _word(notice) if over or notice.event in ("escalated", "still") else item.severity.capitalize()
    name = _slack_text(item.what).replace("`", chr(0x2019))
    lines = [
        f"{':white_check_mark:' if over else _EMOJI[item.severity]} *{word}:* `{name}`{where}: {_slack_text(item.rule)}"
    ]
    if over:
        lasted = f" Open for {ago(item.lasted)}." if item.lasted is not None else ""
        lines.append(f"{_slack_text(item.closed_because)}{lasted}")
    else:
        lines.append(f"{_slack_text(item.reason)} Since {_slack_when(item.opened_at)}.")
        lines += [f"Changed just before: {_slack_text(', '.join(item.changed))}."] if item.changed else []
    lines += [" · ".join(f"<{link}|{name}>" for name, link in _links(item, notice))] if _links(item, notice) else []
    return "\n".join(lines)


def _slack_when(at: str | None) -> str:
    """A time that Slack shows as its reader's own."""
    if not at:
        return "?"
    return f"<!date^{int(datetime.fromisoformat(at).timestamp())}^{{date_short_pretty}} {{time}}|{_when(at)}>"


def _slack_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def pagerduty(item: Item, notice: Notice, routing_key: str) -> dict[str, Any]:
    """One event of PagerDuty's Events API v2: the incident's key lets it drop repetitions, and resolve."""
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "dedup_key": f"weir-{item.key}",
        "event_action": "resolve" if notice.event == "closed" else "trigger",
    }
    if notice.event == "closed":
        return event
    where = f" on {item.broker}" if item.broker and item.queue else ""
    event["payload"] = {
        "summary": (item.reason if item.reason.startswith(item.what) else f"{item.what}{where}: {item.reason}")[:1024],
        "source": item.broker or "Weir",
        "severity": item.severity,
        "timestamp": item.opened_at,
        "component": item.what,
        "group": item.broker,
        "class": item.rule,
        "custom_details": {
            "rule": item.rule,
            "why": item.reason,
            "changed just before": ", ".join(item.changed) or "nothing",
        },
    }
    event["client"] = "Weir"
    if item.link:
        links = [{"href": link, "text": name} for name, link in _links(item, notice)]
        event |= {"client_url": item.link, "links": links}
    return event


def webhook(notice: Notice) -> dict[str, Any]:
    """What a signed webhook gets; documented in the README."""
    return {
        "version": 1,
        "key": notice.key,
        "event": notice.event,
        "severity": notice.severity,
        "subject": subject(notice),
        "text": plain(notice),
        "incidents": [
            {
                "id": item.id,
                "key": item.key,
                "state": item.state,
                "severity": item.severity,
                "rule": item.rule,
                "queue": item.queue or None,
                "broker": item.broker or None,
                "reason": item.reason,
                "changed": list(item.changed),
                "opened_at": item.opened_at,
                "closed_at": item.closed_at,
                "closed_because": item.closed_because or None,
                "link": item.link or None,
                "queue_link": item.queue_link or None,
            }
            for item in notice.items
        ],
    }
