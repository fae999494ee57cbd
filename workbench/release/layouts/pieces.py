"""What all layouts have: index, tokenizer, scheduler, and configs that don't tell where they came from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.models.candidate import Candidate
from workbench.models.families import INDEX
from workbench.models.read_json import read_object
from workbench.models.scheduler import FILE, FOLDER, load_scheduler, read_scheduler
from workbench.models.tokens import CONFIG
from workbench.release.layouts.base import Order

TELLS = ("_name_or_path", "name_or_path", "special_tokens_map_file", "tokenizer_file")
"""Entries of configs that hold a path of the machine that wrote them."""
NEVER_RUN = ("safety_checker", "feature_extractor", "image_encoder")
"""Components that pipelines may list, and that draw nothing: they weren't part of the run, and aren't shipped."""
_TOKENIZER = (".json", ".txt", ".model")


def write_json(file: Path, value: Mapping[str, Any]) -> None:
    """Writes a config without what tells of the machine; the same value gives the same bytes."""
    told = {key: entry for key, entry in value.items() if key not in TELLS}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def write_common(order: Order, out: Path) -> None:
    """``model_index.json``, the tokenizer, and the scheduler as the run set it up."""
    candidate = order.candidate
    index = read_object(candidate.source / INDEX)
    listed: dict[str, Any] = {name: index[name] for name in index if name == "_diffusers_version"}
    family = candidate.family
    parts = {part.folder: [part.library, part.class_of(candidate.config(part.name))] for part in family.parts}
    scheduler = load_scheduler(read_scheduler(candidate.source), 1 if order.few else 10, order.few)
    listed |= {**parts, "tokenizer": ["transformers", "CLIPTokenizer"]}
    listed |= {FOLDER: ["diffusers", type(scheduler).__name__], **{name: [None, None] for name in NEVER_RUN}}
    write_json(out / INDEX, {**listed, "_class_name": order.pipeline, "requires_safety_checker": False})
    write_json(out / FOLDER / FILE, json.loads(scheduler.to_json_string()))
    _tokenizer(candidate, out / "tokenizer")


def _tokenizer(candidate: Candidate, out: Path) -> None:
    """The tokenizer's files; a prompt is as long as the text encoder takes it, whatever they say."""
    out.mkdir(parents=True, exist_ok=True)
    for file in sorted((candidate.source / "tokenizer").iterdir()):
        if file.suffix in _TOKENIZER and file.is_file() and file.name != CONFIG:
            shutil.copyfile(file, out / file.name)
    _for_older_libraries(out)
    config = read_object(candidate.source / "tokenizer" / CONFIG)
    write_json(out / CONFIG, {**config, "model_max_length": candidate.tokens})


def _for_older_libraries(out: Path) -> None:
    """Vocabulary and merges as files of their own, which is all that transformers 4 reads of a CLIPTokenizer."""
    if not (out / "vocab.json").exists():
        words = read_object(out / "tokenizer.json")["model"]
        merges = (one if isinstance(one, str) else " ".join(one) for one in words["merges"])
        write_json(out / "vocab.json", words["vocab"])
        (out / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")


def component_config(candidate: Candidate, name: str) -> dict[str, Any]:
    """A component's config as clients read it: with what they take for granted and old files lack."""
    part = candidate.family.part(name)
    config = part.described(candidate.config(name))
    if part.role == "decoder":
        scale, shift = candidate.family.scaling(candidate.source)
        config = {**config, "scaling_factor": scale, "shift_factor": shift or None}
    return config
