"""`make fuzz`: mutated recipes, random arguments, damaged stores and mutated model folders.

No traceback, no exit code but those promised, no check that takes long, no message without a place.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ADB_SERVER_SOCKET": "tcp:localhost:1"}

from tests.campaigns import chaos, judged, mutants
from tests.campaigns.forked import call, load
from workbench.store.store import Store

LIMIT_S = 120.0
"""Seconds that a run may take on what is left of a store or on a mutated model."""
BEGUN_S = 8.0
"""A call of random arguments that still works after so long was accepted, and is ended."""


@dataclass
class Tally:
    """How many were tried, and how many of them went wrong."""

    done: int = 0
    faults: int = 0


Part = Callable[[Path, random.Random, Path], str | None]
"""Tries one input in a folder of its own, given one where a small run has ended; what is wrong."""


def recipe(folder: Path, rng: random.Random, _finished: Path) -> str | None:
    """A mutated recipe, checked."""
    text = mutants.mutant(rng)
    (folder / "recipe.yaml").write_bytes(text)
    _, _, fault = judged.check(folder)
    return f"{fault}\n--- recipe:\n{text.decode(errors='replace')[:3000]}" if fault else None


def arguments(folder: Path, rng: random.Random, finished: Path) -> str | None:
    """A verb with random arguments and options, in a folder with a few files that they can name."""
    (folder / "recipe.yaml").write_text("version: 1\nname: x\nmodel: none\n")
    shutil.copy(next((finished / "store" / "results").glob("*/model.onnx")), folder / "model.onnx")
    words = _words(judged.COMMAND, rng)
    code, said = call(words, folder, folder / "log", BEGUN_S)
    fault = judged.fault(code, said, (0, 1, 2, None) if words[:1] != ["check"] else (0, 2))  # type: ignore[arg-type]
    return f"{fault}\n--- workbench {words!r}" if fault else None


def _words(command: Any, rng: random.Random) -> list[str]:
    if hasattr(command, "commands"):
        name = rng.choice([*command.commands, rng.choice(("", "chekc", "--version", "-h"))])
        return [name, *(_words(command.commands[name], rng) if name in command.commands else ())]
    values = ("", "x", "-", "--", "é💥", "a=b", "a.b=1", "steps.0=", "[", "x" * 3000, "0,1", "1x2", *mutants.NUMBERS)
    files = ("recipe.yaml", "model.onnx", "none", ".", "recipe.yaml/x", "/dev/null", "~", "demo", "file.html", "arch:x")
    words: list[str] = []
    for option in command.params:
        names = [name for name in option.opts if name.startswith("-")]
        if names and rng.random() < 0.3:
            words.append(rng.choice([*names, rng.choice(names)[:-1]]))
        if (names and words and words[-1] in names and not getattr(option, "is_flag", False)) or not names:
            words += [rng.choice(values + files)] if rng.random() < 0.4 else [rng.choice(files)]
    return words


def store(folder: Path, rng: random.Random, finished: Path) -> str | None:
    """A finished run whose store is damaged somewhere, run again."""
    place = chaos.fresh(finished, folder / "place")
    shutil.copytree(finished / "store", place / "store")
    damages = []
    for _ in range(rng.choice((1, 1, 2))):
        there = [path for path in sorted((place / "store").rglob("*")) if path.exists()]
        damages.append(mutants.damage(rng.choice(there), rng) if there else "")
    code, said = call(chaos.RUN, place, place / "log", LIMIT_S)
    fault = judged.fault(code, said, (0, 1, 2))
    if fault is None and code == 0:
        expected = chaos.results(finished / "store")
        kept = Store(place / "store")
        sound = [key for key in expected if kept.get(key) is not None]
        found = chaos.results(place / "store")
        fault = next((f"result {key} is another" for key in sound if found[key] != expected[key]), None)
    return f"{fault}\n--- {damages}" if fault else None


def model(folder: Path, rng: random.Random, finished: Path) -> str | None:
    """A model whose files are damaged or whose configs say something else: checked, and run if that is promised."""
    place = chaos.fresh(finished, folder / "place")
    what, code, fault = checked_model(place, rng)
    if code == 0 and fault is None:
        code, said = call(chaos.RUN, place, place / "log", LIMIT_S)
        fault = judged.fault(code, said, (0, 1, 2))
        if fault is None and code == 2:
            fault = f"check had nothing against it: {said[-500:]}"
    return f"{fault}\n--- {what}" if fault else None


def checked_model(place: Path, rng: random.Random) -> tuple[str, int | None, str | None]:
    """Damages the model in ``place`` and checks a recipe of it: what was done, the exit code, what is wrong."""
    (place / "recipe.yaml").write_text(chaos.WITHOUT_STEPS)
    files = [path for path in sorted((place / "tiny").rglob("*")) if path.suffix in (".json", ".safetensors", "")]
    path = rng.choice(files)
    what = _config(path, rng) if path.suffix == ".json" and rng.random() < 0.7 else mutants.damage(path, rng)
    code, _, fault = judged.check(place)
    return f"{path.relative_to(place)}: {what}", code, fault


def _config(path: Path, rng: random.Random) -> str:
    whole: Any = json.loads(path.read_bytes())
    places = list(mutants.places(whole))
    if not places:
        return mutants.damage(path, rng)
    holder, key = rng.choice(places)
    other, there = rng.choice(places)
    before = holder[key]
    if rng.random() < 0.2:
        del holder[key]
        new = "removed"
    else:
        values = (None, 0, -1, 3, 2.5, 1e9, "", "text", [], {}, True, [before], other[there])
        new = rng.choice((*values, before * 2 if isinstance(before, str | int | float | list) else 7))
        holder[key] = new
    path.unlink()
    path.write_text(json.dumps(whole))
    return f"{key}: {str(before)[:80]} → {str(new)[:80]}"


PARTS: dict[str, tuple[int, Part]] = {
    "recipes": (5000, recipe),
    "arguments": (400, arguments),
    "stores": (200, store),
    "models": (60, model),
}
SHARE = {"recipes": 0.35, "arguments": 0.2, "stores": 0.6}
"""Share of the time that is left which a part may take; the last has all."""


def lane(name: str, numbers: range, seed: int, until: float, folder: Path, finished: Path) -> Tally:
    """Tries those numbers of a part's inputs until the monotonic clock says ``until``."""
    tally = Tally()
    for number in numbers:
        if time.monotonic() > until:
            break
        own = folder / str(number)
        own.mkdir(parents=True)
        if fault := PARTS[name][1](own, random.Random(f"{seed} {name} {number}"), finished):
            tally.faults += 1
            print(f"FAULT {name} {number} (--seed {seed} --only {name}:{number}): {fault}\n", flush=True)
        tally.done += 1
        shutil.rmtree(own, ignore_errors=True)
    return tally


def campaign(seed: int, numbers: dict[str, range], until: float, lanes: int, folder: Path) -> int:
    """All parts; prints how many were tried and what was wrong, and returns how often."""
    import diffusers  # noqa: F401  some checks need it, and it's the machine's matter how long that takes

    finished, faults = folder / "finished", 0
    finished.mkdir()
    for name, tried in numbers.items():
        if name != "recipes" and not (finished / "store").is_dir():  # the others need a run that has ended
            code, said = call(chaos.RUN, chaos.prepare(finished), finished / "log", chaos.LONGEST_S)
            assert code == 0, said
            load(finished / "log.modules")
        end = time.monotonic() + SHARE.get(name, 1.0) * (until - time.monotonic())
        with ProcessPoolExecutor(lanes, mp_context=get_context("fork")) as pool:
            work = [pool.submit(lane, name, tried[i::lanes], seed, end, folder / name, finished) for i in range(lanes)]
            tallies = [done.result() for done in work]
        wrong = sum(tally.faults for tally in tallies)
        print(f"{name}: {sum(tally.done for tally in tallies)} of {len(tried)}, {wrong} faults", flush=True)
        faults += wrong
    return faults


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--seconds", type=float, default=590, help="when to begin no more")
    parser.add_argument("--lanes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", help="one part, or one of its inputs, as PART:NUMBER")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    began = time.monotonic()
    name, _, number = (asked.only or "").partition(":")
    numbers = {part: range(count) for part, (count, _) in PARTS.items() if name in ("", part)}
    if number:
        numbers[name] = range(int(number), int(number) + 1)
    with tempfile.TemporaryDirectory() as folder:
        faults = campaign(asked.seed, numbers, began + asked.seconds, asked.lanes, Path(folder))
    print(f"seed {asked.seed}: {faults} faults, {time.monotonic() - began:.0f} s")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
