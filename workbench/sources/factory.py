"""``module:function``: a torch module created by the user's Python code."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import InputError, RunError, WorkbenchError
from workbench.measure.network import MODEL, Network, TorchForm
from workbench.models.factory import Made, call_factory, is_users, parameters_of, reason
from workbench.sources.request import Request
from workbench.sources.shapes import check_names, written

if TYPE_CHECKING:
    import numpy as np
    import torch

_LEAST_DB = {"torch.float16": 30.0, "torch.bfloat16": 20.0}
"""Minimum agreement of an export by the module's type: with rounding alone half precision has about 60 dB."""
_LEAST_FULL_DB = 60.0


def networks(request: Request) -> list[Network]:
    """The network; its inputs are the factory's, or seeded where shapes are given."""
    request.refuse_component()
    made = call_factory(request.source, meta=request.needs == "count")
    feed = _feed(made, request)
    if request.needs != "count":
        _try(made, feed, request.source)
    form = TorchForm("factory", request.source, MODEL)
    file = _exported(made, form, feed, request) if request.needs == "onnx" else None
    return [Network(request.source.rpartition(":")[2], MODEL, _scheme(made.module), feed, file, form)]


def _feed(made: Made, request: Request) -> dict[str, np.ndarray]:
    import numpy as np

    parameters = parameters_of(made.module)
    names = list(made.inputs) or [p.name for p in parameters]
    check_names([*request.shapes, *request.values], names, request.source)
    if not made.inputs:
        needed = [p.name for p in parameters if p.default is p.empty]
        if not request.shapes or [n for n in needed if n not in request.shapes]:
            listed = " ".join(f"--shape {name}=…" for name in needed) or "--shape NAME=…"
            raise InputError(
                f"{request.source}: returned a module without inputs, and {type(made.module).__name__}.forward takes "
                f"{', '.join(p.name for p in parameters)}; needs {listed}"
            )
        names = names[: len(request.shapes)]
        if gaps := [name for name in names if name not in request.shapes]:
            raise InputError(f"{request.source}: inputs go in by position, so {gaps[0]} needs a --shape too")
    rng = np.random.default_rng(request.seed)
    feed = {}
    for name in names:
        feed[name] = _value(name, made.inputs.get(name), request.shapes.get(name), rng, request.source)
        if name in request.values:
            feed[name] = np.full_like(feed[name], request.values[name])
    return feed


def _value(
    name: str, example: torch.Tensor | None, shape: tuple[int, ...] | None, rng: np.random.Generator, source: str
) -> np.ndarray:
    import numpy as np
    import torch

    if example is None:
        return rng.standard_normal(shape or (), dtype=np.float32)
    if example.dtype is torch.bfloat16 or example.is_complex() or example.is_sparse or example.is_quantized:
        raise InputError(f"{source}: input {name} is {example.dtype}; needs plain floats, integers or booleans")
    kind = torch.empty(0, dtype=example.dtype).numpy().dtype
    if shape is None and example.device.type != "meta":
        return np.ascontiguousarray(example.detach().cpu().numpy())
    sides = tuple(example.shape) if shape is None else shape
    if np.issubdtype(kind, np.floating):
        return np.asarray(rng.standard_normal(sides)).astype(kind)
    if example.device.type == "meta" or not example.numel():
        return np.zeros(sides, kind)
    # Other integers than the factory's can be out of range, for example as indices into a table.
    return rng.choice(example.detach().cpu().numpy().ravel(), sides).astype(kind)


def _try(made: Made, feed: dict[str, np.ndarray], source: str) -> None:
    """One pass, so that unsuitable inputs are reported as such."""
    import torch

    inputs = {name: torch.from_numpy(value) for name, value in feed.items()}
    try:
        with torch.inference_mode():
            if made.by_keyword:
                made.module(**inputs)
            else:
                made.module(*inputs.values())
    except Exception as error:
        shapes = ", ".join(f"{name} {written(value.shape)}" for name, value in feed.items())
        raise InputError(f"{source}: the module can't take {shapes}: {reason(error)}") from None


def _exported(made: Made, form: TorchForm, feed: dict[str, np.ndarray], request: Request) -> Path:
    from workbench.export.onnx import export_module
    from workbench.export.stored import stored_module_export
    from workbench.runtimes.torch.form import positional

    names = list(made.inputs) if made.by_keyword else None
    least_db = _LEAST_DB.get(_type(made.module), _LEAST_FULL_DB)
    made_of = {"factory": form.where, "code": _code(), "weights": _weights(made.module)}

    def make() -> torch.nn.Module:
        return positional(made.module, names)

    with request.progress("export to ONNX", 1) as tick:
        try:
            if made.place:
                export_module(make, feed, None, made.place, "net", least_db)
                path = made.place / "model.onnx"
            else:
                path = stored_module_export(make, feed, made_of, request.store, "net", least_db)
        except WorkbenchError:
            raise
        except Exception as error:  # torch.export can raise anything on the user's code
            root: BaseException = error
            while root.__cause__ is not None:
                root = root.__cause__
            raise RunError(
                f"{form.where}: PyTorch can't export it to ONNX: {reason(root)}",
                hint="--runtime torch runs it as it is",
            ) from error
        tick(1)
    return path


def _code() -> str:
    """SHA-256 over all imported source files of the user: the module can depend on any of them."""
    files = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    digest = hashlib.sha256()
    for file in sorted(file for file in files if file.endswith(".py") and is_users(file) and Path(file).is_file()):
        digest.update(f"{Path(file).name}\0".encode() + Path(file).read_bytes())
    return digest.hexdigest()


def _weights(module: torch.nn.Module) -> str:
    import torch

    digest = hashlib.sha256(repr(module).encode())
    for name, value in module.state_dict().items():
        if isinstance(value, torch.Tensor):
            digest.update(f"{name}\0{value.dtype}{list(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _type(module: torch.nn.Module) -> str:
    return str(next((p.dtype for p in module.parameters() if p.is_floating_point()), ""))


def _scheme(module: torch.nn.Module) -> str:
    return {"torch.float16": "fp16", "torch.bfloat16": "bf16", "torch.float64": "fp64"}.get(_type(module), "fp32")
