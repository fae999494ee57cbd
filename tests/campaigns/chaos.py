"""`make chaos`: a small real run is killed at random moments and resumed, until its store equals an undisturbed one.

Kills (-9) and signals are dealt out to lanes, processes that work side by side. A lane takes an empty store, starts the
run, kills it, starts it again, and so on until a run gets to its end; then it compares and takes the next store.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # sums in the same order, and no threads that a fork would lose

from tests.campaigns.forked import CRASHED, Call, call, load, start
from workbench.cli.main import SIGNALS, app
from workbench.store.files import write_atomic
from workbench.store.store import Store, key_of

HEAD = """
version: 1
name: chaos
model: tiny
"""
STEPS = """
steps:
  - distill: {steps: 6, batch: 4, save_every: 1, weights: {feature: 0.0}}
  - quantize: {scheme: w8a8, calibration: {prompts: 1, steps: 2}}
"""
WITHOUT_STEPS = f"""{HEAD}
evaluate: {{pictures: 2, shown: 2, steps: 2, samples: 1}}
profile: {{runtimes: [onnxruntime], iterations: 3, min_seconds: 0.0, warmup: 1}}
rank: {{maximize: speed}}
"""
RECIPE = WITHOUT_STEPS + STEPS
RUN = ("run", "recipe.yaml", "--store", "store")
TOY = ("toy",)
LONGEST_S = 300.0
"""A run that takes longer hangs."""


@dataclass
class Tally:
    """What a lane did, and what was wrong."""

    kills: Counter[str] = field(default_factory=Counter)
    ends: int = 0
    faults: list[str] = field(default_factory=list)


def prepare(folder: Path) -> Path:
    """A folder with the recipe and a small model."""
    from tests.fixtures import tiny_pipeline
    from workbench.models.sources import demo_folder

    tiny_pipeline.make(folder / "tiny", demo_folder())
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


def fresh(original: Path, folder: Path, store: str = "") -> Path:
    """A place for a run: the recipe, the model as links, and a copy of a store of the original place."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if (original / "tiny").is_dir():
        shutil.copytree(original / "tiny", folder / "tiny", copy_function=os.link)
        shutil.copy(original / "recipe.yaml", folder)
    if store:
        shutil.copytree(original / store, folder / "store")
    return folder


@app.command("toy", hidden=True)
def toy() -> None:
    """Work of the shape of a run's that takes a fraction of a second: for a slice of the campaign in every test."""

    def work(out: Path, number: int) -> dict[str, int]:
        state = out / "state" / "done"
        for i in range(int(state.read_text()) if state.is_file() else 0, 5):
            with tempfile.TemporaryDirectory() as scratch:
                (Path(scratch) / "part").write_bytes(bytes(10_000))
                time.sleep(0.002)
                write_atomic(out / "part", str(i))
            write_atomic(state, str(i + 1))
        (out / "part").unlink(missing_ok=True)
        (out / "weights").write_bytes(bytes([number]) * 100_000)
        return {"number": number}

    store = Store(Path("store"))
    with store.lock():
        for number in range(10):
            store.compute(key_of({"toy": number}), partial(work, number=number))
    print("report: none")


def results(store: Path) -> dict[str, Any]:
    """What doesn't depend on the clock, by key: hashes of files and what was returned; else only that it is there."""
    kept = {}
    for record in sorted((store / "results").glob("*/result.json")):
        read = json.loads(record.read_bytes())
        measured = {"records", "targets", "html"} & read["result"].keys()
        name = "the report" if "html" in measured else record.parent.name  # its key follows the seconds that it shows
        if not {"fp32", "memory"} <= read["result"].keys():  # the machine's ceilings are kept only if it was quiet
            kept[name] = None if measured else [read["files"], without_times(read["result"])]
    return kept


def differences(a: Any, b: Any, place: str = "") -> list[str]:
    """Where two JSON values differ, with both values."""
    if a == b:
        return []
    if isinstance(a, dict) and isinstance(b, dict):
        return [text for key in sorted({*a, *b}) for text in differences(a.get(key), b.get(key), f"{place}/{key}")]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [text for i, pair in enumerate(zip(a, b, strict=True)) for text in differences(*pair, f"{place}/{i}")]
    return [f"{place}: {str(a)[:200]} and {str(b)[:200]}"]


def without_times(value: Any) -> Any:
    """JSON without what a clock said."""
    if isinstance(value, dict):
        return {name: without_times(part) for name, part in value.items() if "seconds" not in name}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def litter(place: Path) -> list[str]:
    """Temporary files and folders that shouldn't be there."""
    parts = list(place.rglob(".*.part"))
    return [str(path.relative_to(place)) for path in (*parts, *(place / "store" / "tmp").glob("[!.]*"))]


def lane(
    words: tuple[str, ...], original: Path, folder: Path, numbers: list[int], seed: int, length: float, until: float
) -> Tally:
    """Kills runs with ``numbers`` one after the other; at ``until`` (of the monotonic clock) it ends its last run."""
    rng, tally, todo, told = random.Random(seed), Tally(), list(numbers), 0
    expected = results(original / "store")
    while todo and time.monotonic() < until:
        place = fresh(original, folder, "begun" if (original / "begun").is_dir() else "")
        orphans: list[Call] = []
        while True:
            killing = bool(todo) and time.monotonic() < until
            before = litter(place)
            running = start(words, place, place / "log")
            moment = rng.uniform(0, length / 3) if killing else LONGEST_S
            code = running.wait(moment)
            if code is not None:
                tally.ends += 1
                break
            if not killing:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait(10)
                tally.faults.append(f"hung: {running.said()[-300:]}")
                break
            number = signal.Signals(todo.pop())
            (os.killpg if rng.random() < 0.3 else os.kill)(running.pid, number)
            tally.faults += [
                f"{number.name} after {moment:.2f} s: {f}" for f in of_death(running, number, place, before)
            ]
            tally.kills[number.name] += 1
            orphans.append(running)
        tally.faults += [f"the run to the end: {f}" for f in of_end(running, code, place, expected, orphans)]
        while len(tally.faults) > told:
            print(f"FAULT {tally.faults[told]}", flush=True)
            told += 1
    return tally


def of_death(running: Call, number: signal.Signals, place: Path, before: list[str]) -> Iterator[str]:
    """What is wrong with how a run ended that was sent a signal."""
    code = running.wait(60)
    said = running.said()
    if code is None:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait(10)
        yield f"it went on: {said[-300:]}"
    elif number == signal.SIGKILL or (code == 0 and "report: " in said):  # it was at its end
        return
    else:
        if code not in ({128 + number, -number} if "report: " in said else {128 + number}):
            yield f"exit code {code}"
        if SIGNALS[number] not in said and "report: " not in said:
            yield f"no message: {said[-300:]}"
        if "Traceback" in said or "Exception ignored" in said:
            yield f"a traceback: {said[-1500:]}"
        # What a kill left stays until the store is locked; what is at work is kept, to be resumed.
        if left := [path for path in litter(place) if path not in before and not path.startswith("store/work/")]:
            yield f"left {left}"
        if alive := running.alive():
            yield f"still runs: {alive}"


def of_end(running: Call, code: int | None, place: Path, expected: Any, before: list[Call]) -> Iterator[str]:
    """What is wrong with a store in which a run came to its end."""
    said = running.said()
    if code != 0:
        yield f"exit code {code}{' (a crash)' if code == CRASHED else ''}: {said[-1500:]}"
        return
    found = results(place / "store")
    for key in sorted(found.keys() | expected.keys()):
        if found.get(key, "") != expected.get(key, ""):
            yield f"result {key} isn't the undisturbed run's:\n{found.get(key, 'none')}\n{expected.get(key, 'none')}"
    if "isn't what was stored" in said:
        yield f"a result was damaged: {said[-500:]}"
    if left := litter(place) + [entry.name for entry in (place / "store" / "work").iterdir()]:
        yield f"left {left}"
    if alive := [line for call in (*before, running) for line in call.alive()]:
        yield f"still runs: {alive}"


def undisturbed(words: tuple[str, ...], folder: Path) -> float:
    """Runs to the end in ``folder``, then imports all that the run had loaded; seconds that it took."""
    began = time.monotonic()
    code, said = call(words, folder, folder / "log", LONGEST_S)
    took = time.monotonic() - began
    if code != 0:
        raise SystemExit(f"an undisturbed run ended with {code}:\n{said}")
    print(f"undisturbed: {took:.1f} s", flush=True)
    load(folder / "log.modules")
    return took


def campaign(words: tuple[str, ...], numbers: list[int], until: float, seed: int, lanes: int, folder: Path) -> Tally:
    """All lanes, after undisturbed runs: one that exports the untouched model, and two whose results have to be equal.

    The last begins with all modules loaded, as those that are killed do: its length is theirs.
    """
    if words == RUN:
        (prepare(folder) / "recipe.yaml").write_text(WITHOUT_STEPS)
        undisturbed(words, folder)
        (folder / "store").rename(folder / "begun")
        (folder / "recipe.yaml").write_text(RECIPE)
        shutil.copytree(folder / "begun", folder / "store")
    undisturbed(words, folder)
    again = fresh(folder, folder / "again", "begun" if words == RUN else "")
    length = undisturbed(words, again)
    whole = Tally()
    if differ := differences(results(folder / "store"), results(again / "store")):
        raise SystemExit(f"two undisturbed runs have other results: {differ}")
    with ProcessPoolExecutor(lanes, mp_context=get_context("fork")) as pool:
        work = [
            pool.submit(lane, words, folder, folder / f"{i}", numbers[i::lanes], seed + i, length, until - 1.5 * length)
            for i in range(lanes)
        ]
        for done in work:
            whole.kills += done.result().kills
            whole.ends += done.result().ends
            whole.faults += done.result().faults
    return whole


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="how often with -9")
    parser.add_argument("--signals", type=int, default=60, help="how often with SIGINT, SIGTERM, SIGHUP, in turn")
    parser.add_argument("--seconds", type=float, default=590, help="when to begin no more")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--lanes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--toy", action="store_true", help="kill small work of the same shape")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    began = time.monotonic()
    numbers = [signal.SIGKILL] * asked.kills + [[*SIGNALS][i % len(SIGNALS)] for i in range(asked.signals)]
    random.Random(asked.seed).shuffle(numbers)
    with tempfile.TemporaryDirectory() as folder:
        words = TOY if asked.toy else RUN
        tally = campaign(words, numbers, began + asked.seconds, asked.seed, asked.lanes, Path(folder))
    counts = ", ".join(f"{count} {name}" for name, count in sorted(tally.kills.items()))
    print(f"seed {asked.seed}: {tally.kills.total()} of {asked.kills + asked.signals} kills ({counts})", end="; ")
    print(f"{tally.ends} runs came to their end; {len(tally.faults)} faults; {time.monotonic() - began:.0f} s")
    sys.exit(bool(tally.faults))


if __name__ == "__main__":
    main()
