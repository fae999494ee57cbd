"""``workbench npu``: what of a model an NPU takes, without a phone."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.options import AsJson, ComponentName, Inputs, Shapes, Source, StoreFolder, shapes_of
from workbench.npu.socs import DEFAULT


def npu(
    source: Source,
    soc: Annotated[
        str, typer.Option("--soc", metavar="NAME", help="The chip, such as SM8650; an unknown one lists all.")
    ] = DEFAULT,
    component: ComponentName = None,
    shape: Shapes = None,
    value: Inputs = None,
    mode: Annotated[
        int, typer.Option("--mode", min=1, max=3, help="Of the graph's finalization: 1 is fast, 3 thorough.")
    ] = 2,
    sqnr: Annotated[
        bool, typer.Option("--sqnr", help="Run it on the simulated NPU too, beside ONNX Runtime's CPU; minutes.")
    ] = False,
    passes: Annotated[int, typer.Option(min=1, max=100, help="Of a denoiser, spread over a picture's timesteps.")] = 3,
    prompt: Annotated[str, typer.Option("--prompt", metavar="TEXT", help="Of that picture.")] = "a red apple",
    seed: Annotated[int, typer.Option(min=0, help="Of its noise, and of other inputs.")] = 0,
    timeout: Annotated[
        float, typer.Option(min=1, max=86_400, help="Longest that one component may take, in s.")
    ] = 1800.0,
    store: StoreFolder = None,
    as_json: AsJson = False,
) -> None:
    """Compile for a Qualcomm NPU: partitions, nodes off it, why, and what would mend them.

    Needs no phone and times nothing; needs the extra qnn.
    """
    import json

    from workbench.npu.compile import Target
    from workbench.npu.socs import soc as known
    from workbench.progress import visible
    from workbench.sources.request import Request
    from workbench.sources.shapes import parse_values
    from workbench.store.store import Store
    from workbench.verbs.npu import show
    from workbench.verbs.npu.npu import Asked
    from workbench.verbs.npu.npu import npu as work

    target = Target(known(soc), mode, timeout)
    values = parse_values(value or ())
    request = Request(source, Store(store), component, shapes_of(shape), values, seed, progress=visible)
    report = work(request, target, Asked(passes, prompt) if sqnr else None)
    if as_json:
        print(json.dumps(show.as_json(report), indent=1))
    else:
        show.show(report)
    report.check()
