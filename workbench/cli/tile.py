"""``workbench tile``: what a small scratchpad makes of a network's attentions, and the attentions cut into tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import AsJson, Shapes, Source, StoreFolder, shapes_of


def tile(
    source: Source,
    sram: Annotated[str, typer.Option(metavar="SIZE", help="Scratchpad, such as 6MB or 6MiB.")] = "6MB",
    dtype: Annotated[str, typer.Option(metavar="TYPE", help="fp32, fp16, bf16, int16 or int8 on that machine.")] = (
        "fp16"
    ),
    side: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Latents of N×N instead of the model's own.")
    ] = None,
    shape: Shapes = None,
    bandwidth: Annotated[
        str | None, typer.Option(metavar="RATE", help="Of the memory, such as 50GB/s; default: fitted.")
    ] = None,
    macs_per_s: Annotated[
        str | None, typer.Option(metavar="RATE", help="Multiply-accumulates, such as 3.3T; default: published.")
    ] = None,
    vector_ops_per_s: Annotated[
        str | None, typer.Option(metavar="RATE", help="Elements of a softmax, such as 47G; default: fitted.")
    ] = None,
    tiles: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Tiles of all heads, of the largest attention; default: head by head, the fewest that fit.",
            show_default=False,
        ),
    ] = None,
    write: Annotated[
        Path | None, typer.Option(metavar="FILE.onnx", help="Write the ONNX model with its attentions in tiles.")
    ] = None,
    store: StoreFolder = None,
    as_json: AsJson = False,
) -> None:
    """Model attention on an accelerator with a small scratchpad.

    Traffic and time of score matrices un-tiled, in tiles of rows, and fused: modelled, not measured. With --write the
    tiles that are modelled are made, in an ONNX file that computes the same.
    """
    import json

    from workbench.sources.request import Request
    from workbench.store.store import Store
    from workbench.tile.machine import parse_rate, parse_size
    from workbench.tile.paper import machine
    from workbench.verbs.tile import tile as work
    from workbench.verbs.tile.show import as_json as described
    from workbench.verbs.tile.show import show

    rates = [
        None if text is None else parse_rate(text, option, unit)
        for text, option, unit in (
            (bandwidth, "--bandwidth", "B"),
            (macs_per_s, "--macs-per-s", ""),
            (vector_ops_per_s, "--vector-ops-per-s", ""),
        )
    ]
    request = Request(source, Store(store), shapes=shapes_of(shape))
    settings = work.TileSettings(request, machine(parse_size(sram), *rates), dtype, side, tiles)
    result = work.tile_source(settings, write)
    if as_json:
        print(json.dumps(described(result), indent=1))
    else:
        show(result)
