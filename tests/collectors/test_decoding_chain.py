"""The chain on bytes that nobody declared: each format is told by itself, and what is damaged is said."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import os
import pickle
import zlib

import msgpack
import pytest
import zstandard

from collectors.decoding import MISSING, Limits, Number, decode

ORDER = {"order": 1042, "price": 19.9, "lines": [{"sku": "A-1", "name": "Größe ✓"}], "paid": None}
JSON = json.dumps(ORDER, ensure_ascii=False).encode()
COMPRESSED = {
    "gzip": gzip.compress(JSON),
    "zlib": zlib.compress(JSON),
    "bzip2": bz2.compress(JSON),
    "xz": lzma.compress(JSON),
    "lzma": lzma.compress(JSON, lzma.FORMAT_ALONE),
    "zstd": zstandard.compress(JSON),
}


def chips(decoded):
    return [step.name for step in decoded.steps]


@pytest.mark.parametrize("name", COMPRESSED)
def test_compressed_json_is_read(name):
    decoded = decode(COMPRESSED[name])
    assert (chips(decoded), decoded.value, decoded.notes) == ([name, "JSON"], ORDER, ())


@pytest.mark.parametrize("name", COMPRESSED)
def test_compressed_json_in_base64_is_read(name):
    assert chips(decode(base64.b64encode(COMPRESSED[name]))) == ["base64", name, "JSON"]
    assert decode(base64.urlsafe_b64encode(COMPRESSED[name]).rstrip(b"=")).value == ORDER


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
def test_damaged_compression_gives_what_came_before_and_says_so(name):
    whole = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstandard.compress}[name](
        b"".join(f'{{"n": {n}}}\n'.encode() for n in range(200_000))
    )
    decoded = decode(whole[: len(whole) * 2 // 3], limits=Limits(bytes=8 << 20))
    assert chips(decoded)[0] == name
    assert "damaged" in decoded.notes[0]


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_compression_that_cannot_be_opened_is_named(name):
    decoded = decode(COMPRESSED[name][:10] + b"\xff" * 40)
    assert chips(decoded) == [name]
    assert decoded.notes[0].startswith(f"The {name} content cannot be opened")
    assert decoded.text.startswith("000000  ")


def test_several_members_of_one_gzip_are_one_body():
    assert decode(gzip.compress(JSON[:10]) + gzip.compress(JSON[10:])).value == ORDER


def test_raw_deflate_is_read_when_it_is_declared():
    packed = zlib.compress(JSON, wbits=-15)
    assert decode(packed, content_encoding="deflate").value == ORDER
    assert chips(decode(packed))[0] != "deflate"


def test_brotli_is_named_when_it_is_declared():
    body = bytes.fromhex("8b0680f09f988003")
    assert chips(decode(body, content_encoding="br")) == chips(decode(body, {"compression": "brotli"})) == ["Brotli"]
    assert decode(JSON, content_encoding="br").value == ORDER  # declared, and not true


def test_headers_by_names_of_any_type_are_kept_by_their_text():
    assert decode(b"{}", {b"ce_type": "a", "ce_id": 1, 7: None}).headers == {"ce_type": "a", "ce_id": 1, "7": None}


def test_names_out_of_a_letter_are_short_and_hide_nothing():
    decoded = decode(json.dumps({"specversion": "1.0", "type": "a\x1b\u202e" + "b" * 900, "source": "s", "id": "1"}))
    assert decoded.message_type == "a␛⟦U+202E⟧" + "b" * 189 + "…"
    assert decoded.steps[-1].name == "CloudEvents"


def test_message_pack_is_read_with_bytes_and_keys_of_any_kind():
    value = {"a": b"\x00\xff", 7: [1, 2.5, None], "t": "x"}
    decoded = decode(msgpack.packb(value))
    assert (chips(decoded), decoded.value) == (["MessagePack"], value)
    assert decoded.tree().value == {"a": "2 bytes: 00 ff", "7": [1, 2.5, None], "t": "x"}


def test_json_in_a_json_string_is_read_on():
    assert chips(decode(json.dumps(json.dumps(ORDER)))) == ["JSON", "JSON"]


def test_lines_of_json_are_a_list():
    decoded = decode(b'{"a": 1}\n{"a": 2}\n')
    assert (chips(decoded), decoded.value) == (["JSON lines"], [{"a": 1}, {"a": 2}])


@pytest.mark.parametrize(
    "text", ["order 1042 captured", "x^2 + y^2", "BZh9 is how it begins", "abcdefghijklmnopqrst", "(x)"]
)
def test_text_stays_text(text):
    decoded = decode(text)
    assert (chips(decoded), decoded.text, decoded.value) == (["text"], text, MISSING)


def test_base64_needs_a_meaning():
    random = base64.b64encode(bytes(range(128, 188)))
    assert chips(decode(random)) == ["text"]
    assert chips(decode(random, content_encoding="base64")) == ["base64", "hex"]


def test_an_empty_body_is_said_to_be_empty():
    assert chips(decode(b"")) == ["empty"]


def test_bytes_without_a_meaning_are_dumped():
    decoded = decode(bytes(range(256)))
    assert chips(decoded) == ["hex"]
    assert decoded.text.splitlines()[4] == "000040  40 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f  @ABCDEFGHIJKLMNO"


class Trap:
    """Would leave a trace if it were loaded."""

    def __reduce__(self):
        return os.putenv, ("LOADED_BY_WEIR", "yes")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_is_disassembled_and_never_loaded(protocol):
    decoded = decode(pickle.dumps({"order": 1042, "trap": Trap()}, protocol))
    assert chips(decoded) == ["pickle"]
    assert "putenv" in decoded.text and "REDUCE" in decoded.text
    assert any(note.startswith("Loading it would import posix.putenv") for note in decoded.notes)
    assert "LOADED_BY_WEIR" not in os.popen("env").read()


def test_an_old_pickle_is_known_when_it_is_declared():
    assert chips(decode(pickle.dumps([1], 0), content_type="application/x-python-serialize")) == ["pickle"]


@pytest.mark.parametrize(
    ("body", "chip"),
    [
        (b"\xac\xed\x00\x05sr\x00\x0ejava.util.Date", "Java serialization"),
        (b"\x00\x01\x00\x00\x00\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00", ".NET BinaryFormatter"),
        (b'\x04\x08{\x06:\x06aI"\x06b\x06:\x06ET', "Ruby Marshal"),
        (b'O:8:"App\\Mail":1:{s:2:"id";i:1042;}', "PHP serialization"),
        (b"\x04\x22\x4d\x18" + bytes(20), "LZ4"),
        (b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "XML"),
    ],
)
def test_what_is_not_loaded_is_named(body, chip):
    decoded = decode(body)
    assert chips(decoded) == [chip]
    assert decoded.value is MISSING


def test_a_schema_registry_frame_is_taken_off():
    decoded = decode(b"\x00\x00\x00\x00\x2a" + JSON)
    assert (chips(decoded), decoded.steps[0].detail, decoded.value) == (
        ["Confluent framing", "JSON"],
        "schema 42",
        ORDER,
    )


def test_numbers_are_shown_as_they_were_written():
    decoded = decode(b'{"big": 12345678901234567890, "money": 1.10, "small": 7, "float": 0.5, "nan": NaN}')
    assert decoded.value == {"big": "12345678901234567890", "money": "1.10", "small": 7, "float": 0.5, "nan": "NaN"}
    assert isinstance(decoded.value["big"], Number)


def test_a_key_that_stands_twice_is_said():
    decoded = decode(b'{"role": "user", "role": "admin"}')
    assert decoded.value == {"role": "admin"}
    assert decoded.notes == ("A key stands twice in one object: the last one counts.",)


def test_json_that_ends_in_the_middle_is_shown_as_far_as_it_goes():
    decoded = decode(b'{"order": 1042, "lines": [{"sku": "A-1"}, {"sku": "B')
    assert decoded.value == {"order": 1042, "lines": [{"sku": "A-1"}, {"sku": "B…"}]}
    assert decoded.notes == ("The JSON ends in the middle: shown as far as it goes.",)


def test_more_layers_than_allowed_are_left_as_they_are():
    body = JSON
    for _ in range(20):
        body = gzip.compress(body)
    decoded = decode(body)
    assert len(decoded.steps) == Limits().steps
    assert "More than 12 layers: the rest is shown as it is." in decoded.notes


@pytest.mark.parametrize(
    ("charset", "text"), [("iso-8859-1", "Größe"), ("windows-1252", "10 €"), ("shift_jis", "注文")]
)
def test_a_declared_charset_is_followed_where_the_bytes_are_not_utf_8(charset, text):
    decoded = decode(text.encode(charset), content_type=f"text/plain; charset={charset}")
    assert (decoded.text, decoded.notes) == (text, (f"In {charset}, as declared.",))


@pytest.mark.parametrize("charset", ["punycode", "rot13", "zlib_codec", "unicode_escape", "idna", "no-such"])
def test_a_codec_that_is_no_charset_is_not_followed(charset):
    decoded = decode(b"caf\xe9 au lait", content_type=f"text/plain; charset={charset}")
    assert decoded.text == "caf\ufffd au lait"
    assert decoded.notes == ("Not valid UTF-8: 1 place is shown as �.",)
