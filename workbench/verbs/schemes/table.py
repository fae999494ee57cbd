"""The cells of a table of schemes: those that the store lacks are measured, and every answer stands as a cell."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.compress.quantize.backends import backends
from workbench.compress.quantize.calibration.samples import Samples
from workbench.measure.record import from_json, to_json
from workbench.models.candidate import Candidate
from workbench.progress import Progress, Tick, quiet
from workbench.run import chain
from workbench.run.session import Session
from workbench.runtimes.base import RUNTIMES, counted_by, described, installed, run_by
from workbench.store.depends import depends_on
from workbench.store.environment import fingerprint
from workbench.store.files import write_atomic
from workbench.store.store import Store, key_of
from workbench.verbs.schemes.cells import Cell, cell_of, failed, impossible
from workbench.verbs.schemes.measure import Bench, Taken, measure
from workbench.verbs.schemes.pairs import Pair, Subject

if TYPE_CHECKING:
    from workbench.compress.quantize.calibration.trajectory import Inputs
    from workbench.profile.host import Settings
    from workbench.recipe.plan import PlannedStep

Cells = dict[tuple[str, str], Cell]
"""By name of the pair and of the runtime."""
NOT_INSTALLED = "not installed"
RECORDS = ("quantized.record.json", "float.record.json")
FLOAT = Path("model.onnx")
"""In which format the float network is measured."""


@dataclass(frozen=True)
class Table:
    """What the cells of one model are made with."""

    subject: Subject
    base: Candidate
    settings: Settings
    store: Store

    def fill(self, pairs: Sequence[Pair], rerun: bool, progress: Progress) -> Cells:
        """All cells; ``rerun`` measures those again that the store has."""
        refused = self._refused(pairs)
        able = [pair for pair in pairs if pair.name not in refused]
        keys = self._keys(able)
        cells = {(name, runtime): cell for name, cell in refused.items() for runtime in RUNTIMES}
        missing: list[tuple[Pair, str]] = []
        for pair, runtime in [(pair, runtime) for runtime in RUNTIMES for pair in able]:
            where = (pair.name, runtime)
            if not installed(runtime):
                cells[where] = {"outcome": NOT_INSTALLED, "note": described(runtime).install_line}
                continue
            if rerun:
                shutil.rmtree(self.store.folder(keys[where]), ignore_errors=True)
            stored = self._stored(keys[where])
            if stored is None:
                missing.append((pair, runtime))
            else:
                cells[where] = stored
        cells |= self._measured(missing, keys, progress)
        return cells

    def _refused(self, pairs: Sequence[Pair]) -> dict[str, Cell]:
        """What the step's own check says of pairs that can't be made, by the pair's name."""
        from workbench.recipe.hooks import ChecksDenoiser

        config = self.base.config(self.base.denoiser.name)
        cells: dict[str, Cell] = {}
        for pair, entry in zip(pairs, self.subject.recipe(pairs).steps, strict=True):
            problems = list(entry.config.check(config, ())) if isinstance(entry.config, ChecksDenoiser) else []
            if problems:
                note = "; ".join(f"quantize.{key}: {what}" for key, what in problems)
                cells[pair.name] = impossible(note)
        return cells

    def _planned(self, pairs: Sequence[Pair]) -> dict[str, PlannedStep]:
        from workbench.data.captioned import data_key
        from workbench.recipe.plan import plan_steps

        data = data_key(None, self.base.source, self.store)
        return {step.candidate: step for step in plan_steps(self.subject.recipe(pairs), self.base.key, data)}

    def _keys(self, pairs: Sequence[Pair]) -> dict[tuple[str, str], str]:
        """The key of what a cell is made of: the quantized file, the runtime, how it is measured, and the machine."""
        planned, settings = self._planned(pairs), self.settings
        shared = {
            "stage": "schemes",
            "base": self.base.key,
            "settings": [settings.threads, settings.iterations, settings.min_seconds, settings.warmup],
            "seed": self.subject.seed,
            "host": fingerprint(),
        }
        return {
            (pair.name, runtime): key_of(
                {
                    **shared,
                    "made": planned[pair.name].key,
                    "runtime": runtime,
                    **depends_on(measure, Samples, run_by(runtime), counted_by(FLOAT), *backends()[pair.backend].code),
                }
            )
            for runtime in RUNTIMES
            if installed(runtime)
            for pair in pairs
        }

    def _measured(
        self, missing: Sequence[tuple[Pair, str]], keys: Mapping[tuple[str, str], str], progress: Progress
    ) -> Cells:
        """Makes the files that missing cells need; measures and stores the cells of one runtime after the other."""
        distinct = list({pair.name: pair for pair, _ in missing}.values())
        if not distinct:
            return {}
        found: Cells = {}
        # Runtimes that read no files only say so.
        total = len(distinct) + sum(described(runtime).needs_file for _, runtime in missing)
        with progress("schemes", total) as tick:
            made, broken = self._made(distinct, tick)
            done = len(distinct)
            for runtime in dict.fromkeys(runtime for _, runtime in missing):
                names = [pair.name for pair, place in missing if place == runtime]
                found |= {(name, runtime): broken[name] for name in names if name in broken}
                sound = [made[name] for name in names if name in made]
                count = len(names) if described(runtime).needs_file else 0
                turn = self._of_runtime(runtime, sound, _within(tick, done, count, runtime)) if sound else {}
                for name, taken in turn.items():
                    making = self._making(made[name])
                    found[name, runtime] = cell_of(taken) | {"made": making}
                    if not taken.failed:  # else it is tried again the next time
                        self.store.compute(keys[name, runtime], partial(_keep, taken, making))
                done += count
                tick(done, runtime)
        return found

    def _made(self, wanted: Sequence[Pair], tick: Tick) -> tuple[dict[str, Candidate], dict[str, Cell]]:
        """Quantized candidates by the pair's name, and cells for those that couldn't be made."""
        planned, session = self._planned(wanted), Session(self.subject.recipe(wanted), self.store)
        made: dict[str, Candidate] = {}
        broken: dict[str, Cell] = {}
        for done, pair in enumerate(wanted, 1):
            try:
                made[pair.name] = chain.build(self.base, [planned[pair.name]], session)[-1]
            except Exception as error:  # one scheme's failure is its own row's, whatever the library behind it raises
                broken[pair.name] = failed(f"quantize: {error}")
            tick(done, f"quantize {pair.name}")
        return made, broken

    def _of_runtime(self, runtime: str, made: Sequence[Candidate], progress: Progress) -> dict[str, Taken]:
        from workbench.measure.network import network_of

        seed = self.subject.seed
        name = self.base.denoiser.name
        networks = [network_of(one, name, one.denoiser.path, seed) for one in made]
        try:
            plain = network_of(self.base, name, self._export(self.base, name), seed)
            inputs = self._inputs() if described(runtime).needs_file else []
            return measure(runtime, networks, Bench(plain, inputs, self.settings, seed, self.store), progress)
        except Exception as error:  # where the float U-Net can't be measured, the other runtimes still can
            return {one.name: Taken(reason=f"{runtime}: {error}", failed=True) for one in made}

    def _making(self, made: Candidate) -> dict[str, Any]:
        """How long quantizing took, and what it left in float."""
        own = made.report["components"][self.base.denoiser.name]
        return {"seconds": own["seconds"], "exemptions": own["exemptions"]}

    def _stored(self, key: str) -> Cell | None:
        """The cell of what the store has; None where it has nothing."""
        found, folder = self.store.get(key), self.store.folder(key)
        if found is None:
            return None
        record, plain = (from_json((folder / n).read_bytes()) if found["measured"] else None for n in RECORDS)
        return cell_of(Taken(record, plain, found["sqnr_db"], found["reason"])) | {"made": found["made"]}

    def _inputs(self) -> list[Inputs]:
        """What the float denoiser sees while it draws prompts that calibration doesn't."""
        from workbench.compress.registry import StepContext
        from workbench.runtimes.onnxruntime.session import session

        nowhere = self.store.root / "work"
        context = StepContext(self.base, self.base, self.subject.seed, None, nowhere, nowhere, quiet, self._export)
        name = self.base.denoiser.name
        plain = session(self._export(self.base, name))
        samples = Samples(context, name, self.subject.calibration())
        return list(samples.held_back(lambda inputs, _kept: plain.run(None, inputs)[0]))

    def _export(self, candidate: Candidate, component: str) -> Path:
        from workbench.export.stored import stored_export

        return stored_export(candidate, component, self.store)


def _keep(taken: Taken, making: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What the store keeps of what was measured already."""
    for name, record in zip(RECORDS, (taken.record, taken.plain), strict=True):
        if record is not None:
            write_atomic(folder / name, to_json(record))
    measured = taken.record is not None
    return {"measured": measured, "sqnr_db": dict(taken.sqnr_db), "reason": taken.reason, "made": dict(making)}


def _within(tick: Tick, done: int, cells: int, what: str) -> Progress:
    """Progress of one runtime's measuring as a part of the whole's."""

    @contextmanager
    def inner(_what: str, total: int, _weights: Sequence[float] = (), /) -> Iterator[Tick]:
        yield lambda now, _note="": tick(done + int(cells * now / max(total, 1)), f"measure on {what}")

    return inner


def in_order(pairs: Sequence[Pair], cells: Mapping[tuple[str, str], Cell]) -> list[Cell]:
    """The cells by scheme, backend and runtime, each with its place."""
    return [
        {
            "scheme": pair.scheme,
            "backend": pair.backend,
            "settings": dict(pair.settings),
            "runtime": runtime,
            **cells[pair.name, runtime],
        }
        for pair in pairs
        for runtime in RUNTIMES
    ]
