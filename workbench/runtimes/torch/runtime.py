"""PyTorch eager, float32, on this machine's CPU: the target ``host-torch``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from workbench.measure.counts import Count
from workbench.measure.layers import Layers
from workbench.measure.network import Network, TorchForm
from workbench.runtimes.descriptor import Descriptor, Feed
from workbench.runtimes.torch.form import build
from workbench.runtimes.torch.layers import profile_modules


class TorchEager:
    """Runs networks that exist as torch modules."""

    loaded_per_file_byte: ClassVar[float] = 2.0
    settings: ClassVar[Mapping[str, Any]] = {"mode": "eager, inference_mode, float32"}

    def __init__(self, descriptor: Descriptor) -> None:
        self.name, self.target = descriptor.name, descriptor.target
        from diffusers import AutoencoderKL, UNet2DConditionModel  # noqa: F401  (imports are not part of the first load)
        from transformers import CLIPTextModel  # noqa: F401

    def refuses(self, network: Network) -> str | None:
        """Everything that exists only as a file of another runtime."""
        return None if network.torch else "there is no torch module of it"

    def files(self, network: Network) -> list[Path]:
        """The weights; none for a factory's module, which makes them itself."""
        return weights(form_of(network))

    def load(self, network: Network, threads: int) -> Callable[[], object]:
        """The module in evaluation mode; a pass runs under ``inference_mode`` with ``threads`` threads."""
        return one_pass(build(form_of(network))[0], network.feed, threads)

    def layers(self, network: Network, counted: Count, threads: int, warmup: int, iterations: int) -> Layers:
        """Own time of every module, from hooks."""
        module, wrapper = build(form_of(network))
        return profile_modules(module, one_pass(module, network.feed, threads), counted, warmup, iterations, wrapper)


def form_of(network: Network) -> TorchForm:
    """How to build the network; only for networks that aren't refused."""
    assert network.torch is not None, "refuses() was not asked"
    return network.torch


def weights(form: TorchForm) -> list[Path]:
    """The weight files that building reads."""
    return sorted(Path(form.where).glob("*.safetensors")) if form.kind == "folder" else []


def one_pass(module: Callable[..., object], feed: Feed, threads: int) -> Callable[[], object]:
    """A function that runs ``module`` on the inputs with ``threads`` threads, and puts their number back."""
    import torch

    inputs = [torch.from_numpy(value) for value in feed.values()]

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
