"""``arch:NAME``: a published architecture with random weights, which are made once, in the store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workbench.measure.network import Network
from workbench.models.architectures import SD_VAE, architecture, text_encoder_of
from workbench.models.candidate import COMPONENTS, FOLDERS, Candidate, Component
from workbench.models.folder import STEMS
from workbench.models.random_weights import SEED, empty, write_random
from workbench.sources.candidate import chosen, networks_of
from workbench.sources.request import Request
from workbench.store.depends import depends_on
from workbench.store.files import write_atomic
from workbench.store.store import key_of

_CLASSES = {"unet": "UNet2DConditionModel", "text_encoder": "CLIPTextModel", "vae": "AutoencoderKL"}


def networks(request: Request) -> list[Network]:
    """The U-Net, or the component asked for, in float32; for counting from its config alone."""
    components = chosen(request.component, ("unet",))
    name = request.source.removeprefix("arch:")
    configs = {"unet": architecture(name), "text_encoder": text_encoder_of(name), "vae": SD_VAE}
    parts = {}
    for component in COMPONENTS:
        weighed = component in components and request.needs != "count"
        folder = _folder(request, configs, component if weighed else None)
        parts[component] = Component(component, "torch", folder / FOLDERS[component])
    return networks_of(Candidate(name, "", parts[components[0]].path.parent, parts), components, request)


def _folder(request: Request, configs: dict[str, dict[str, Any]], component: str | None) -> Path:
    """A stored folder like a pipeline's: all configs, and the weights of ``component``."""
    key = key_of(
        {
            "architecture": configs,
            "weights": component,
            "seed": SEED,
            **depends_on(write_random),
        }
    )

    def work(out: Path) -> dict[str, Any]:
        for folder, config in configs.items():
            (out / folder).mkdir(exist_ok=True)
            kind = (
                {"architectures": [_CLASSES[folder]]} if folder == "text_encoder" else {"_class_name": _CLASSES[folder]}
            )
            write_atomic(out / folder / "config.json", json.dumps(kind | config, indent=1))
        if component:
            folder = FOLDERS[component]
            with request.progress("random weights", 1) as tick:
                write_random(empty(folder, configs[folder]), out / folder / f"{STEMS[folder]}.safetensors")
                tick(1)
        return {"weights": component, "seed": SEED}

    request.store.compute(key, work)
    return request.store.folder(key)
