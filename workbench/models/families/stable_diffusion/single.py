"""The networks of a single-file checkpoint: what a config asks of the file, and which published one fits it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.models.families.stable_diffusion import ldm
from workbench.models.families.stable_diffusion.architectures import ARCHITECTURES
from workbench.models.families.stable_diffusion.configs import KLConfig, TextConfig, UNetConfig
from workbench.models.weights import Shape

Config = dict[str, Any]


def asked(component: str, config: Config, names: Mapping[str, Shape]) -> dict[str, Shape]:
    """Names in the file and shapes of the tensors that a component's config asks for. ``names``: the file's."""
    if component == "unet":
        unet = UNetConfig.model_validate(config)
        return ldm.unet_tensors(unet.tensors(), unet.each(unet.layers_per_block)[0])
    if component == "vae_decoder":
        vae = KLConfig.model_validate(config)
        return ldm.vae_tensors(vae.tensors(), len(vae.block_out_channels))
    kind = next((kind for kind in ldm.TEXTS if any(name.startswith(kind) for name in names)), ldm.CLIP)
    return ldm.TEXTS[kind](TextConfig.model_validate(config).tensors())


def fitting(component: str, names: Mapping[str, Shape]) -> tuple[str, Config]:
    """The published architecture that fits a file best, with its config of a component. ``names``: the file's."""

    def misfit(name: str) -> tuple[int, int]:
        expected = asked(component, ARCHITECTURES[name][component], names)
        return sum(names.get(tensor) != shape for tensor, shape in expected.items()), -len(expected)

    best = min(ARCHITECTURES, key=misfit)
    return best, ARCHITECTURES[best][component]
