"""Broker URLs: one grammar for every kind, with an allow-list of parameters per kind.

`scheme://user:password@host:port/path?parameter=value`. The parameters of `COMMON` are
understood by all kinds; an adapter lists its own in `PARAMETERS`; the rest is refused by name
(some client libraries load code from a path that is given as an option).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from .errors import BadURL

COMMON = ("name", "interval", "include", "exclude", "tags", "look_only")
_ONCE = ("name", "interval", "look_only")  # of COMMON; the others may be repeated
LONGEST_HOST = 253  # characters of a host name, as DNS has it
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m|h)?$")
_BREAK = re.compile(r"[\t\r\n]")
_PASSWORD = re.compile(r"://[^:/@\s,]*:([^\s,]*)@")
_ENCODE = "where they are part of a name or a password write / as %2F, ? as %3F, # as %23 and @ as %40"
_IN_QUERY = re.compile(r"[&#%+\s]")  # what would end a parameter, or be read as something else
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


def seconds(text: str, what: str) -> float:
    """'5', '5s', '500ms', '2m' as seconds. Raises BadURL naming `what`."""
    match = _DURATION.match(text.strip())
    if not match:
        raise BadURL(f"{what}={text} is not a duration; write for example {what}=10s.")
    return float(match[1]) * _SECONDS[match[2]]


def glob_of(name: str) -> str:
    """The glob of include= and exclude= for one name; what separates globs is any one character in it."""
    return re.sub(r"[\s,]", "?", re.sub(r"[*?\[]", r"[\g<0>]", name))


@dataclass(frozen=True, slots=True)
class BrokerURL:
    """A parsed broker URL. `str()` and `repr()` never hold the password; `text` does."""

    text: str
    scheme: str = ""
    user: str = ""
    password: str = ""
    hosts: tuple[tuple[str, int | None], ...] = ()
    path: str = ""
    parameters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> BrokerURL:
        """Read a URL. Raises BadURL with a sentence on what is wrong; the sentence holds no password."""
        if "://" not in text:
            raise BadURL("A broker URL looks like amqp://user:password@host:5672/vhost; this one has no '://'.")
        if _BREAK.search(text.strip()):  # urlsplit would leave them out without a word
            raise BadURL("A broker URL has no line breaks or tabs; write them as %0A, %0D and %09.")
        try:
            parts = urlsplit(text.strip())
        except ValueError:  # its text may hold the password
            raise BadURL(f"The host of the broker URL cannot be read; {_ENCODE}.") from None
        parameters = tuple(parse_qsl(parts.query, keep_blank_values=True))
        stray = "@" not in parts.netloc and ("@" in parts.path or any("@" in name for name, _ in parameters))
        if parts.fragment or stray:
            raise BadURL(f"The broker URL has a '#', '/', '?' or '@' in the wrong place; {_ENCODE}.")
        userinfo, _, hostinfo = parts.netloc.rpartition("@")
        user, _, password = userinfo.partition(":")
        return cls(
            text=text.strip(),
            scheme=parts.scheme.lower(),
            user=unquote(user),
            password=unquote(password),
            hosts=tuple(_host(part, show="@" not in text) for part in hostinfo.split(",") if part),
            path=parts.path.lstrip("/"),
            parameters=parameters,
        )

    @property
    def host(self) -> str:
        return self.hosts[0][0] if self.hosts else "localhost"

    def port(self, default: int) -> int:
        return (self.hosts[0][1] if self.hosts else None) or default

    def get(self, name: str, default: str = "") -> str:
        return dict(self.parameters).get(name, default)

    def get_all(self, name: str) -> tuple[str, ...]:
        """Every value of a parameter that may be repeated; white space and commas separate too."""
        return tuple(v for key, value in self.parameters if key == name for v in re.split(r"[\s,]+", value) if v)

    def get_seconds(self, name: str, default: float) -> float:
        value = self.get(name)
        return seconds(value, name) if value else default

    def get_bool(self, name: str) -> bool:
        value = self.get(name).lower()
        if value not in ("", "true", "false", "1", "0", "yes", "no"):
            raise BadURL(f"{name}={value} must be true or false.")
        return value in ("true", "1", "yes")

    @property
    def label(self) -> str:
        """The name to show: `name=`, else the host."""
        return self.get("name") or self.host

    @property
    def interval(self) -> float | None:
        """Seconds between two polls; None = not said. Raises BadURL when it is no duration, or zero."""
        text = self.get("interval")
        if not text:
            return None
        if (interval := seconds(text, "interval")) <= 0:
            raise BadURL(f"interval={text} must be more than zero.")
        return interval

    def wants(self, name: str) -> bool:
        """Whether a queue of this name is to be watched, by the globs of include= and exclude=."""
        include, exclude = self.get_all("include"), self.get_all("exclude")
        if any(fnmatchcase(name, glob) for glob in exclude):
            return False
        return not include or any(fnmatchcase(name, glob) for glob in include)

    def refuse_unknown(self, allowed: tuple[str, ...]) -> None:
        """Raise BadURL naming the first parameter that neither the kind nor all kinds understand."""
        known = (*allowed, *COMMON)
        for name, _ in self.parameters:
            if name not in known:
                raise BadURL(
                    f"'{name}' is not a parameter of {self.scheme} URLs; they take {', '.join(sorted(known))}."
                )
        for name in _ONCE:
            if sum(name == given for given, _ in self.parameters) > 1:
                raise BadURL(f"{name}= is given twice; say it once.")
        self.interval  # noqa: B018 - raises on a bad duration
        self.get_bool("look_only")

    @property
    def safe(self) -> str:
        """The URL without its password, nor any password inside a parameter: fit for a page or a log."""
        names = ((f"[{host}]" if ":" in host else host, port) for host, port in self.hosts)
        host = ",".join(f"{name}:{port}" if port else name for name, port in names)
        user = f"{quote(self.user)}:•••@" if self.password else f"{quote(self.user)}@" if self.user else ""
        query = "&".join(f"{k}={_IN_QUERY.sub(lambda m: quote(m[0]), _hide(v))}" for k, v in self.parameters)
        return f"{self.scheme}://{user}{host}/{self.path}" + (f"?{query}" if query else "")

    def hide(self, text: str) -> str:
        """A text with every password of this URL blotted out, as written and as percent-encoded."""
        passwords = {self.password} | {p for _, value in self.parameters for p in _PASSWORD.findall(value)}
        forms = {form for p in passwords for form in (p, unquote(p), quote(p, safe=""))} - {""}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, "•••")
        return text

    def __str__(self) -> str:
        return self.safe

    def __repr__(self) -> str:
        return f"BrokerURL({self.safe!r})"


def _hide(value: str) -> str:
    return re.sub(_PASSWORD, lambda match: match[0].replace(f":{match[1]}@", ":•••@"), value)


def _host(text: str, show: bool) -> tuple[str, int | None]:
    match = re.fullmatch(r"(\[[0-9A-Za-z:.%]+\]|[^:\s\x00-\x1f\x7f]*)(?::([0-9]{1,5}))?", text)
    if not match or len(match[1]) > LONGEST_HOST or (match[2] and not 0 < int(match[2]) < 65536):
        what = f"'{text[:80]}'" if show else "The host of the broker URL"  # it may be half a password
        raise BadURL(f"{what} is not a host or host:port; {_ENCODE}.")
    return match[1].strip("[]"), int(match[2]) if match[2] else None
