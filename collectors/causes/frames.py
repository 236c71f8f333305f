"""Stacks: the innermost frame that is the application's own, and what was raised.

A frame is told by file or class, and function, without line numbers, so that it stays the same when lines move.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .languages import LANGUAGES, Language

#: Characters of a stack that are read (half from each end), lines, and characters of a line.
MOST, LINES, LINE = 64 * 1024, 600, 600


@dataclass(frozen=True, slots=True)
class Frame:
    """One place in a program. `place` is a file with its folder, or a class; `own` = it is no library's."""

    place: str
    function: str
    own: bool = True

    def __str__(self) -> str:
        return f"{self.place}:{self.function}" if self.function else self.place

    @property
    def short(self) -> str:
        """As a title says it: capture(), Capture.run(), or the file where there is no function."""
        if not self.function:
            return self.place.rpartition("/")[2]
        owner = "" if "/" in self.place else self.place.rpartition(".")[2]
        function = self.function.rpartition("\\")[2]
        return f"{owner}.{function}()" if owner[:1].isupper() else f"{function}()"


_GO = re.compile(r"\)\n\t(?=/\S{1,300}\.go:\d)")
_VARYING = re.compile(
    r"\$\$(?:Lambda|EnhancerBy\w{1,40}|FastClass\w{1,40}|SpringCGLIB).*$|\$\d+(?=\$|$)|/0x[0-9a-f]+|`\d+"
)
_ASYNC = re.compile(r"<(?P<name>\w{1,200})>[bcdg]__[\w|]{0,60}")
_BLOCK = re.compile(r"^(?:(?:block|rescue|ensure)(?: \(\d+ levels\))? in )+")
_RELEASE = re.compile(r"(?=.*\d)[0-9a-f.v_-]{5,64}|\d+")


def top_frame(trace: str) -> Frame | None:
    """The innermost frame of the application's own code; of a library where there is no other; None without a stack."""
    found: list[Frame] = []
    for language in LANGUAGES:
        if found := list(_frames(language, trace)):
            break
    return next((frame for frame in found if frame.own), found[0] if found else None)


def _frames(language: Language, trace: str) -> Iterator[Frame]:
    """The frames of a stack, innermost first."""
    found = (match for line in _part(language, trace) if (match := language.line.match(line)))
    for match in reversed(list(found)) if language.innermost_last else found:
        place, function = match["place"], match["function"] or ""
        clean = _of_class if language.classes else _of_file
        yield Frame(*clean(place, function), own=not language.library.search(place))


def _part(language: Language, trace: str) -> list[str]:
    """The lines of the stack that matters: Java's last "Caused by", Python's last traceback, else all."""
    text = trace if len(trace) <= MOST else trace[: MOST // 2] + "\n" + trace[-MOST // 2 :]
    if language.name == "Java":
        text = text[max(0, text.rfind("Caused by: ")) :]
    elif language.name == "Python":
        text = text[max(0, text.rfind("Traceback (most recent call last)")) :]
    elif language.name == "Go":
        text = _GO.sub(") ", text)
    lines = text.replace("\r\n", "\n").split("\n")
    kept = lines if len(lines) <= LINES else lines[: LINES // 2] + lines[-LINES // 2 :]
    return [line[:LINE] for line in kept]


def _of_file(place: str, function: str) -> tuple[str, str]:
    """A file with its folder, unless that is the name of a release or a temporary one."""
    *folders, name = re.split(r"[/\\]", place)
    folder = folders[-1] if folders and not _RELEASE.fullmatch(folders[-1]) else ""
    function = _BLOCK.sub("", function)
    return (f"{folder}/{name}" if folder else name), "" if function in ("<module>", "Object.<anonymous>") else function


def _of_class(place: str, function: str) -> tuple[str, str]:
    """A class and its method, without the numbers that compilers and proxies give."""
    if hidden := _ASYNC.search(function) or _ASYNC.search(place):
        place, function = _ASYNC.sub("", place).rstrip("+."), hidden["name"]
    return _VARYING.sub("", place), _VARYING.sub("", function)


_CLASS = r"(?P<error>[A-Za-z_$][\w.$`+\\]{0,200}(?:::\w{1,100}){0,10})"
_CAUSED = re.compile(rf"Caused by: {_CLASS}(?:: (?P<message>[^\n]{{0,2000}}))?")
_RAISED = re.compile(rf"{_CLASS}(?::\s?(?P<message>[^\n]{{0,2000}}))?")


def raised(trace: str) -> tuple[str, str]:
    """Class and message of the error at the root of a stack, ("", "") where it does not say.

    Java: the last "Caused by"; Python: the line below the last traceback; others: the first line.
    """
    text = trace if len(trace) <= MOST else trace[: MOST // 2] + "\n" + trace[-MOST // 2 :]
    at = text.rfind("Caused by: ")
    if at >= 0 and (match := _CAUSED.match(text, at)):
        return match["error"], (match["message"] or "").strip()
    at = text.rfind("Traceback (most recent call last)")
    lines = text[max(0, at) :].split("\n")[1 if at >= 0 else 0 :]
    for line in lines[:LINES]:
        if line.strip() and not line[0].isspace():
            match = _RAISED.fullmatch(line.strip()[: LINE * 4])
            return (match["error"], (match["message"] or "").strip()) if match else ("", line.strip())
    return "", ""
