"""``arch:NAME``: a published architecture with random weights, created once, in the store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workbench.measure.network import Network
from workbench.models.candidate import pipeline_candidate
from workbench.models.families import INDEX, architecture
from workbench.models.families.base import Config, Family
from workbench.models.random_weights import SEED, write_random
from workbench.sources.candidate import chosen, networks_of
from workbench.sources.request import DENOISER, Request
from workbench.store.depends import depends_on
from workbench.store.files import write_atomic
from workbench.store.store import key_of


def networks(request: Request) -> list[Network]:
    """The denoiser, or the requested component, in float32; for counting from its config alone."""
    name = request.source.removeprefix("arch:")
    family, configs = architecture(name)
    components = chosen(request.component or DENOISER, family)
    folder = _folder(request, family, configs, None if request.needs == "count" else components[0])
    return networks_of(pipeline_candidate(name, "", folder), components, request)


def _folder(request: Request, family: Family, configs: dict[str, Config], component: str | None) -> Path:
    """A stored folder like a pipeline's: all configs, and the weights of ``component``."""
    key = key_of({"architecture": configs, "weights": component, "seed": SEED, **depends_on(write_random)})

    def work(out: Path) -> dict[str, Any]:
        index = {part.folder: [part.library, part.cls] for part in family.parts}
        write_atomic(out / INDEX, json.dumps(index, indent=1))
        for part in family.parts:
            (out / part.folder).mkdir(exist_ok=True)
            write_atomic(out / part.folder / "config.json", json.dumps(part.described(configs[part.name]), indent=1))
        if component:
            part = family.part(component)
            with request.progress("random weights", 1) as tick:
                write_random(part.empty(configs[component]), out / part.folder / f"{part.stem}.safetensors")
                tick(1)
        return {"weights": component, "seed": SEED}

    request.store.compute(key, work)
    return request.store.folder(key)
