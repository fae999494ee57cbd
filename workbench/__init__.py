"""workbench: makes a diffusion model small, profiles it layer by layer, and says which configuration to ship.

``import workbench as wb`` offers what ``__all__`` names, loaded when it is first used.
"""

import importlib
import os
import sys
import types
from typing import TYPE_CHECKING, Any

from workbench.log_filters import silence

if TYPE_CHECKING:
    from workbench.api import InputError, Profile, Run, RunError, check, load, profile, run  # type: ignore[no-redef]

__all__ = ["InputError", "Profile", "Run", "RunError", "check", "load", "profile", "run"]
"""The stable names; everything else may change with any version."""
__version__ = "0.1.0"

# Before any library that reports usage is loaded: nothing leaves this machine.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("NNCF_CI", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# Importing openvino (nncf does) reports that import and leaves files in the home folder, and no variable stops it
# outside CI. Where this package of Intel's can't be imported, both take stubs of their own that do nothing.
sys.modules.setdefault("openvino_telemetry", types.ModuleType("openvino_telemetry"))
silence()


class _Callable(types.ModuleType):
    """A hall of the name of a function: ``workbench.run`` holds modules and is ``wb.run`` as well."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return _offered(self.__name__.rpartition(".")[2])(*arguments, **named)

    @property
    def __signature__(self) -> Any:
        import inspect

        return inspect.signature(_offered(self.__name__.rpartition(".")[2]))


class _Front(types.ModuleType):
    """This package: makes halls callable when they are imported, which sets them as attributes here."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in __all__ and isinstance(value, types.ModuleType):
            value.__class__ = _Callable
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)
        return _offered(name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


def _offered(name: str) -> Any:
    return getattr(importlib.import_module("workbench.api"), name)


sys.modules[__name__].__class__ = _Front
