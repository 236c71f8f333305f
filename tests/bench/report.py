"""Tables as text and as Markdown, and the folder of a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import plot, registry


def cell(value: Any) -> str:
    """A figure as a reader wants it: three digits that count."""
    if value is None:
        return "-"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int) or abs(value) >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:,.{1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3}f}"


def text(answer: dict[str, Any]) -> str:
    """One benchmark's answer for a terminal."""
    if "missing" in answer:
        return f"left out: {answer['missing']}"
    if "failed" in answer:
        return f"FAILED\n{answer['failed']}"
    return "\n".join(_table(table) for table in answer["tables"]) + f"\n({answer['seconds']:.0f} s)"


def _table(table: dict[str, Any]) -> str:
    rows = table["rows"]
    lines = [table["title"]]
    if rows:
        names = list(rows[0])
        cells = [[cell(row[name]) for name in names] for row in rows]
        widths = [max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(names)]
        for one in [names, *cells]:
            padded = [c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(one, widths, strict=True))]
            lines.append("  ".join(padded))
    lines += [f"  {_verdict(target)}" for target in table["targets"]]
    return "\n".join([*lines, *([table["note"]] if table["note"] else []), ""])


def _verdict(target: dict[str, Any]) -> str:
    one = registry.Target(**target)
    aimed = "at least" if one.at_least else "at most"
    return f"{'held  ' if one.held else 'MISSED'} {one.words}: {cell(one.value)} ({aimed} {cell(one.limit)})"


def markdown(table: dict[str, Any], picture: str = "") -> str:
    names = list(table["rows"][0]) if table["rows"] else []
    lines = [f"### {table['title']}", ""]
    if names:
        lines += ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
        lines += ["| " + " | ".join(cell(row[name]) for name in names) + " |" for row in table["rows"]]
    lines += ["", *(f"- {_verdict(target)}" for target in table["targets"])]
    return "\n".join([*lines, table["note"], *([f"\n![]({picture})"] if picture else []), ""])


def write(folder: Path, about: dict[str, Any], answers: dict[str, Any]) -> None:
    """report.md, bench.json, and an SVG for each table that is a curve."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = ["# Benchmarks", "", ", ".join(f"{name} {value}" for name, value in about.items()), ""]
    for name, answer in answers.items():
        parts += [f"## {name}: {registry.BENCHES[name][0]}", ""]
        parts += [f"Left out: {answer['missing']}."] if "missing" in answer else []
        parts += ["Failed."] if "failed" in answer else []
        for number, table in enumerate(answer.get("tables", ())):
            picture = ""
            if table["curve"] and table["rows"]:
                picture = f"{name}-{number + 1}.svg"
                (folder / picture).write_text(plot.svg(table["title"], table["rows"], registry.Curve(**table["curve"])))
            parts.append(markdown(table, picture))
    (folder / "report.md").write_text("\n".join(parts) + "\n")
    (folder / "bench.json").write_text(json.dumps({"about": about, "benches": answers}, indent=1) + "\n")
