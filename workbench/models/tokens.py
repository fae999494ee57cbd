"""Prompts as token ids, as long as the pipeline's text encoder takes them, whatever the tokenizer's files say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.models.families import family_of

if TYPE_CHECKING:
    import numpy as np

Tokens = Callable[[Sequence[str]], "np.ndarray"]
"""Texts to ids int64 [N, L]."""


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
