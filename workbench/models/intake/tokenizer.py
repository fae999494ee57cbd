"""A tokenizer in CLIP's form that knows bytes and no words: ids for models whose weights mean nothing anyway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workbench.models import tokens

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"


def byte_signs() -> list[str]:
    """A printable sign for each byte, as GPT-2's and CLIP's vocabularies write them: those that print, then others."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printed]
    return [chr(byte) for byte in printed] + [chr(256 + i) for i in range(len(others))]


def write_byte_tokenizer(out: Path, words: int, length: int) -> None:
    """Writes the files of a ``CLIPTokenizer`` without merges: one token a byte, and the two that begin and end.

    Args:
        words: of the text encoder's vocabulary, whose last two are the beginning and the end.
        length: of a prompt, in tokens.
    """
    signs = byte_signs()
    vocabulary = {sign: i for i, sign in enumerate([*signs, *(sign + WORD_END for sign in signs)])}
    vocabulary |= {START: words - 2, END: words - 1}
    config: dict[str, Any] = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": length,
        "do_lower_case": True,
        "errors": "replace",
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": END,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (out / "merges.txt").write_text("#version: 0.2\n")
    (out / tokens.CONFIG).write_text(json.dumps(config, indent=1) + "\n")
