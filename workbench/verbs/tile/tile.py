"""``workbench tile``: the attentions of what a source names, on a modelled machine; and written in tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workbench.errors import InputError, unknown
from workbench.models.factory import is_factory
from workbench.models.families import family_of
from workbench.sources.request import DENOISER, Request
from workbench.store.files import check_writable
from workbench.tile.machine import Machine
from workbench.tile.model import Modelled, model
from workbench.tile.paper import fitted
from workbench.tile.plans import UNCUT, evenly, fewer

if TYPE_CHECKING:
    from workbench.measure.network import Network
    from workbench.tile.attentions import Attention
    from workbench.tile.onnx_tiling import Tiled

WIDTHS = {"fp32": 4, "fp16": 2, "bf16": 2, "int16": 2, "int8": 1}
"""Bytes of a value."""


@dataclass(frozen=True)
class TileSettings:
    """What is modelled: a source, a machine, a type, and in how many tiles."""

    request: Request
    machine: Machine
    dtype: str
    side: int | None = None
    """Of square latents; None: the model's own."""
    tiles: int | None = None
    """Of all heads, of the attention with the most scores; None: head by head, as few as fit."""

    def __post_init__(self) -> None:
        if self.dtype not in WIDTHS:
            raise unknown(f"--dtype {self.dtype}: no such type", self.dtype, WIDTHS)


@dataclass(frozen=True)
class TileReport:
    """The attentions of a network on a machine; ``written`` and ``tiled`` where a file was asked for.

    ``rates_fitted``: whether the machine's rates are the fitted ones.
    """

    settings: TileSettings
    network: Network
    modelled: tuple[Modelled, ...]
    left_out: Mapping[str, str]
    rates_fitted: bool
    written: Path | None = None
    tiled: Tiled | None = None

    @property
    def largest(self) -> Modelled:
        """The attention that takes longest un-tiled; the first of equals."""
        return max(self.modelled, key=lambda one: one.variants["untiled"].seconds)

    @property
    def fewer_tiles(self) -> str | None:
        """Why there are fewer tiles than were asked for, if there are."""
        return fewer(self.settings.tiles, [one.attention for one in self.modelled]) if self.settings.tiles else None


def tile_source(settings: TileSettings, write: Path | None) -> TileReport:
    """Models the denoiser of a pipeline, or the one network that the source is; with ``write`` also cuts it.

    Raises:
        InputError: there is no such source, it has no attention, or nothing in it can be cut.
        RunError: an export failed.
    """
    if write is not None and write.suffix != ".onnx":
        raise InputError(f"--write {write}: needs the name of an ONNX file", hint=f"such as {write.stem}.onnx")
    if write is not None:
        check_writable({write.parent: "--write"})
    network = _network(settings, exported=write is not None)
    attentions, left_out = _attentions(network)
    if not attentions:
        why = "; ".join(f"{node}: {reason}" for node, reason in list(left_out.items())[:3])
        raise InputError(
            f"{settings.request.source}: has no attention that can be modelled" + (f" ({why})" if why else ""),
            hint="attention is found as a product, a softmax and a product; one fused operator can't be looked into",
        )
    width = WIDTHS[settings.dtype]
    plan = evenly(settings.tiles, attentions) if settings.tiles else None
    modelled = tuple(model(a, width, settings.machine, (plan(a) or UNCUT) if plan else None) for a in attentions)
    tiled = None
    if write is not None:
        from workbench.tile.onnx_tiling import tile_file

        assert network.file is not None, "it was resolved with its file"
        on = None if settings.tiles else settings.machine
        tiled = tile_file(network.file, write, settings.tiles, on, width, _shapes(network))
    plain = settings.machine == fitted(settings.machine.sram)
    return TileReport(settings, network, modelled, left_out, plain, write, tiled)


def _network(settings: TileSettings, exported: bool) -> Network:
    from workbench.graphs.quiet import quiet as silenced
    from workbench.sources import resolve

    source, shapes = settings.request.source, dict(settings.request.shapes)
    path = Path(source)
    alone = path.suffix == ".onnx" or path.is_file() or (is_factory(source) and not path.is_dir())
    request = replace(settings.request, component=None if alone else DENOISER)
    with silenced():
        if settings.side is not None:
            if alone:
                hint = "--shape INPUT=1x4x64x64, by the name of its input"
                raise InputError(f"--side {settings.side}: {source} is no pipeline", hint=hint)
            feed = resolve(replace(request, needs="count"))[0].feed
            latents, value = next(iter(feed.items()))
            if latents in shapes:
                raise InputError(f"--side {settings.side}: not with --shape {latents}")
            shapes[latents] = (*value.shape[:-2], settings.side, settings.side)
        # Of a factory only the graph tells where the attentions are.
        needs: Literal["onnx", "count"] = "onnx" if exported or alone else "count"
        return resolve(replace(request, shapes=shapes, needs=needs))[0]


def _attentions(network: Network) -> tuple[list[Attention], Mapping[str, str]]:
    """In order; and what is one by the look of it but can't be modelled, with the reason."""
    if network.torch is not None and network.torch.kind == "folder":
        from workbench.tile.attentions import folder_attentions

        part = family_of(Path(network.torch.source)).part(network.component)
        return folder_attentions(part, Path(network.torch.where), network.feed), {}
    from workbench.tile.onnx_attentions import file_attentions

    assert network.file is not None, "it was resolved with its file"
    if network.file.suffix != ".onnx":
        raise InputError(f"{network.file}: in a runtime's own format; needs an ONNX file or a torch model")
    return file_attentions(network.file, _shapes(network))


def _shapes(network: Network) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.feed.items()}
