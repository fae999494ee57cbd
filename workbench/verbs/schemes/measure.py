"""One runtime's turn: quantized U-Nets beside the float one, interleaved, on the inputs of drawing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from workbench.errors import RunError
from workbench.measure.network import Network
from workbench.measure.record import Record
from workbench.measure.sqnr import sqnr_db
from workbench.profile.counts import count_networks
from workbench.profile.host import Settings, measure_host
from workbench.progress import Progress
from workbench.runtimes.base import Runtime, runtime
from workbench.store.store import Store

if TYPE_CHECKING:
    import numpy as np

    from workbench.compress.quantize.calibration.trajectory import Inputs


@dataclass(frozen=True)
class Taken:
    """What a runtime made of a network: records of it and of the float one beside it, and how well their outputs agree.

    Where there are none, ``reason`` says why; ``failed``: it might go well the next time.
    """

    record: Record | None = None
    plain: Record | None = None
    sqnr_db: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Bench:
    """What every cell is measured with.

    ``plain`` is the float U-Net, ``inputs`` what a denoiser sees while it draws: float32 ``sample`` [1, C, h, w],
    ``timestep`` [1] and ``encoder_hidden_states`` [1, L, D] each.
    """

    plain: Network
    inputs: Sequence[Inputs]
    settings: Settings
    seed: int
    store: Store


def measure(name: str, networks: Sequence[Network], bench: Bench, progress: Progress) -> dict[str, Taken]:
    """What the runtime ``name`` makes of every network, by the network's candidate.

    One that it refuses, can't load or can't run is not possible, with the runtime's own words. The others are measured
    together, interleaved; where that fails, each by itself, so that one failure leaves the others their figures.

    Raises:
        InputError: the runtime isn't installed.
    """
    place = runtime(name)
    refused = {n.candidate: reason for n in networks if (reason := place.refuses(n))}
    by_candidate = {who: Taken(reason=reason) for who, reason in refused.items()}
    left = [n for n in networks if n.candidate not in by_candidate]
    near: dict[str, dict[str, Any]] = {}
    expected = outputs(place, bench.plain, bench) if left else []
    for network in left:
        try:
            near[network.candidate] = agreement(expected, outputs(place, network, bench), bench.inputs)
        except RunError as error:
            by_candidate[network.candidate] = Taken(reason=_one_line(error, network))
    measured = _profiled(place, [n for n in left if n.candidate in near], bench, progress)
    return by_candidate | {who: replace(taken, sqnr_db=near[who]) for who, taken in measured.items()}


def outputs(place: Runtime, network: Network, bench: Bench) -> list[np.ndarray]:
    """The network's first output [1, C, h, w] for every input.

    Raises:
        RunError: it can't be loaded or run, or gives numbers that aren't finite.
    """
    import numpy as np

    # A loaded network keeps the arrays that it was given as inputs: they are filled again for every pass.
    feed = {name: value.copy() for name, value in bench.inputs[0].items()}
    call = cast("Callable[[], list[np.ndarray]]", place.load(replace(network, feed=feed), bench.settings.threads))
    values = []
    for inputs in bench.inputs:
        for name, value in inputs.items():
            np.copyto(feed[name], value)
        try:
            values.append(call()[0].copy())
        except RunError:
            raise
        except Exception as error:  # onnxruntime raises a dozen unrelated classes, one per status code
            raise RunError(f"{place.name} can't run it: {str(error).splitlines()[0]}") from error
        if not np.isfinite(values[-1]).all():
            raise RunError(f"{place.name} gives numbers that aren't finite")
    return values


def agreement(expected: Sequence[np.ndarray], actual: Sequence[np.ndarray], inputs: Sequence[Inputs]) -> dict[str, Any]:
    """SQNR in dB of ``found`` against ``wanted``: the mean of each timestep's mean, the least, how many."""
    from statistics import fmean

    by_timestep: dict[float, list[float]] = {}
    for reference, other, given in zip(expected, actual, inputs, strict=True):
        by_timestep.setdefault(float(given["timestep"][0]), []).append(sqnr_db(reference, other))
    values = [value for row in by_timestep.values() for value in row]
    mean = fmean(fmean(row) for row in by_timestep.values())
    return {"mean": mean, "min": min(values), "n": len(values), "unit": "dB"}


def _profiled(place: Runtime, networks: Sequence[Network], bench: Bench, progress: Progress) -> dict[str, Taken]:
    if not networks:
        return {}
    try:
        return _together(place, networks, bench, progress)
    except Exception as error:  # a library's own failure in one file must not take the others along
        if len(networks) == 1:
            return {networks[0].candidate: Taken(reason=_one_line(error, networks[0]), failed=True)}
    by_candidate: dict[str, Taken] = {}
    for network in networks:
        by_candidate |= _profiled(place, [network], bench, progress)
    return by_candidate


def _together(place: Runtime, networks: Sequence[Network], bench: Bench, progress: Progress) -> dict[str, Taken]:
    plain = bench.plain.candidate
    counts = count_networks([bench.plain, *networks], {n.candidate: plain for n in networks})
    settings = replace(bench.settings, runtimes=(place.name,))
    records = measure_host([bench.plain, *networks], counts, settings, bench.seed, bench.store, progress)
    found = {record.candidate: record for record in records}
    return {n.candidate: Taken(found[n.candidate], found[plain]) for n in networks}


def _one_line(error: Exception, network: Network) -> str:
    """The error in one line, without the place of the file on this machine."""
    lines = str(error).strip().splitlines()
    message = lines[0] if lines else type(error).__name__
    return message.replace(f"{network.file}: ", "").replace(
        str(network.file), network.file.name if network.file else ""
    )
