"""``workbench count``: how large a model is, without its weights."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.options import AsJson, ComponentName, Inputs, Shapes, Source, StoreFolder, shapes_of


def count(
    source: Source,
    component: ComponentName = None,
    shape: Shapes = None,
    value: Inputs = None,
    layers: Annotated[bool, typer.Option("--layers", help="Print every layer (JSON has them anyway).")] = False,
    store: StoreFolder = None,
    as_json: AsJson = False,
) -> None:
    """Count parameters and multiply-accumulates.

    Needs no weights and runs nothing.
    """
    import json

    from workbench.sources.request import Request
    from workbench.sources.shapes import parse_values
    from workbench.store.store import Store
    from workbench.verbs import count as work

    request = Request(source, Store(store), component, shapes_of(shape), parse_values(value or ()))
    counted = work.count_source(request)
    if as_json:
        print(json.dumps(work.as_json(source, counted), indent=1))
    else:
        work.show(counted, layers)
