"""Candidates with ONNX files, for ONNX Runtime through optimum: names and batch as its pipelines want them."""

from __future__ import annotations

from pathlib import Path

from workbench.models.families.base import Part
from workbench.release.layouts.base import Layout, Order
from workbench.release.layouts.pieces import component_config, write_common, write_json

_RENAMED = {"latent": "latent_sample", "picture": "sample"}
"""Our inputs and outputs that are called otherwise there."""


def write(order: Order, out: Path) -> list[str]:
    """``model.onnx`` and its config for each component, its external data beside it where it is large."""
    write_common(order, out)
    for part in order.candidate.family.parts:
        folder = out / part.name  # where clients look for it
        write_json(folder / "config.json", component_config(order.candidate, part.name))
        write_graph(order, part, folder / "model.onnx")
    return []


def write_graph(order: Order, part: Part, out: Path) -> None:
    """A component's graph with any batch (guidance draws with two) and the names that clients give.

    Raises:
        RunError: its batch can't be freed.
    """
    import onnx_ir as ir

    from workbench.export.onnx import save
    from workbench.release.layouts.onnx.free_batch import free_batch

    model = ir.load(order.files[part.name])
    spec = order.candidate.spec(part.name)
    free_batch(model, [name for name in spec.inputs if name != spec.time])
    for value in (*model.graph.inputs, *model.graph.outputs):
        value.name = _RENAMED.get(value.name or "", value.name)
    save(model, out)


LAYOUT = Layout(
    __name__,
    title="ONNX Runtime, through optimum",
    kind="onnx",
    order=1,
    distributions=("optimum-onnx", "onnxruntime", "diffusers", "transformers", "torch"),
    install="pip install 'optimum-onnx[onnxruntime]' diffusers",
    write=write,
    example=lambda _order: (
        """from optimum.onnxruntime import ORTDiffusionPipeline

pipeline = ORTDiffusionPipeline.from_pretrained("FOLDER")
pipeline("red apple", num_inference_steps={steps}, guidance_scale={guidance}).images[0].save("apple.png")"""
    ),
)
