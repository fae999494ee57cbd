"""Recipes made wrong at random: as text, and as the values that the text means."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from tests import ROOT

BASES = [path for folder in ("recipes", "tests/recipe/malformed") for path in sorted((ROOT / folder).glob("**/*.yaml"))]
NUMBERS = (
    *("0", "-1", "1.5", "1e999", "-1e999", ".nan", ".inf", "0x10", "0o17", "1_000", "1e-320", "2147483648", "01", "+1"),
    *("9" * 30, "9" * 5000, "1:30", "1e5", "''", "'7'", "1.", "-0.0"),
)
VALUES = (
    *(
        "null",
        "~",
        "true",
        "no",
        "[]",
        "{}",
        "[[]]",
        "{a: b}",
        "text",
        "''",
        "2026-01-02",
        "!!binary aGVsbG8=",
        "[1, 2]",
    ),
    *("!!python/object/apply:os.system [id]", "!unknown x", "*nowhere", "&a [*a]", "&b {k: *b}", "|\n  block", "? x"),
    *("/dev/null", "/dev/zero", ".", "..", "~/none", "/", "a\\0b", "'\x07'", '"\\u0000"', "é" * 300, "x" * 5000),
    *("hub:a/b", "demo", "demo:x", "adb:none", "host", "base", "(a+)+$", "💥", "\u202eabc", '"\\ud800"'),
)
CHARACTERS = "\t\r\n\x00\x0b\u00a0\u2028\ufeff:{}[]&*!|>'\"%@`#,-?é💥\u202e"


def mutant(rng: random.Random) -> bytes:
    """One recipe, with one to three things wrong."""
    text = rng.choice(BASES).read_text(encoding="utf-8", errors="surrogateescape")
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        text = rng.choice(WAYS)(text, rng)
    return text.encode("utf-8", errors="surrogatepass" if rng.random() < 0.1 else "replace")


def _lines(change: Callable[[list[str], int, random.Random], None]) -> Callable[[str, random.Random], str]:
    def changed(text: str, rng: random.Random) -> str:
        lines = text.split("\n")
        change(lines, rng.randrange(len(lines)), rng)
        return "\n".join(lines)

    return changed


@_lines
def without_a_line(lines: list[str], at: int, rng: random.Random) -> None:
    del lines[at : at + rng.choice((1, 1, 3))]


@_lines
def with_a_line_twice(lines: list[str], at: int, rng: random.Random) -> None:
    lines.insert(rng.randrange(len(lines) + 1) if rng.random() < 0.5 else at, lines[at])


@_lines
def with_lines_swapped(lines: list[str], at: int, rng: random.Random) -> None:
    other = rng.randrange(len(lines))
    lines[at], lines[other] = lines[other], lines[at]


@_lines
def indented_otherwise(lines: list[str], at: int, rng: random.Random) -> None:
    lines[at] = rng.choice((" ", "  ", "\t", "      ")) + lines[at] if rng.random() < 0.6 else lines[at].lstrip()


@_lines
def with_another_value(lines: list[str], at: int, rng: random.Random) -> None:
    key, colon, _ = lines[at].partition(":")
    lines[at] = f"{key}{colon or ':'} {rng.choice(VALUES + NUMBERS)}"


@_lines
def with_another_key(lines: list[str], at: int, rng: random.Random) -> None:
    key, colon, value = lines[at].partition(":")
    place = rng.randrange(len(key) + 1)
    new = (key[:place] + rng.choice(CHARACTERS + "aZ_") + key[place:], key[:place], key.upper(), f"{key}{key.strip()}")
    lines[at] = f"{rng.choice(new)}{colon}{value}"


def with_another_character(text: str, rng: random.Random) -> str:
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.choice(CHARACTERS) + text[place + rng.randrange(2) :]


def cut_short(text: str, rng: random.Random) -> str:
    return text[: rng.randrange(len(text) + 1)]


def with_more(text: str, rng: random.Random) -> str:
    bomb = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
        f"{b}: &{b} [{', '.join(f'*{a}' for _ in range(8))}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    deep = ("\n" + "[" * 2000, "\n" + "- " * 500, "\nx: " + "{a: " * 1000, bomb)
    return text + rng.choice(("\n---\n" + text, "\n...\n", text, "\n<<: {a: 1}\n", "\n? {a: b}\n: c\n", *deep))


def encoded_otherwise(text: str, rng: random.Random) -> str:
    return rng.choice(
        ("\ufeff" + text, text.replace("\n", "\r\n"), text.replace("\n", "\r"), text.replace(" ", "\u00a0"))
    )


def meaning_something_else(text: str, rng: random.Random) -> str:
    """The values changed, and written anew."""
    try:
        whole = copy.deepcopy(yaml.safe_load(text))
        everywhere = list(islice(places(whole), 1000))  # aliases can multiply beyond all bounds
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    if not everywhere:
        return text
    holder, key = rng.choice(everywhere)
    other, there = rng.choice(everywhere)
    new = rng.choice((None, [], {}, "", 0, -1, 1e300, True, [1], {"x": 1}, "text", ["base"], other[there]))
    way = rng.randrange(4)
    if way == 0:
        holder[key] = new
    elif way == 1:
        del holder[key]
    elif way == 2 and isinstance(holder, dict):
        holder[rng.choice((f"{key}s", f" {key}", str(key).upper(), "from", "x", 5, True))] = holder.pop(key)
    elif isinstance(holder, list):
        holder.insert(rng.randrange(len(holder) + 1), new)
    else:
        holder["x"] = new
    try:
        return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True)
    except (yaml.YAMLError, RecursionError, ValueError):
        return text


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


WAYS: tuple[Callable[[str, random.Random], str], ...] = (
    without_a_line, with_a_line_twice, with_lines_swapped, indented_otherwise, with_another_value, with_another_value,
    with_another_value, with_another_key, with_another_character, cut_short, with_more, encoded_otherwise,
    meaning_something_else, meaning_something_else, meaning_something_else,
)  # fmt: skip


def damage(path: Path, rng: random.Random) -> str:
    """Damages one file or folder; what was done."""
    if path.is_dir() or rng.random() < 0.1:
        return _as_a_whole(path, rng)
    data = path.read_bytes()
    at = rng.randrange(len(data) + 1)
    ways = {
        "a bit flipped": data[:at] + bytes(b ^ 1 << rng.randrange(8) for b in data[at : at + 1]) + data[at + 1 :],
        "cut short": data[:at],
        "emptied": b"",
        "longer": data + b"\0" * 9,
        "bad JSON": rng.choice((b"{", b"[]", b"null", b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000, b'"text"')),
        "noise": rng.randbytes(len(data)),
    }
    way = rng.choice([*ways, "a bit flipped"])
    path.unlink()  # it may be a link to a file that is shared
    path.write_bytes(ways[way])
    return f"{path.name}: {way}"


def _as_a_whole(path: Path, rng: random.Random) -> str:
    way = rng.choice(("removed", "a folder", "a file", "a link to nothing", "swapped"))
    other = rng.choice(sorted(path.parent.iterdir()))
    gone = path.with_name(f"{path.name}.gone")
    path.rename(gone)
    if way == "swapped" and other != path and not other.name.endswith(".gone"):
        other.rename(path)
        gone.rename(other)
        return f"{path.name}: swapped with {other.name}"
    if way == "a folder":
        path.mkdir()
    elif way == "a file":
        path.write_bytes(b"")
    elif way == "a link to nothing":
        path.symlink_to("nowhere")
    _remove(gone)
    return f"{path.name}: {way}"


def _remove(path: Path) -> None:
    import shutil

    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
