"""``module:function``: a user's Python function that makes a torch module, called and checked; or a module that is
there, for as long as it is lent (``live``)."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import sysconfig
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import torch

_FORM = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_RETURNS = "return a torch.nn.Module and its inputs: (module, {'x': tensor}), or the module alone with --shape"


@dataclass(frozen=True)
class Made:
    """What a factory returned.

    ``inputs`` are empty when it gave the module alone; ``by_keyword`` says that their names are ``forward``'s keywords,
    else they go in by position. ``place``, of a module that is lent: the folder for its export, which isn't kept, since
    its code may lie in no file that would tell it from another's.
    """

    module: torch.nn.Module
    inputs: Mapping[str, torch.Tensor]
    by_keyword: bool
    place: Path | None = None


_LIVE: dict[str, Made] = {}


def is_factory(source: str) -> bool:
    """Whether ``source`` has the form ``module:function``."""
    return _FORM.fullmatch(source) is not None


@contextmanager
def live(module: torch.nn.Module, inputs: Any) -> Iterator[str]:
    """Lends a module of this process: what to call it as a source meanwhile. It is in evaluation mode then.

    Args:
        inputs: a tensor, a list of them by position, or a mapping by the names of ``forward``.

    Raises:
        InputError: the module doesn't take such inputs.
    """
    where = f"live:{type(module).__name__}"
    training = {inner for inner in module.modules() if inner.training}
    taken, by_keyword = _inputs(where, module, inputs), isinstance(inputs, Mapping)
    with tempfile.TemporaryDirectory() as place:
        _LIVE[where] = Made(module.eval(), taken, by_keyword, Path(place))
        try:
            yield where
        finally:
            del _LIVE[where]
            for inner in training:
                inner.training = True


def is_live(where: str) -> bool:
    """Whether a source is a module that is lent: no other process has it."""
    return where in _LIVE


def call_factory(where: str, meta: bool = False) -> Made:
    """Imports the module (from the current folder too), calls the function, and checks what it returns.

    Random weights come from seed 0, so two processes get the same ones. The module is set to evaluation mode.

    Args:
        where: ``module:function``.
        meta: make it on torch's meta device where the function can be run so: no memory is taken. What is lent stays
            where it is.

    Raises:
        InputError: there is no such module or function, it raises, or it returns something else.
    """
    import torch

    if where in _LIVE:
        return _LIVE[where]
    function = _function(where)
    for device in ("meta", "cpu") if meta else ("cpu",):
        try:
            with torch.random.fork_rng(devices=[]), torch.device(device):
                torch.manual_seed(0)
                returned = function()
            break
        except Exception as error:
            if device == "cpu":  # what fails on the meta device only, such as reading a value, is tried again
                raise InputError(f"{where}: the function raised {reason(error)}") from None
    module, inputs = returned if isinstance(returned, tuple | list) and len(returned) == 2 else (returned, {})
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"{where}: returned {_described(returned)}", hint=_RETURNS)
    by_keyword = isinstance(inputs, Mapping)
    return Made(module.eval().requires_grad_(False), _inputs(where, module, inputs), by_keyword and bool(inputs))


def parameters_of(module: torch.nn.Module) -> list[inspect.Parameter]:
    """What the module's ``forward`` takes, in order; ``*args`` and ``**kwargs`` aren't among them."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p for p in inspect.signature(module.forward).parameters.values() if p.kind not in kinds]


def is_users(file: str) -> bool:
    """Whether a source file is the user's: not Python's own, not an installed package's, not this package's."""
    ours = Path(__file__).parents[1]
    return "site-packages" not in file and not any(
        Path(file).is_relative_to(folder) for folder in (sysconfig.get_path("stdlib"), ours)
    )


def _function(where: str) -> Callable[[], Any]:
    module_name, _, name = where.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise InputError(f"{where}: importing {module_name} raised {reason(error)}") from None
        raise InputError(
            f"{where}: there is no Python module {error.name}",
            hint="looked in the current folder and what is installed",
        ) from None
    except Exception as error:
        raise InputError(f"{where}: importing {module_name} raised {reason(error)}") from None
    function = getattr(module, name, None)
    if not callable(function):
        functions = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        raise InputError(f"{where}: {module_name} has no function {name}{did_you_mean(name, functions)}")
    made: Callable[[], Any] = function
    return made


def _inputs(where: str, module: torch.nn.Module, given: Any) -> dict[str, torch.Tensor]:
    """The inputs by name, in the order in which they go in."""
    import torch

    if isinstance(given, torch.Tensor):
        given = (given,)
    if not isinstance(given, Mapping | tuple | list):
        raise InputError(f"{where}: returned {_described(given)} as inputs", hint=_RETURNS)
    takes = [p.name for p in parameters_of(module)]
    if not isinstance(given, Mapping):
        names = [*takes, *(f"input_{i}" for i in range(len(takes), len(given)))]
        given = dict(zip(names, given, strict=False))
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise InputError(f"{where}: input {name!r} is {_described(value)}; needs a torch.Tensor")
    any_name = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(module.forward).parameters.values())
    strange = [] if any_name else [name for name in given if name not in takes and not name.startswith("input_")]
    if strange:
        raise InputError(
            f"{where}: {type(module).__name__}.forward takes {', '.join(takes)}; found an input {strange[0]}"
        )
    return dict(given)


def reason(error: BaseException) -> str:
    """The exception's type and first line, and where it came from: the last place that isn't an installed package's."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__ and f.filename[:1] != "<"]
    users = [f for f in frames if is_users(f.filename)]
    file, line = ((users or frames)[-1].filename, (users or frames)[-1].lineno) if frames else (None, None)
    if isinstance(error, SyntaxError) and error.filename:
        file, line = error.filename, error.lineno
    text = str(error).strip().splitlines()
    message = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
    return f"{message}\n  at {_short(file)}:{line}" if file else message


def _short(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def _described(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)} ({', '.join(type(v).__name__ for v in value[:4])})"
    return "nothing (None)" if value is None else f"a {type(value).__name__}"
