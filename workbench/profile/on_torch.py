"""PyTorch eager, float32, on this machine's CPU: the target ``host-torch``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.export.components import load, wrapper_of
from workbench.models.candidate import Candidate
from workbench.profile.layers import Layers
from workbench.profile.macs import Count
from workbench.profile.runtime import Unit
from workbench.profile.torch_layers import profile_modules

if TYPE_CHECKING:
    import torch


class TorchEager:
    """Runs the candidates whose components are all torch modules."""

    name, target = "torch", "host-torch"

    def __init__(self) -> None:
        from diffusers import AutoencoderKL, UNet2DConditionModel  # noqa: F401  (imports are not part of the first load)
        from transformers import CLIPTextModel  # noqa: F401

    def path(self, candidate: Candidate, component: str, onnx: Mapping[str, Path]) -> Path | None:
        """The component's diffusers folder, or None where some component exists only as ONNX."""
        return None if candidate.leaves_torch else candidate.components[component].path

    def files(self, unit: Unit) -> list[Path]:
        """The weights."""
        return sorted(unit.path.glob("*.safetensors"))

    def load(self, unit: Unit, threads: int) -> Callable[[], object]:
        """The module in evaluation mode; a pass runs under ``inference_mode`` with ``threads`` threads."""
        return _call(load(unit.candidate, unit.component), unit, threads)

    def layers(self, unit: Unit, counted: Count, threads: int, warmup: int, iterations: int) -> Layers:
        """Own time of every module, from hooks."""
        module = load(unit.candidate, unit.component)
        call = _call(module, unit, threads)
        return profile_modules(module, call, counted, warmup, iterations, wrapper_of(unit.component))


def _call(module: torch.nn.Module, unit: Unit, threads: int) -> Callable[[], object]:
    import torch

    inputs = [torch.from_numpy(value) for value in unit.feed.values()]

    def call() -> object:
        before = torch.get_num_threads()
        if before != threads:
            torch.set_num_threads(threads)
        try:
            with torch.inference_mode():
                return module(*inputs)
        finally:
            if before != threads:
                torch.set_num_threads(before)

    return call
