"""Candidates with OpenVINO files, for openvino_genai: every component, and the tokenizer, as an OpenVINO model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.errors import InputError
from workbench.models.families.base import Part
from workbench.models.scheduler import read_scheduler
from workbench.release.layouts.base import Layout, Order
from workbench.release.layouts.pieces import component_config, write_common, write_json

INSTALL = "'edge-workbench[openvino-genai]'"
NAME = "openvino_model.xml"
SCHEDULERS = (
    "DDIMScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
)
"""Those of a pipeline with a U-Net that openvino_genai 2026.4 has."""


def write(order: Order, out: Path) -> list[str]:
    """The folder that ``openvino_genai.Text2ImagePipeline`` reads; integers stay integers.

    Raises:
        InputError: openvino-tokenizers isn't installed, or the client has no such scheduler or decoder.
        RunError: a model can't be written for any batch.
    """
    candidate = order.candidate
    _check(order)
    write_common(order, out)
    for part in candidate.family.parts:
        folder = out / part.name
        write_json(folder / "config.json", component_config(candidate, part.name))
        _write_model(order, part, folder / NAME)
    _write_tokenizer(candidate.source / "tokenizer", candidate.tokens, out / "tokenizer")
    return [
        "reshape() before compile() is no ornament: with a fixed shape OpenVINO takes the kernels that the run took. "
        "Without, an 8-bit U-Net rounds otherwise, and pictures differ a little."
    ]


def _check(order: Order) -> None:
    candidate = order.candidate
    config = read_scheduler(candidate.source)
    name = "LCMScheduler" if order.few else config["_class_name"]
    problems = []
    if name not in SCHEDULERS:
        problems.append(f"its scheduler is {name}; openvino_genai has {', '.join(SCHEDULERS)}")
    if order.few and config.get("prediction_type", "epsilon") != "epsilon":
        problems.append("openvino_genai's LCMScheduler reads predictions of epsilon only, and the model's aren't")
    decoder = candidate.family.decoder
    if (found := decoder.class_of(candidate.config(decoder.name))) != decoder.cls:
        problems.append(f"its decoder is an {found}; openvino_genai needs an {decoder.cls}")
    if problems:
        raise InputError(f"{candidate.name}: can't be drawn by openvino_genai: {'; '.join(problems)}")


def _write_model(order: Order, part: Part, out: Path) -> None:
    import openvino

    from workbench.release.layouts.openvino.free_batch import free_batch
    from workbench.runtimes.openvino.session import read_model

    model = read_model(order.files[part.name])
    spec = order.candidate.spec(part.name)
    free_batch(model, [name for name in spec.inputs if name != spec.time])
    if spec.time:
        model = _integer(model, spec.time)
    openvino.save_model(model, out, compress_to_fp16=False)


def _integer(model: Any, name: str) -> Any:
    """The model with an input of whole numbers, as the client gives timesteps."""
    import openvino
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    steps.input(name).tensor().set_element_type(openvino.Type.i64)
    return steps.build()


def _write_tokenizer(folder: Path, length: int, out: Path) -> None:
    try:
        from openvino_tokenizers import convert_tokenizer
    except ImportError:
        raise InputError("openvino-tokenizers is not installed", hint=f"pip install {INSTALL}") from None
    import openvino
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True, model_max_length=length)
    model = convert_tokenizer(tokenizer, with_detokenizer=False)
    openvino.save_model(model, out / "openvino_tokenizer.xml", compress_to_fp16=False)


LAYOUT = Layout(
    __name__,
    title="OpenVINO GenAI",
    kind="openvino",
    order=2,
    distributions=("openvino-genai", "openvino-tokenizers", "openvino"),
    install="pip install openvino-genai pillow",
    write=write,
    example=lambda _order: (
        """import openvino_genai
from PIL import Image

pipeline = openvino_genai.Text2ImagePipeline("FOLDER")
pipeline.reshape(1, {height}, {width}, {guidance})
pipeline.compile("CPU", INFERENCE_PRECISION_HINT="f32")
pictures = pipeline.generate("red apple", num_inference_steps={steps}, guidance_scale={guidance})
Image.fromarray(pictures.data[0]).save("apple.png")"""
    ),
)
