"""``workbench npu``: what of a source a Qualcomm NPU takes, component by component."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench.errors import RunError
from workbench.npu.extra import required
from workbench.npu.trace import Compiled

if TYPE_CHECKING:
    from workbench.measure.network import Network
    from workbench.npu.compile import Target
    from workbench.npu.quality import Quality
    from workbench.sources.request import Request


@dataclass(frozen=True)
class Component:
    """A network, and what came of it: ``compiled``, or why not; ``quality`` where that was asked for.

    ``reference``: what its results were compared with besides the CPU's; None: nothing, or it wasn't asked for.
    """

    network: Network
    compiled: Compiled | None = None
    failure: str | None = None
    quality: Quality | None = None
    reference: str | None = None


@dataclass(frozen=True)
class Asked:
    """That results are compared: how many passes of a denoiser, and the prompt of the picture that they are from."""

    passes: int
    prompt: str


@dataclass(frozen=True)
class NpuReport:
    """All components of a source on a chip, as compiled by that ``version`` of the compiler."""

    source: str
    target: Target
    version: str
    components: Sequence[Component]

    def check(self) -> None:
        """Raises RunError where a component couldn't be compiled."""
        failed = [f"{c.network.label}: {c.failure}" for c in self.components if c.failure]
        if failed:
            raise RunError("\n".join(failed))


def npu(request: Request, target: Target, asked: Asked | None = None) -> NpuReport:
    """Compiles the components of a source for a chip, each in a process of its own; a failure ends only its own part.

    ``asked``: runs them on the simulated NPU as well.

    Raises:
        InputError: the compiler isn't installed, there is no such source, or a component can't be compiled as it is.
        RunError: an export failed.
    """
    from workbench.graphs.quiet import quiet as silenced
    from workbench.npu.compile import check_networks
    from workbench.sources import resolve

    there = required()
    with request.store.lock():
        with silenced():
            networks = resolve(replace(request, needs="onnx"))
        check_networks(networks)
        components = []
        with request.progress(f"compile for {target.soc.name}", len(networks)) as tick:
            for done, network in enumerate(networks, 1):
                components.append(_component(network, target, request, asked))
                tick(done, network.label)
    return NpuReport(request.source, target, there, components)


def _component(network: Network, target: Target, request: Request, asked: Asked | None) -> Component:
    from workbench.npu.compile import compile_network
    from workbench.npu.quality import quality
    from workbench.verbs.npu.inputs import inputs_of, reference_of

    compiled = None
    try:
        compiled = compile_network(network, target, request.store)
        if asked is None:
            return Component(network, compiled)
        reference = reference_of(network, request)
        inputs = inputs_of(network, reference, asked.passes, asked.prompt, request)
        found = quality(network, inputs, target, request.store, request.progress)
        return Component(network, compiled, quality=found, reference=reference.label if reference else None)
    except RunError as error:
        return Component(network, compiled, str(error))
