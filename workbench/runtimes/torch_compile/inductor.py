"""``torch.compile`` with Inductor as this project uses it: weights frozen, compiled in the first call, caches apart."""

from __future__ import annotations

import os
import shutil
import sys
import types
import weakref
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import RunError

if TYPE_CHECKING:
    import torch


def missing_compiler() -> str | None:
    """Why kernels can't be built here, as the end of a sentence; None when there is a C++ compiler."""
    compiler = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler):
        return None
    return (
        f"torch.compile builds its kernels with {compiler}, which is not there: "
        "install it (apt-get install g++), or name a C++ compiler in the variable CXX"
    )


def caches_in(folder: Path) -> AbstractContextManager[object]:
    """All of Inductor's caches, in memory and on disk, start with what is in ``folder`` and end up there."""
    from torch._inductor.runtime.cache_dir_utils import temporary_cache_dir

    return temporary_cache_dir(str(folder))


class Compiled:
    """A module through ``torch.compile``: the first call compiles it for the inputs' shapes, later ones run it.

    Frozen: Inductor folds constants and puts weights into the layout of their kernels, which needs inference mode.
    What compiling took in memory is freed with the object.
    """

    def __init__(self, module: torch.nn.Module, cache: Path, label: str) -> None:
        """``cache`` is the folder of Inductor's caches, ``label`` the network's name in messages."""
        import torch

        function = _with_own_code(module)
        self._run: Callable[..., Any] = torch.compile(function, backend="inductor", dynamic=False)
        self.module, self._cache, self._label, self._built = module, cache, label, False
        weakref.finalize(self, _forget, function.__code__)

    def __call__(self, *inputs: torch.Tensor) -> Any:
        """One pass; the first one compiles.

        Raises:
            RunError: the module can't be compiled or run.
        """
        return self._run(*inputs) if self._built else self.compile(inputs, {})[0]

    def compile(
        self, inputs: tuple[torch.Tensor, ...], options: Mapping[str, Any]
    ) -> tuple[Any, list[types.ModuleType]]:
        """The first call, with Inductor's ``options``: what it returned, and the modules of kernels that were written.

        Raises:
            RunError: the module can't be compiled or run.
        """
        import torch._inductor.config as inductor
        from torch._inductor.codecache import PyCodeCache

        try:
            with caches_in(self._cache), inductor.patch({"freezing": True, **options}):
                outputs = self._run(*inputs)
                modules = list(PyCodeCache.modules)
        except Exception as error:
            raise RunError(f"{self._label}: torch.compile failed: {_reason(error)}") from error
        for module in modules:
            # They hold the frozen weights, and would hold them until the process ends.
            sys.modules.pop(module.__name__, None)
        self._built = True
        return outputs, modules


def _with_own_code(module: torch.nn.Module) -> types.FunctionType:
    """A function that runs ``module``, with a code object that no other function has.

    Dynamo keeps what it compiled on the code object. With a shared one, networks would wait for each other's guards in
    every call, and from the ninth on they would run uncompiled.
    """

    def run(*inputs: Any) -> Any:
        return module(*inputs)

    return types.FunctionType(run.__code__.replace(), run.__globals__, run.__name__, None, run.__closure__)


def _forget(code: types.CodeType) -> None:
    from torch._dynamo.eval_frame import remove_from_cache

    remove_from_cache(code)


def _reason(error: Exception) -> str:
    """The line of an error that says what was wrong: a C++ compiler's own one, else the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return next((line for line in lines if "error:" in line), lines[0])
