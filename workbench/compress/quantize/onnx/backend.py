"""The ONNX Runtime backend: our own ranges and rounding in the parent's graph, after training or with training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.compress.quantize.backends import Backend, Task
from workbench.compress.quantize.weights.groups import group_problem
from workbench.errors import InputError
from workbench.models.schemes import SCHEMES

if TYPE_CHECKING:
    from workbench.compress.quantize.onnx.quantizer import Quantizer, Settings


def _make(task: Task) -> dict[str, Any]:
    if task.config.scheme == "fp16":
        from workbench.compress.quantize.fp16 import to_fp16
        from workbench.compress.quantize.onnx.quantizer import in_memory

        to_fp16(in_memory(task.parent), task.exempt, task.out)
        return {}
    return _integers(task)


def _integers(task: Task) -> dict[str, Any]:
    from workbench.compress.quantize.onnx.quantizer import Quantizer

    config = task.config
    quantizer = Quantizer(task.parent, task.chosen, _settings(task), task.context.state)
    wrong = group_problem(quantizer.widths(), config.group_size) if config.group_size else None
    if wrong:
        raise InputError(f"quantize.group_size: {wrong}")
    gathered = quantizer.gather(task.samples)
    report: dict[str, Any] = {
        "calibration": task.samples.summary() | {"passes": gathered.passes},
        "seconds_of": {key: round(value, 1) for key, value in gathered.seconds.items()},
        "rounded_by_scale_search": gathered.by_scale_search,
    }
    if config.method == "ptq":
        quantizer.write(gathered.rounded, gathered.ranges, task.out)
    else:
        report["training"] = _trained(task, quantizer, gathered)
    return report | quantizer.notes()


def _trained(task: Task, quantizer: Quantizer, gathered: Any) -> Any:
    """Writes the U-Net trained from what was found; the training's report."""
    from workbench.compress.quantize.onnx.quantizer import by_layer, by_tensor
    from workbench.compress.quantize.qat import train_quantized

    context, config = task.context, task.config
    nodes, bits = quantizer.nodes(), SCHEMES[config.scheme].activation_bits
    start_at = by_layer(nodes, gathered, bits, outputs=config.scheme == "w8a8")
    trained = train_quantized(context, config.qat, *start_at, context.out / "trained")
    candidate = context.parent.with_denoiser(trained.folder)
    quantizer.write_trained(context.export(candidate, task.samples.component), *by_tensor(nodes, trained), task.out)
    return trained.report


def _settings(task: Task) -> Settings:
    from workbench.compress.quantize.onnx.first_token import first_state
    from workbench.compress.quantize.onnx.quantizer import Settings

    context, config = task.context, task.config
    granularity, rounding = config.how_weights()
    special = config.special()
    first = None
    if special.first_token and task.samples.denoises:
        text = context.export(context.parent, context.base.family.prompt_encoder.name)
        first = first_state(text, context.base.source / "tokenizer")
    return Settings(
        scheme=config.scheme,
        granularity=granularity,
        group_size=config.group_size,
        rounding=rounding,
        unpack=config.unpack,
        split=special.split,
        first_state=first,
        softmax_bits=special.softmax_bits,
    )


BACKEND = Backend(
    name="onnxruntime",
    order=1,
    runtime="onnxruntime",
    about="our own ranges and rounding, in ONNX",
    schemes=("fp16", "w8a8", "w8a16", "w4a16", "w4a8"),
    make=_make,
    settings=frozenset({"granularity", "group_size", "rounding"}),
    special=True,
    trains=True,
    gains={"w4a16": ({"unpack": "pass"},)},
)
