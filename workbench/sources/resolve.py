"""SOURCE: its kind, and its networks."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import InputError, did_you_mean
from workbench.measure.network import Network
from workbench.models.factory import is_factory
from workbench.models.hub import HUB
from workbench.models.intake.architecture import ARCH
from workbench.models.record import is_run, runs
from workbench.models.sources import DEMO
from workbench.models.weights import PICKLED
from workbench.sources.request import Request

FORMS = "demo, a diffusers folder, RUN, RUN/CANDIDATE, arch:NAME, module:function, a .safetensors or an ONNX file"


def resolve(request: Request) -> list[Network]:
    """The networks of a request's source, with their inputs; an existing path takes precedence.

    Raises:
        InputError: there is no such source, or it can't be used as it is.
        RunError: an export failed.
    """
    source = request.source
    path = Path(source)
    if source.startswith(ARCH):
        from workbench.sources.architecture import networks
    elif source == DEMO or source.startswith(HUB) or path.is_dir() or path.suffix in (".safetensors", *PICKLED):
        from workbench.sources.pipeline import networks
    elif path.is_file() or path.suffix == ".onnx":
        from workbench.sources.onnx_file import networks
    elif is_factory(source):
        from workbench.sources.factory import networks
    elif is_run(request.store, source) or (source.count("/") == 1 and all(source.split("/"))):
        from workbench.sources.run_candidate import networks
    else:
        raise InputError(f"{source}: {_unknown(request)}", hint=f"a source is {FORMS}")
    return networks(request)


def _unknown(request: Request) -> str:
    """The problem with an unknown source, and what was probably meant."""
    from workbench.models.families import architectures

    source = request.source
    if source in architectures():
        return f"no such file or folder; did you mean {ARCH}{source}?"
    known = [
        DEMO,
        *runs(request.store),
        *(f"{ARCH}{name}" for name in architectures()),
        *(file.name for file in Path().iterdir()),
    ]
    return f"no such file or folder{did_you_mean(source, known)}"
