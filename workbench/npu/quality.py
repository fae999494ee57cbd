"""How near the simulated NPU's results are: to a reference's, and to those of ONNX Runtime's CPU on the same file.

The simulator computes the compiled graph on the CPU, as Qualcomm's package has it; whether the hardware does the same
hasn't been seen here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.measure.sqnr import sqnr_db
from workbench.npu.child import work
from workbench.npu.compile import WITHOUT, Target, facts_of
from workbench.npu.taps import Tap, last_of_each_layer, taps, write_tapped
from workbench.npu.worker import FEED, OUTPUTS
from workbench.runtimes.onnxruntime.session import session
from workbench.store.depends import depends_on
from workbench.store.store import Store, key_of

if TYPE_CHECKING:
    import numpy as np

    from workbench.measure.network import Network
    from workbench.progress import Progress

LOST_DB = -200.0
"""Of a result that isn't finite: floats are fp16 on the NPU, and end at 65,504."""
SOUND_DB = 20.0
"""Below this the NPU's result isn't the CPU's: where both are sound they agree at 46 dB, where not at 5 dB."""


@dataclass(frozen=True)
class Input:
    """Inputs of one pass, what they are, and a reference's output where there is one."""

    label: str
    feed: Mapping[str, np.ndarray]
    reference: np.ndarray | None = None


@dataclass(frozen=True)
class Pass:
    """SQNR in dB of one pass: the NPU's and the CPU's against the reference (None without), the NPU's against the
    CPU's."""

    label: str
    npu_db: float | None
    cpu_db: float | None
    npu_cpu_db: float


@dataclass(frozen=True)
class Divergence:
    """The first node whose result on the NPU isn't that on the CPU: SQNR in dB before it (of the last layer that was
    still sound; None: it is the first) and of itself.

    ``output_db``: of the network's output in the pass that showed this; showing tensors can change what is compiled.
    """

    node: str
    op: str
    layer: str
    shape: tuple[int, ...]
    before: tuple[str, ...]
    sound_layer: str | None
    sound_db: float | None
    db: float
    output_db: float


@dataclass(frozen=True)
class Quality:
    """Every pass; and where the NPU diverges, in the worst of them: None where it doesn't, or nobody can see where."""

    passes: tuple[Pass, ...]
    diverges: Divergence | None


def quality(network: Network, inputs: Sequence[Input], target: Target, store: Store, progress: Progress) -> Quality:
    """Runs a network on the simulated NPU and on the CPU with each of the ``inputs``; from the store if it is there.

    Raises:
        RunError: the simulator crashed or took too long.
    """
    given = [
        [one.label, _digest([*one.feed.values(), *([] if one.reference is None else [one.reference])])]
        for one in inputs
    ]
    facts = {"facts": facts_of(network, target, store), "inputs": given}
    key = key_of({"npu quality": facts, **depends_on(quality, "workbench.npu.worker", without=WITHOUT)})

    def make(folder: Path) -> dict[str, Any]:
        with progress(f"simulate {network.label}", 1) as tick:
            found = _quality(network, inputs, target, folder)
            tick(1)
        for file in [file for file in folder.iterdir() if file.is_file()]:
            file.unlink()
        return asdict(found)

    return _read(store.compute(key, make))


def _quality(network: Network, inputs: Sequence[Input], target: Target, folder: Path) -> Quality:
    on_cpu = session(network.path)
    cpu = [on_cpu.run(None, dict(one.feed))[0] for one in inputs]
    npu = [outputs[0] for outputs in _simulated(network, None, inputs, target, folder)]
    passes = tuple(
        Pass(one.label, _db(one.reference, theirs), _db(one.reference, ours), _near(ours, theirs))
        for one, theirs, ours in zip(inputs, npu, cpu, strict=True)
    )
    worst = min(range(len(inputs)), key=lambda i: passes[i].npu_cpu_db)
    if passes[worst].npu_cpu_db >= SOUND_DB:
        return Quality(passes, None)
    return Quality(passes, _divergence(network, inputs[worst], target, folder))


def _divergence(network: Network, one: Input, target: Target, folder: Path) -> Divergence | None:
    """The first layer, then the first node in it."""
    every = taps(network)
    by_layer, _ = _compared(network, last_of_each_layer(every), one, target, folder)
    first = next((i for i, (_, db) in enumerate(by_layer) if db < SOUND_DB), None)
    if first is None:
        return None
    bad, bad_db = by_layer[first]
    sound, sound_db = by_layer[first - 1] if first else (None, None)
    inside, output_db = _compared(network, [tap for tap in every if tap.layer == bad.layer], one, target, folder)
    tap, db = next(((tap, db) for tap, db in inside if db < SOUND_DB), (bad, bad_db))
    return Divergence(
        **{key: value for key, value in asdict(tap).items() if key != "value"},
        sound_layer=sound.layer if sound else None,
        sound_db=sound_db,
        db=db,
        output_db=output_db,
    )


def _compared(
    network: Network, shown: Sequence[Tap], one: Input, target: Target, folder: Path
) -> tuple[list[tuple[Tap, float]], float]:
    """SQNR of the NPU against the CPU of every tap, and of the output."""
    model = folder / "tapped.onnx"
    values = list(dict.fromkeys(tap.value for tap in shown))
    write_tapped(network, values, model)
    cpu = session(model).run(None, dict(one.feed))
    (npu,) = _simulated(network, model, [one], target, folder)
    found = [_near(ours, theirs) for ours, theirs in zip(cpu, npu, strict=True)]
    by_value = dict(zip(values, found[len(found) - len(values) :], strict=True))
    return [(tap, by_value[tap.value]) for tap in shown], found[0]


def _simulated(
    network: Network, model: Path | None, inputs: Sequence[Input], target: Target, folder: Path
) -> list[list[np.ndarray]]:
    """All outputs of each pass on the simulated NPU."""
    import numpy as np

    for index, one in enumerate(inputs):
        np.savez(folder / FEED.format(index), *one.feed.values())
    work(target.job(network, model, len(inputs)), folder, target.deadline_s)
    results = []
    for index in range(len(inputs)):
        with np.load(folder / OUTPUTS.format(index)) as outputs:
            results.append(list(outputs.values()))
    return results


def _db(reference: np.ndarray | None, own: np.ndarray) -> float | None:
    return None if reference is None else _near(reference, own)


def _near(reference: np.ndarray, own: np.ndarray) -> float:
    import numpy as np

    with np.errstate(all="ignore"):
        db = sqnr_db(reference, own)
    return db if np.isfinite(db) else LOST_DB


def _digest(arrays: Sequence[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def _read(stored: Mapping[str, Any]) -> Quality:
    passes = tuple(Pass(**each) for each in stored["passes"])
    found = stored["diverges"]
    if found is None:
        return Quality(passes, None)
    return Quality(passes, Divergence(**{**found, "shape": tuple(found["shape"]), "before": tuple(found["before"])}))
