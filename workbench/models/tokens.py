"""Prompts as token ids, as long as the pipeline's text encoder takes them, whatever the tokenizer's files say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.models.checked import Checked, problems_of
from workbench.models.families import family_of
from workbench.models.read_json import read_object

if TYPE_CHECKING:
    import numpy as np

CONFIG = "tokenizer_config.json"
_MAP = "special_tokens_map.json"
_WHOLE, _VOCABULARY, _MERGES = "tokenizer.json", "vocab.json", "merges.txt"
Tokens = Callable[[Sequence[str]], "np.ndarray"]
"""Texts to ids int64 [N, L]."""


class _Added(Checked):
    content: str


class _Special(Checked):
    """The entries of ``CONFIG`` and ``_MAP`` that name tokens."""

    bos_token: str | _Added | None = None
    eos_token: str | _Added | None = None
    unk_token: str | _Added | None = None
    pad_token: str | _Added | None = None


def tokenizer_problems(folder: Path) -> Iterator[str]:
    """What keeps transformers from reading a tokenizer's files, as far as they can be read without it.

    Raises:
        InputError: one of them is no JSON.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import BPE

    for file in (folder / CONFIG, folder / _MAP):
        if file.name == CONFIG or file.exists():
            yield from (f"{file}: {what}" for what in problems_of(_Special, read_object(file)))
    whole, vocabulary, merges = (folder / name for name in (_WHOLE, _VOCABULARY, _MERGES))
    try:
        if whole.is_file():
            Tokenizer.from_file(str(whole))
        elif vocabulary.is_file() and merges.is_file():
            BPE.from_file(str(vocabulary), str(merges))
        else:
            yield f"{folder}: no tokens; needs {_WHOLE}, or {_VOCABULARY} with {_MERGES}"
    except Exception as error:  # of its Rust part, which has no type of its own
        yield f"{whole if whole.is_file() else vocabulary}: can't be read as a tokenizer ({error})"


def load_tokens(source: Path) -> Tokens:
    """The tokenizer of the pipeline folder ``source``.

    Raises:
        InputError: transformers can't read it.
    """
    import numpy as np
    from transformers import CLIPTokenizer

    family = family_of(source)
    ((_, length), _), *_ = family.prompt_encoder.spec(family.configs(source)).inputs.values()
    folder = source / "tokenizer"
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # of any kind: those of its Rust part have no type of their own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{folder}: transformers can't read it as a CLIPTokenizer ({reason})") from error

    def tokens(texts: Sequence[str]) -> np.ndarray:
        padded = tokenizer(list(texts), padding="max_length", truncation=True, max_length=length, return_tensors="np")
        ids: np.ndarray = padded.input_ids.astype(np.int64)
        return ids

    return tokens
