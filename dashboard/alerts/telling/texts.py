"""The words of messages: subject and text for people, and what Slack, PagerDuty and webhooks take. Pure."""

from __future__ import annotations

from typing import Any

from .notice import SPELLED_OUT, Item, Notice

_SIGN = {"critical": "■", "warning": "▲", "info": "●"}
_EMOJI = {"critical": ":red_circle:", "warning": ":large_yellow_circle:", "info": ":large_blue_circle:"}
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
    lines = [line for item in notice.items[:SPELLED_OUT] for line in (*_lines(item, notice), "")]
    more = len(notice.items) - SPELLED_OUT
    if more > 0:
        lines += [f"And {more} more.", ""]
    return "\n".join(lines).rstrip() + "\n"


def _word(notice: Notice) -> str:
    if notice.event == "closed":
        return "Over"
    return {"escalated": "Nobody has acknowledged", "still": "Still firing"}.get(
        notice.event, notice.severity.capitalize()
    )


def _lines(item: Item, notice: Notice) -> list[str]:
    where = f" on {item.broker}" if item.broker and item.queue else ""
    sign = "✓" if notice.event == "closed" else _SIGN[item.severity]
    lines = [f"{sign} {item.what}{where}: {item.rule}"]
    if notice.event == "closed":
        lines.append(f"  {item.closed_because} Open from {item.opened_at} to {item.closed_at}.")
    else:
        lines.append(f"  {item.reason} Since {item.opened_at}.")
        lines += [f"  Changed: {'; '.join(item.changed)}."] if item.changed else []
    return [*lines, f"  {item.link}"] if item.link else lines


def slack(notice: Notice) -> dict[str, Any]:
    """A message in blocks, for Slack's incoming webhooks. Texts are escaped as Slack asks, so nobody is mentioned."""
    if notice.event == "test":
        return {"text": TEST}
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": f"*{_slack_text(subject(notice))}*"}}]
    for item in notice.items[:SPELLED_OUT]:
        where = f" on {_slack_text(item.broker)}" if item.broker and item.queue else ""
        head = f"`{_slack_text(item.what).replace('`', chr(0x2019))}`{where}: {_slack_text(item.rule)}"
        sign = ":white_check_mark:" if notice.event == "closed" else _EMOJI[item.severity]
        said = item.closed_because if notice.event == "closed" else " ".join((item.reason, *item.changed))
        text = f"{sign} {head}\n{_slack_text(said)}" + (f"\n<{item.link}|Open>" if item.link else "")
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text[:2900]}})
    if len(notice.items) > SPELLED_OUT:
        more = f"And {len(notice.items) - SPELLED_OUT} more."
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": more}})
    return {"text": _slack_text(subject(notice)), "blocks": blocks, "unfurl_links": False}


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
        "summary": f"{item.what}{where}: {item.reason}"[:1024],
        "source": item.broker or "Weir",
        "severity": item.severity,
        "timestamp": item.opened_at,
        "component": item.what,
        "group": item.broker,
        "class": item.rule,
        "custom_details": {"changed": list(item.changed)},
    }
    event["client"] = "Weir"
    if item.link:
        event |= {"client_url": item.link, "links": [{"href": item.link, "text": "Open in Weir"}]}
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
            }
            for item in notice.items
        ],
    }
