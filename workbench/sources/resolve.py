"""SOURCE: which kind of thing it names, and its networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from workbench.errors import InputError, did_you_mean
from workbench.measure.network import Network
from workbench.models.factory import is_factory
from workbench.models.sources import DEMO, HUB
from workbench.progress import Progress
from workbench.sources.request import Asked
from workbench.store.store import Store

ARCH = "arch:"
FORMS = "demo, a diffusers folder, RUN/CANDIDATE, arch:NAME, module:function, or an ONNX file"


def resolve(
    source: str,
    component: str | None,
    shapes: Mapping[str, tuple[int, ...]],
    seed: int,
    store: Store,
    progress: Progress,
    needs: Literal["onnx", "torch", "count"],
    values: Mapping[str, float] | None = None,
) -> list[Network]:
    """The networks that ``source`` names, with seeded inputs; what exists as a path is taken as one.

    Args:
        source: ``demo``, a diffusers folder, ``hub:OWNER/NAME``, ``RUN/CANDIDATE`` of a run that the store knows,
            ``arch:NAME``, ``module:function``, or an ONNX file.
        component: one of ``text_encoder``, ``unet``, ``vae_decoder``; None for all (of an architecture: the U-Net).
        shapes: of inputs by name, where they can't be known or are to be others.
        seed: of the inputs.
        store: where runs are looked up and exports are kept.
        progress: told of exports.
        needs: ``onnx``: networks have their ONNX file (exported where there is none) besides the torch form, if any;
            ``torch``: nothing is exported; ``count``: neither exported, nor are an architecture's weights made.
        values: what all elements of an input are, by its name, instead of seeded ones.

    Raises:
        InputError: there is no such thing, or it can't be used as it is.
        RunError: an export failed.
    """
    asked = Asked(source, component, dict(shapes), dict(values or {}), seed, needs, store, progress)
    path = Path(source)
    if source.startswith(ARCH):
        from workbench.sources.architecture import networks
    elif source == DEMO or source.startswith(HUB) or path.is_dir():
        from workbench.sources.pipeline import networks
    elif path.is_file() or path.suffix == ".onnx":
        from workbench.sources.onnx_file import networks
    elif is_factory(source):
        from workbench.sources.factory import networks
    elif source.count("/") == 1 and all(source.split("/")):
        from workbench.sources.run_candidate import networks
    else:
        raise InputError(f"{source}: {_unknown(source, store)}", hint=f"a source is {FORMS}")
    return networks(asked)


def _unknown(source: str, store: Store) -> str:
    """What may have been meant by a source that is nothing."""
    from workbench.models.architectures import ARCHITECTURES
    from workbench.models.record import runs

    if source in runs(store):
        return f"is a run; needs one of its candidates, as {source}/base"
    if source in ARCHITECTURES:
        return f"no such file or folder; did you mean {ARCH}{source}?"
    known = [DEMO, *(f"{ARCH}{name}" for name in ARCHITECTURES), *(file.name for file in Path().iterdir())]
    return f"no such file or folder{did_you_mean(source, known)}"
