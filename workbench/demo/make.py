"""``workbench train-demo``: the embedded model from raw pictures, in four stages that each resume where they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workbench.demo.pictures import load_pictures
from workbench.errors import InputError
from workbench.models.families.stable_diffusion import FAMILY
from workbench.progress import Progress

UNET = FAMILY.denoiser.name
STEPS = {"autoencoder": 3800, "scorer": 340, UNET: 3400}
"""Optimiser steps of each stage, as the shipped model was trained."""


def make(pictures: Path, out: Path, steps: dict[str, int], compiled: bool, progress: Progress) -> dict[str, Any]:
    """Trains what ``out`` doesn't hold yet and packs ``out/demo``; returns the scores of its parts.

    Args:
        pictures: the unpacked npm package ``emoji-datasource-google``.
        out: folder for checkpoints and, at the end, ``demo/``.
        steps: optimiser steps by stage, over ``STEPS``.
        compiled: whether the U-Net is trained through ``torch.compile`` (faster after some minutes; needs g++).
    """
    unknown = set(steps) - set(STEPS)
    if unknown:
        raise InputError(f"--steps: no stage {sorted(unknown)[0]!r}", hint=f"stages are {', '.join(STEPS)}")
    data, counts = load_pictures(pictures), {**STEPS, **steps}
    from workbench.demo.autoencoder import psnr, train_autoencoder
    from workbench.demo.pack import pack
    from workbench.demo.scorer import retrieval, text_encoder_of, tokenizer_of, train_scorer
    from workbench.demo.unet import known_of, train_unet

    with progress("autoencoder", counts["autoencoder"]) as tick:
        vae = train_autoencoder(
            data, out / "autoencoder", counts["autoencoder"], lambda n, v: tick(n, f"mse {v['mse']:.4f}")
        )
    tokenizer = tokenizer_of(data, out / "tokenizer")
    with progress("scorer", counts["scorer"]) as tick:
        pair = train_scorer(
            data, tokenizer, out / "scorer", counts["scorer"], lambda n, v: tick(n, f"top1 {v['batch_top1']:.2f}")
        )
    known = known_of(data, vae, text_encoder_of(pair), tokenizer)
    with progress(UNET, counts[UNET]) as tick:
        unet = train_unet(
            data, known, out / UNET, counts[UNET], compiled, lambda n, v: tick(n, f"loss {v['loss']:.4f}")
        )

    facts = {
        "steps": counts,
        "pictures": len(data.names) * 8,
        "autoencoder_psnr_db": {
            part: psnr(vae, data, *data.pairs(part == "held_out")) for part in ("train", "held_out")
        },
        "scorer": {part: retrieval(pair, tokenizer, data, part == "held_out") for part in ("train", "held_out")},
    }
    pack(data, vae, pair, tokenizer, unet, out / "demo")
    (out / "demo" / "training.json").write_text(json.dumps(facts, indent=1) + "\n")
    return facts
