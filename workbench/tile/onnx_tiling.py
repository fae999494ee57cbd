"""Rewrites the attentions of an ONNX graph in tiles of rows: the same numbers, a fraction of the scores at a time.

Each tile multiplies some rows of q (of all heads, or of one) with k, takes the softmax and multiplies it with v, before
the next tile begins; the results are concatenated. A runtime that runs nodes one after another then needs memory for
the scores of one tile only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.graphs.names import name_new
from workbench.tile.attentions import Attention
from workbench.tile.machine import Machine
from workbench.tile.model import best_on
from workbench.tile.onnx_attentions import Region, find, shapes_of
from workbench.tile.plans import Plan, Split, evenly

if TYPE_CHECKING:
    import onnx_ir as ir

_END = 2**63 - 1
"""The end of an axis, however long it is."""


@dataclass(frozen=True)
class Tiled:
    """The attentions that were cut, those that weren't, and by node why some can't be cut."""

    cut: tuple[tuple[Attention, Split], ...]
    uncut: tuple[Attention, ...]
    left_out: Mapping[str, str]


def tile_file(
    source: Path,
    out: Path,
    tiles: int | None = None,
    on: Machine | None = None,
    width: int = 2,
    inputs: Mapping[str, tuple[int, ...]] | None = None,
) -> Tiled:
    """Writes ``source`` with its attentions in tiles to ``out``: ``tiles`` of the largest, or the best ``on`` one.

    Args:
        source: an ONNX file.
        out: another one; large weights are written to ``<out>.data``.
        tiles: see ``evenly``.
        on: see ``best_on``.
        width: bytes of a value on that machine.
        inputs: shapes of inputs that the file leaves open.

    Raises:
        InputError: there is nothing to cut, or the two files are the same.
    """
    import onnx_ir as ir

    from workbench.export.onnx import save

    if out.exists() and out.samefile(source):
        raise InputError(f"--write {out}: is the source itself", hint="name another file")
    model = ir.load(source)
    shapes = shapes_of(source, inputs or {})
    attentions = [region.attention for region in find(model, shapes).regions]
    plan = best_on(on, width) if on is not None else evenly(tiles or 1, attentions)
    done = tile_attention(model, shapes, plan)
    if not done.cut:
        why = "; ".join(f"{node}: {reason}" for node, reason in list(done.left_out.items())[:3])
        raise InputError(
            f"{source}: none of its {len(done.uncut)} attentions is cut into tiles" + (f" ({why})" if why else ""),
            hint="with --tiles 2 or more, or a smaller --sram" if done.uncut else None,
        )
    save(model, out)
    return done


def tile_attention(model: ir.Model, shapes: Mapping[str, tuple[int, ...]], plan: Plan) -> Tiled:
    """Cuts the attentions of a graph into tiles, in place.

    New nodes belong to the attention's layer and are named after it, so that a profile still shows its time. Inputs and
    outputs of the graph keep their names, types and shapes. ``shapes``: of its values, by name.
    """
    attentions = find(model, shapes)
    cut, uncut = list[tuple[Attention, Split]](), list[Attention]()
    left_out = dict(attentions.left_out)
    layers: dict[ir.Node, str] = {}
    for region in attentions.regions:
        split = plan(region.attention)
        split = split.least(region.attention.queries) if split is not None else None
        if split is None:
            uncut.append(region.attention)
        elif (why := _refused(region, split)) is not None:
            left_out[region.scores.name or region.attention.layer] = why
        else:
            layers.update(dict.fromkeys(_Cutter(model, region, split).cut(), region.attention.layer))
            cut.append((region.attention, split))
    name_new(model, layers)
    return Tiled(tuple(cut), tuple(uncut), left_out)


def _refused(region: Region, split: Split) -> str | None:
    """Why a region can't be cut by ``split``; None if it can."""
    full = region.shapes[region.scores.outputs[0].name or ""]
    if split.by_head and (len(full) < 3 or region.attention.heads != full[-3]):
        return "its heads aren't one axis"
    inside = {region.scores, *region.inner}
    for node in region.inner:
        for value in node.inputs:
            if value is None or value.producer() in inside or _is_scalar(value):
                continue
            shape = region.shapes.get(value.name or "")
            if shape is None or node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                return f"{value.name}, which its {node.op_type} reads, can't be cut into rows"
    return None


def _is_scalar(value: ir.Value) -> bool:
    """Whether a value is a constant of one element, the same for every tile."""
    return value.const_value is not None and value.const_value.size == 1


class _Cutter:
    """Replaces one region by its tiles."""

    def __init__(self, model: ir.Model, region: Region, split: Split) -> None:
        self.model, self.region, self.split = model, region, split
        self.full = region.shapes[region.scores.outputs[0].name or ""]
        self.nodes: list[ir.Node] = []

    def cut(self) -> list[ir.Node]:
        """Replaces the old nodes; returns the new ones."""
        import onnx_ir as ir

        region, graph = self.region, self.model.graph
        heads = range(self.full[-3]) if self.split.by_head else (None,)
        result = self._concatenated([self._head(head) for head in heads], -3)
        old = region.values.outputs[0]
        result.type, result.shape = old.type, old.shape
        if old.is_graph_output():
            result.name, old.name = old.name, None  # callers refer to it by name
        graph.insert_before(region.values, self.nodes)
        ir.convenience.replace_all_uses_with(old, result, replace_graph_outputs=True)
        for node in (region.values, *reversed(region.inner), region.scores):
            graph.remove(node, safe=True)
        return self.nodes

    def _head(self, head: int | None) -> ir.Value:
        """The result of one head (None: of all at once), its tiles concatenated."""
        rows = self.region.attention.queries
        tile_rows = self.split.rows(rows)
        begins = list(range(0, rows, tile_rows))
        query, key = self.region.scores.inputs
        value = self.region.values.inputs[1]
        assert query is not None and key is not None and value is not None
        if head is not None:
            key, value = (self._slice(v, {-3: (head, head + 1)}) for v in (key, value))
        # The last tile extends to the end, so that the graph stays correct where the number of rows is open.
        tiles = [(begin, begin + tile_rows if begin != begins[-1] else _END) for begin in begins]
        return self._concatenated([self._tile(query, key, value, head, *tile) for tile in tiles], -2)

    def _tile(
        self, query: ir.Value, key: ir.Value, value: ir.Value, head: int | None, begin: int, end: int
    ) -> ir.Value:
        scores = self.region.scores
        tiles: dict[ir.Value, ir.Value] = {}

        def tile_of(full: ir.Value | None) -> ir.Value | None:
            if full is None or _is_scalar(full):
                return full
            if full not in tiles:
                shape = self.region.shapes[full.name or ""]
                ranges: dict[int, tuple[int, int]] = {}
                if head is not None and len(shape) >= 3 and shape[-3] > 1:
                    ranges[-3] = (head, head + 1)
                if len(shape) >= 2 and shape[-2] > 1 and (begin, end) != (0, _END):
                    ranges[-2] = (begin, end)
                tiles[full] = self._slice(full, ranges)
            return tiles[full]

        tiles[scores.outputs[0]] = self._like(scores, [tile_of(query), key])
        for node in self.region.inner:
            tiles[node.outputs[0]] = self._like(node, [tile_of(full) for full in node.inputs])
        return self._like(self.region.values, [tile_of(self.region.values.inputs[0]), value])

    def _like(self, node: ir.Node, inputs: Sequence[ir.Value | None]) -> ir.Value:
        """A copy of ``node`` over other inputs."""
        import onnx_ir as ir

        copy = ir.node(node.op_type, list(inputs), dict(node.attributes), domain=node.domain)
        return self._added(copy, node.outputs[0])

    def _slice(self, value: ir.Value, ranges: Mapping[int, tuple[int, int]]) -> ir.Value:
        """The value from begin to end along each axis of ``ranges``."""
        import onnx_ir as ir

        if not ranges:
            return value
        begins, ends = zip(*ranges.values(), strict=True)
        node = ir.node("Slice", [value, *(self._constant(numbers) for numbers in (begins, ends, tuple(ranges)))])
        return self._added(node, value)

    def _concatenated(self, parts: list[ir.Value], axis: int) -> ir.Value:
        import onnx_ir as ir

        if len(parts) == 1:
            return parts[0]
        return self._added(ir.node("Concat", parts, {"axis": axis}), parts[0])

    def _added(self, node: Any, like: ir.Value) -> ir.Value:
        """The output of a new node, with the type of ``like``."""
        output: ir.Value = node.outputs[0]
        output.type = like.type
        self.nodes.append(node)
        return output

    def _constant(self, numbers: Sequence[int]) -> ir.Value:
        """An initializer shared by all tiles of all attentions."""
        import numpy as np

        from workbench.graphs.edit import add_initializer

        name = f"tiling:{'_'.join(map(str, numbers))}"
        shared = self.model.graph.initializers.get(name)
        return shared if shared is not None else add_initializer(self.model, name, np.array(numbers, np.int64))
