"""``torch.compile`` (Inductor, frozen weights, float32) on this machine's CPU: the target ``host-torch-compile``."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from workbench.measure.counts import Count
from workbench.measure.layers import Layers
from workbench.measure.network import Network
from workbench.runtimes.descriptor import Descriptor
from workbench.runtimes.torch.form import build
from workbench.runtimes.torch.runtime import form_of, one_pass, weights
from workbench.runtimes.torch_compile.inductor import Compiled, caches_in, missing_compiler
from workbench.runtimes.torch_compile.layers import profile_compiled

CACHE = "WORKBENCH_COMPILE_CACHE"
"""Variable that names the folder of compiled kernels. Unset, there is a new one for each process and its children."""


class TorchCompile:
    """Runs networks that exist as torch modules, compiled in the first call.

    Each network has a folder of its own for what the compiler keeps, empty at the beginning: its first call builds all
    kernels (cold), unless the folder was named by ``$WORKBENCH_COMPILE_CACHE`` and holds them already (warm).
    """

    loaded_per_file_byte: ClassVar[float] = 30.0  # MKL packs each linear layer into some 8 MB, however small it is
    settings: ClassVar[Mapping[str, Any]] = {"mode": "inductor with freezing, inference_mode, float32"}

    def __init__(self, descriptor: Descriptor) -> None:
        self.name, self.target = descriptor.name, descriptor.target
        import torch._inductor.compile_fx  # noqa: F401  (imports are not part of the first load)
        from diffusers import AutoencoderKL, UNet2DConditionModel  # noqa: F401
        from transformers import CLIPTextModel  # noqa: F401

        self._caches = _caches()
        self._missing = missing_compiler()
        if self._missing is None:
            from torch._inductor.cpu_vec_isa import pick_vec_isa

            with caches_in(self._caches / "machine"):
                # Builds trial programs once per process: no network's first call should pay for it.
                pick_vec_isa()

    def refuses(self, network: Network) -> str | None:
        """What exists only as a file of another runtime; everything, where there is no C++ compiler."""
        return self._missing if network.torch else "there is no torch module of it"

    def files(self, network: Network) -> list[Path]:
        """The weights; none for a factory's module, which makes them itself."""
        return weights(form_of(network))

    def cache(self, network: Network) -> Path:
        """The folder of what the compiler keeps of this network."""
        return self._caches / hashlib.sha256("\n".join(network.identity).encode()).hexdigest()[:16]

    def first_call(self, network: Network) -> str:
        """``cold`` while a first call of the network has all its kernels to build, ``warm`` when it finds some."""
        return "warm" if any(self.cache(network).rglob("*.so")) else "cold"

    def load(self, network: Network, threads: int) -> Callable[[], object]:
        """The module in evaluation mode; the first pass compiles it, for these threads and the inputs' shapes.

        Raises:
            RunError: from the first pass, when the module can't be compiled.
        """
        module = build(form_of(network))[0]
        return one_pass(Compiled(module, self.cache(network), network.label), network.feed, threads)

    def layers(self, network: Network, counted: Count, threads: int, warmup: int, iterations: int) -> Layers:
        """Times of Inductor's kernels, by module; compiles once more, with the kernels that are in the cache."""
        module, wrapper = build(form_of(network))
        compiled = Compiled(module, self.cache(network), network.label)
        return profile_compiled(
            compiled, lambda run: one_pass(run, network.feed, threads), counted, warmup, iterations, wrapper
        )


def _caches() -> Path:
    if CACHE not in os.environ:
        folder = tempfile.mkdtemp(prefix="workbench-kernels-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        # The memory probe, a process of its own, needn't build everything again.
        os.environ[CACHE] = folder
    return Path(os.environ[CACHE])
