"""The scripts by which letters go from one key to another in one step. Put together here, run nowhere.

A script is atomic in that nobody comes in between, but it is not rolled back when a command in it fails. So for each
letter it looks whether the letter is there, adds the copy, and only then removes the original: what fails midway
leaves the letter twice at the worst, and never nowhere. Its answer has one thing for each letter: 1 = moved, 0 = it
was not there any more, text = what the server refused (nothing was added), a list with a text = added, but the
original could not be removed.

KEYS are the two keys; ARGV[1] belongs to the source (which end of a list, the group of a stream), ARGV[2] is the
command that adds; then for each letter what it is found by, a count, and so many arguments of that command.
"""

from __future__ import annotations

from dataclasses import dataclass

from .wire import pack

#: Letters, and about the bytes, in one run of a script: the server does nothing else meanwhile.
LETTERS, BYTES = 64, 1 << 18
#: Arguments of one command that Lua can hand over.
MOST_ARGUMENTS = 4000

_SCRIPT = """
local found = {}
local i = 3
while i <= #ARGV do
  local letter, count = ARGV[i], tonumber(ARGV[i + 1])
  local there = redis.pcall(%(there)s)
  if type(there) == 'table' and there.err then
    found[#found + 1] = there.err
  elseif %(is_there)s then
    local added = redis.pcall(ARGV[2], KEYS[2], unpack(ARGV, i + 2, i + 1 + count))
    if type(added) == 'table' and added.err then
      found[#found + 1] = added.err
    elseif added == 0 then
      found[#found + 1] = 'one that is equal to it lies there already'
    else
      local removed = redis.pcall(%(remove)s)
      if type(removed) == 'table' and removed.err then
        found[#found + 1] = {removed.err}
      else
        found[#found + 1] = 1
      end
    end
  else
    found[#found + 1] = 0
  end
  i = i + 2 + count
end
return found
"""


@dataclass(frozen=True, slots=True)
class Source:
    """How a letter is looked for and removed: in Lua, and as commands for where no script reaches (another slot)."""

    there: str
    is_there: str
    remove: str

    @property
    def script(self) -> str:
        return _SCRIPT % {"there": self.there, "is_there": self.is_there, "remove": self.remove}


SOURCES = {
    "list": Source(
        "'LPOS', KEYS[1], letter, 'RANK', ARGV[1]", "there", "'LREM', KEYS[1], ARGV[1], letter"
    ),  # from the end where the oldest is
    "zset": Source("'ZSCORE', KEYS[1], letter", "there", "'ZREM', KEYS[1], letter"),
    "stream": Source("'XRANGE', KEYS[1], letter, letter", "#there > 0", "'XDEL', KEYS[1], letter"),
    "pending": Source(
        "'XPENDING', KEYS[1], ARGV[1], letter, letter, 1", "#there > 0", "'XACK', KEYS[1], ARGV[1], letter"
    ),
}
SCRIPTS = {name: source.script for name, source in SOURCES.items()}


def there(source: str, key: bytes, own: bytes, letter: bytes) -> bytes:
    """The command that looks whether a letter is there."""
    return {
        "list": lambda: pack("LPOS", key, letter, "RANK", own),
        "zset": lambda: pack("ZSCORE", key, letter),
        "stream": lambda: pack("XRANGE", key, letter, letter),
        "pending": lambda: pack("XPENDING", key, own, letter, letter, 1),
    }[source]()


def remove(source: str, key: bytes, own: bytes, letter: bytes) -> bytes:
    """The command that removes one."""
    return {
        "list": lambda: pack("LREM", key, own, letter),
        "zset": lambda: pack("ZREM", key, letter),
        "stream": lambda: pack("XDEL", key, letter),
        "pending": lambda: pack("XACK", key, own, letter),
    }[source]()
