"""What a network is given on the simulated NPU: a denoiser what it sees while it draws, others seeded inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.models import guidance
from workbench.npu.quality import Input

if TYPE_CHECKING:
    import numpy as np

    from workbench.measure.network import Network
    from workbench.sources.request import Request

Feed = Mapping[str, "np.ndarray"]
STEPS, FEW = 10, 4
"""Denoising steps of the picture that is drawn; of a student of few steps."""
GUIDANCE_SCALE = 3.0


def reference_of(network: Network, request: Request) -> Network | None:
    """The same component in float: of a run's candidate the nearest of those that it was made from; itself where it is
    in float. None: nobody knows one."""
    from workbench.models.record import candidate_of, is_run, read_record
    from workbench.sources import resolve

    if network.scheme == "fp32":
        return network
    if network.family is None or not is_run(request.store, request.source):
        return None
    candidate = candidate_of(request.store, request.source)
    run = request.source.partition("/")[0]
    there = {each.name: each for each in read_record(request.store, run).candidates}
    while candidate.components[network.component].kind != "torch":
        if candidate.parent not in there:
            return None
        candidate = there[candidate.parent]
    asked = replace(request, source=f"{run}/{candidate.name}", component=network.component, needs="onnx")
    (found,) = resolve(asked)
    return found


def inputs_of(network: Network, reference: Network | None, count: int, prompt: str, request: Request) -> list[Input]:
    """``count`` inputs of a denoiser, spread over the timesteps of a picture of ``prompt`` that the reference draws, or
    the network itself where there is none; of another network one, seeded."""
    if network.family is None or network.component != network.family.denoiser.name:
        feeds: Mapping[str, Feed] = {"seeded": network.feed}
    else:
        feeds = _drawn(network, reference or network, count, prompt, request)
    run = None if reference is None else _session(reference)
    return [Input(label, feed, None if run is None else run.run(None, dict(feed))[0]) for label, feed in feeds.items()]


def _drawn(network: Network, drawing: Network, count: int, prompt: str, request: Request) -> dict[str, Feed]:
    from workbench.compress.quantize.calibration.trajectory import Trajectory
    from workbench.sources import resolve

    assert network.family is not None and network.source is not None
    (encoder,) = resolve(
        replace(request, component=network.family.prompt_encoder.name, needs="onnx", shapes={}, values={})
    )
    few = network.feed.get(guidance.INPUT)
    steps, width = (STEPS, None) if few is None else (FEW, few.shape[1])
    whole = Trajectory(network.source, encoder.path, steps, GUIDANCE_SCALE, unconditional=False, guidance_width=width)
    kept = _spread(whole.kept(), count)
    on_cpu = _session(drawing)
    walked = replace(whole, timesteps=[round(t) for t in kept]).walk(
        [prompt], request.seed, lambda feed, _: on_cpu.run(None, feed)[0]
    )
    shapes = {name: value.shape for name, value in network.feed.items()}
    feeds: dict[str, Feed] = {f"timestep {t:g}": feed for t, feed in zip(kept, walked, strict=True)}
    for feed in feeds.values():
        if {name: value.shape for name, value in feed.items()} != shapes:
            raise InputError(f"--sqnr: {network.label} isn't given what it is drawn with; leave --shape out")
    return feeds


def _spread(times: Sequence[float], count: int) -> list[float]:
    """So many of them, the first and the last among them."""
    last = len(times) - 1
    places = sorted({round(i * last / max(count - 1, 1)) for i in range(count)})
    return [times[place] for place in places]


def _session(network: Network) -> Any:
    from workbench.runtimes.load import runner

    return runner(network.path)
