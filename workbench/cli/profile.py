"""``workbench profile``: latency, memory and MACs of any model, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import AsJson, ComponentName, Inputs, Shapes, Source, StoreFolder, shapes_of
from workbench.runtimes.base import DEFAULT, RUNTIMES


def profile(
    source: Source,
    component: ComponentName = None,
    runtime: Annotated[
        list[str] | None,
        typer.Option("--runtime", metavar="NAME", help=f"{', '.join(RUNTIMES)}; default: {DEFAULT}; repeat."),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", metavar="TARGET", help="host (default), adb (all ready devices), adb:NAME; repeat."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Default: the cores this process may use.")
    ] = None,
    iterations: Annotated[int, typer.Option(min=3, max=100_000, help="Least number of timed passes.")] = 30,
    min_seconds: Annotated[float, typer.Option(min=0, max=3600, help="Least time spent on timed passes.")] = 1.0,
    warmup: Annotated[int, typer.Option(min=1, max=1000, help="Least number of passes before them.")] = 5,
    shape: Shapes = None,
    value: Inputs = None,
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Denoising steps of the pipeline's budget.")] = 10,
    guidance_scale: Annotated[
        float, typer.Option(min=1, max=50, help="Above 1: two passes of the denoiser a step.")
    ] = 3.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the inputs.")] = 0,
    ort_library: Annotated[
        Path | None, typer.Option("--ort-library", metavar="FILE", help="The runtime for devices: a .so or an .aar.")
    ] = None,
    provider: Annotated[
        list[str] | None,
        typer.Option("--provider", metavar="NAME[:KEY=VALUE,…]", help="On devices: cpu, xnnpack, nnapi, qnn; repeat."),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=1, max=86_400, help="Longest that a device may take per network, in s.")
    ] = 900.0,
    cool_down: Annotated[float, typer.Option(min=0, max=3600, help="Longest wait for a warm device, in s.")] = 300.0,
    parallel: Annotated[bool, typer.Option("--parallel", help="Several devices at the same time.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder to write to; default profiles/<source>.")
    ] = None,
    store: StoreFolder = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model layer by layer: latency, memory, MACs."""
    from workbench.api.profile import profile as work
    from workbench.sources.shapes import parse_values
    from workbench.verbs.profile import show

    done = work(
        source,
        component=component,
        runtimes=runtime or [DEFAULT],
        targets=target or ["host"],
        shapes=shapes_of(shape),
        values=parse_values(value or ()),
        threads=threads,
        iterations=iterations,
        min_seconds=min_seconds,
        warmup=warmup,
        steps=steps,
        guidance_scale=guidance_scale,
        seed=seed,
        providers=provider or (),
        ort_library=ort_library,
        timeout_s=timeout,
        cool_down_s=cool_down,
        parallel=parallel,
        out=out,
        store=store,
    )
    show(done.outcome, as_json)
