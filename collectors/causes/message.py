"""Messages of errors without what differs from letter to letter.

Taken out: addresses, times, ids, numbers, quoted parts, paths and people's names. Kept: what tells one cause from
another although it is a number: the codes of HTTP, SQL, operating systems and exits ("status code 503", "[Errno 111]").
Every pattern takes linear time, and no more than `MOST` characters are looked at.
"""

from __future__ import annotations

import re

#: Characters of a message that count, and that remain.
MOST, KEPT = 2_000, 400

_HEX = "[0-9a-fA-F]"
_DAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},?\s)?"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
_ZONE = r"(?:\s?(?:z\b|utc\b|gmt\b|[ap]m\b|[+-]\d{2}:?\d{2}))?"
_CLOCK = rf"\d{{1,2}}:\d{{2}}(?::\d{{2}}(?:[.,]\d{{1,9}})?)?{_ZONE}"
_PORT = r"(?::\d{1,5})?"

#: The host of an address often is the cause; user, port, path and query are not.
_URL = (
    r"\b([a-z][a-z0-9+.-]{1,15}://)(?:[^\s/@'\"<>]{1,100}@)?([^\s/:'\"<>?#)\],;]{1,200})" + _PORT + r"[^\s'\"<>)\],]*+"
)
_EMAIL = r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"
_UUID = rf"\b{_HEX}{{8}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{12}}\b"
#: A pod of Kubernetes: what it is of, and two parts that are drawn.
_POD = r"\b([a-z][a-z0-9]{0,30}(?:-[a-z0-9]{1,30}){0,6}-)(?=[a-z]{0,10}\d)[a-z0-9]{8,10}-[a-z0-9]{5}\b"
_DATES = (
    rf"\b{_DAY}\d{{4}}[-/.]\d{{2}}[-/.]\d{{2}}(?:[T\s]\s?{_CLOCK})?",
    rf"\b{_DAY}\d{{1,2}}[\s-]{_MONTH}[\s-]\d{{4}}(?:\s{_CLOCK})?",
    rf"\b{_DAY}{_MONTH}\s\d{{1,2}},?\s(?:\d{{4}}\s)?(?:(?:at\s)?{_CLOCK})?(?:\s[A-Z]{{3,4}})?(?:\s\d{{4}})?",
    r"\b\d{1,2}[/.]\d{1,2}[/.]\d{4}\b",
)
_MAC = rf"\b(?:{_HEX}{{2}}[:-]){{5}}{_HEX}{{2}}\b"
_IPV4 = rf"\b(?:\d{{1,3}}\.){{3}}\d{{1,3}}{_PORT}(?:/\d{{1,2}})?\b"
_IPV6 = rf"\[?\b(?:{_HEX}{{1,4}}:){{4,7}}{_HEX}{{1,4}}\b\]?{_PORT}|\[?::(?:1|ffff:[\d.]{{1,15}})\b\]?{_PORT}"
#: Quotation marks that open after no letter and close before none: "can't" has none.
_QUOTED = (
    r"(?<!\w)\"(?:[^\"\\\n]|\\.){0,1000}\"",
    r"(?<!\w)'(?:[^'\\\n]|\\.){0,1000}?'(?!\w)",
    r"`[^`\n]{1,500}`|“[^”\n]{1,500}”|«[^»\n]{1,500}»|‘[^’\n]{1,500}’",
)
_PATHS = (
    r"(?<![\w.<])[A-Za-z]:\\[^\s:*?\"<>|]{1,300}",
    r"(?<![\w.:<>/])~?/[\w.@+%-]{1,200}(?:/[\w.@+%-]{0,200})++(?::\d+)?",
)
#: As Go writes it: 1h2m3.5s; a part alone is a number with its unit.
_DURATION = r"\b(?:\d{1,12}(?:\.\d{1,9})?(?:ns|µs|us|ms|[dhms])){2,5}\b"
_HEXES = rf"\b0x{_HEX}{{1,64}}\b|(?<!\w)#?(?=[0-9a-f]{{0,40}}\d)(?=\d{{0,40}}[a-f])[0-9a-f]{{7,128}}\b"

#: In this order: what holds others stands before them.
PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.I), replacement)
    for pattern, replacement in (
        (_URL, r"\1\2/"),
        (_EMAIL, "<email>"),
        (_UUID, "<id>"),
        (_POD, r"\1<id>"),
        *((pattern, "<time>") for pattern in _DATES),
        (_MAC, "<id>"),
        (_IPV4, "<ip>"),
        (_IPV6, "<ip>"),
        (rf"\b{_CLOCK}", "<time>"),
        *((pattern, "<text>") for pattern in _QUOTED),
        *((pattern, "<path>") for pattern in _PATHS),
        (_DURATION, "<n>s"),
        (_HEXES, "<hex>"),
    )
)

#: Codes: kept together with the word that says what they are.
_HTTP = (
    "(?:Client|Server|Bad|Unauthorized|Payment|Forbidden|Not|Method|Proxy|Request|Conflict|Gone|Precondition|Payload"
    "|Unsupported|Unprocessable|Too|Internal|Gateway|Service|Locked)\\b"
)
_CODE = re.compile(
    r"\b(?:(?:http|https|status|error|exit|response|sqlstate|errno|winerror|signal|oserror|reply|return|fault)"
    r"(?:[ _-]?(?:code|status|no|number))?|code)(?:/\d(?:\.\d)?)?(?:\sof|\sis|\swas)?"
    r"[\s:=#(\[]{1,3}-?\d{1,5}\b(?![-.\d])"
    r"|\b(?:returned|responded|answered|replied|failed|got)(?:\swith)?\s[45]\d\d(?=$|[.,;:)\]])"
    r"|\(\d{3,4},\s?(?=<text>)"  # MySQL: (1213, 'Deadlock found ...')
    r"|\bSQLSTATE\s?\[\w{5}\](?:\s?\[\d{1,5}\])?"
    rf"|(?-i:\b(?:ORA|TNS|SQL|DB|TS|CS|EC|E|ERR)-?\d{{2,6}}N?\b|\b[45]\d\d\s(?={_HTTP}))",
    re.I,
)
#: A word that changes between letters and digits more than once, or has a prefix (cus_N8aB9), is an id: not "node17".
_ID = re.compile(
    r"\b[A-Za-z]{1,8}_(?![A-Za-z]?\d+\b)(?=[A-Za-z]{0,40}\d)[A-Za-z0-9]{6,64}\b"
    r"|\b(?=[A-Za-z]{1,40}\d{1,40}[A-Za-z]|\d{1,40}[A-Za-z]{1,40}\d)[A-Za-z0-9]{10,128}\b={0,2}"
)
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:[.,_]\d+)*+(?:e[+-]?\d+)?|\d+")
_PARTS = re.compile(r"(?:\b[A-Za-z]{1,12}[-_#:]?)?<n>(?:[-_#:/.x][A-Za-z]{0,3}<n>|[-_#][A-Z]{1,3}\b)+")
#: A list of things is one thing, however many they are.
_LIST = re.compile(r"(<\w{1,5}>)(?:(?:,\s?|\s|;\s?|\sand\s)\1)+")
#: So are pairs of names and values, even if there is one pair only.
_PAIR = r"<\w{1,5}>: ?(?:<\w{1,5}>|None|True|False|null|true|false|[\w.]{1,60}\((?:<n>(?:, )?){0,9}\))"
_PAIRS = re.compile(rf"{_PAIR}(?:, ?{_PAIR})*+")
#: A message that is one quoted sentence is that sentence.
_WHOLE = re.compile(r"(['\"])((?:(?!\1).)*\s(?:(?!\1).)*)\1")
_PARTICLES = "van|von|der|den|dos|de|da|del|di|la|le|bin|al"
_NAME = re.compile(
    r"(?:(?<=[a-z:,>] )|(?<=[(\[]))[A-ZÀ-ÖØ-Þ][a-zà-öø-ÿ'’]{1,30}"
    rf"(?: (?:(?:{_PARTICLES}) ){{0,2}}[A-ZÀ-ÖØ-Þ][\wà-öø-ÿ'’-]{{1,30}}){{1,3}}"
)

#: Words with a capital that are no names: phrases of protocols and libraries.
_PHRASES = frozenset(
    re.findall(
        r"\w+",
        """
        Error Server Gateway Service Timeout Request Response Connection Not Bad Internal Unavailable Found
        Forbidden Unauthorized Too Many Requests Entity Conflict Gone Payload Large Unprocessable Content Media
        Type Method Allowed Required Payment Invalid Failed Failure Exception Access Denied Key Value String
        Object Array Null Table Column Row Database Redis Kafka Rabbit Spring Java Python Ruby Amazon Azure Google
        Cloud Web Services Simple Storage Queue Lock Wait Deadlock Query Host Name Or Address Certificate Verify
        Client Network Unreachable Read Write Time Out Of Memory Socket Broken Pipe Reset By Peer Permission File
        Directory Message Body Header Token Expired Signature Caused Root Cause The This That An In On At For To
        Is Are Was No Only Must Should Please Try Again Cannot Can
        """,
    )
)


def normalised(message: str) -> str:
    """The message as its group knows it: placeholders in angle brackets, white space as one space, cut to `KEPT`."""
    text = plain(message[:MOST])
    if whole := _WHOLE.fullmatch(text):
        text = whole[2]
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    kept: list[str] = []
    text = _CODE.sub(lambda m: _keep(m[0], kept), text)
    text = _ID.sub("<id>", text)
    text = _PARTS.sub("<id>", _NUMBER.sub("<n>", text))
    text = _LIST.sub(r"\1", _PAIRS.sub("<pairs>", _NAME.sub(_name, text)))
    for at, code in enumerate(kept):
        text = text.replace(_mark(at), code)
    return text[:KEPT]


def plain(text: str) -> str:
    """One line without anything that hides or acts: such characters become �."""
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in line)


def coarse(normal: str) -> str:
    """A normalised message for a fingerprint: some ids happen to have digits only, and look like numbers."""
    return re.sub("<(?:n|hex|id)>", "<id>", normal)


def _mark(at: int) -> str:
    """A place in the message that no pattern touches: characters for private use."""
    return f"\ue000{chr(0xE100 + at)}"


def _keep(code: str, kept: list[str]) -> str:
    if len(kept) >= 100:
        return code
    kept.append(code)
    return _mark(len(kept) - 1)


def _name(match: re.Match[str]) -> str:
    return match[0] if _PHRASES & set(match[0].split()) else "<name>"
