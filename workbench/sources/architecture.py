"""``arch:NAME``: a published architecture with random weights, which are made once, in the store."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.measure.network import Network
from workbench.models.architectures import SD_VAE, architecture, text_encoder_of
from workbench.models.candidate import COMPONENTS, FOLDERS, Candidate, Component
from workbench.models.folder import STEMS
from workbench.sources.candidate import chosen, networks_of
from workbench.sources.request import Request
from workbench.store.files import write_atomic
from workbench.store.store import code_hash, key_of, library_versions

if TYPE_CHECKING:
    import torch

_SEED = 0
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
            "seed": _SEED,
            "code": code_hash([__name__]),
            "libraries": library_versions(("torch", "diffusers", "transformers")) if component else {},
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
                write_random(_empty(folder, configs[folder]), out / folder / f"{STEMS[folder]}.safetensors")
                tick(1)
        return {"weights": component, "seed": _SEED}

    request.store.compute(key, work)
    return request.store.folder(key)


def _empty(folder: str, config: dict[str, Any]) -> torch.nn.Module:
    """The component on the meta device: shapes without memory."""
    import torch

    made: torch.nn.Module
    with torch.device("meta"):
        if folder == "unet":
            from diffusers import UNet2DConditionModel

            made = UNet2DConditionModel(**config)
        elif folder == "vae":
            from diffusers import AutoencoderKL

            made = AutoencoderKL(**config)
        else:
            from transformers import CLIPTextConfig, CLIPTextModel

            made = CLIPTextModel(CLIPTextConfig(**config))
    return made


def write_random(module: torch.nn.Module, file: Path) -> None:
    """Writes the parameters of a module on the meta device, each as its layer's ``reset_parameters`` makes it.

    Layer by layer, so that it takes the memory of the largest one and not of all. The format is safetensors
    (https://huggingface.co/docs/safetensors): length of the header, header in JSON, float32 values.
    """
    import torch

    header, end = {}, 0
    parts = {
        name: part for name, part in module.named_modules() if next(part.parameters(recurse=False), None) is not None
    }
    for name, part in parts.items():
        for own, value in part.named_parameters(recurse=False):
            begin, end = end, end + 4 * value.numel()
            header[f"{name}.{own}"] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [begin, end]}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    text += b" " * (-len(text) % 8)
    with torch.random.fork_rng(devices=[]), file.open("wb") as out:
        torch.manual_seed(_SEED)
        out.write(struct.pack("<Q", len(text)) + text)
        for part in parts.values():
            part.to_empty(device="cpu", recurse=False)
            reset: Any = part.reset_parameters
            reset()
            for value in part.parameters(recurse=False):
                value.detach().numpy().tofile(out)
            part.to("meta")
