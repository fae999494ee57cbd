"""Stage 2 of the demo model: the text-image pair. Its text tower is the pipeline's text encoder.

A small contrastive pair (InfoNCE, as in CLIP, arXiv 2103.00020) trained on the same pictures and captions. It is not
CLIP: its scores are called ``alignment (demo)`` and ``fréchet (demo)`` wherever they are shown.
"""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.demo.autoencoder import shifted
from workbench.demo.pictures import BACKGROUNDS, TEMPLATES, Pictures
from workbench.models.scorer import ContrastivePair, ImageTower
from workbench.store.files import write_atomic
from workbench.training.loop import OnStep, Schedule, train

if TYPE_CHECKING:
    import torch
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

POSITIONS = 24
WIDTH = 128
FEATURES = 128


def tokenizer_of(pictures: Pictures, folder: Path) -> CLIPTokenizer:
    """The tokenizer in ``folder``, trained on all captions when there is none yet.

    It is kept, since the trainer breaks ties in another order each time: what was trained with it needs this one.
    """
    from transformers import CLIPTokenizer

    if not (folder / "merges.txt").is_file():
        _train_tokenizer(pictures, folder)
    return CLIPTokenizer.from_pretrained(folder, model_max_length=POSITIONS)


def _train_tokenizer(pictures: Pictures, folder: Path) -> None:
    """CLIP's byte-pair encoding; every letter, digit and sign is in, so any prompt encodes."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    bpe.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=1600,
        special_tokens=["<|startoftext|>", "<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    texts = [t.format(n) for n in pictures.names for t in TEMPLATES] + [f"on a {b} background" for b in BACKGROUNDS]
    bpe.train_from_iterator(texts * 2 + list(string.ascii_lowercase + string.digits + string.punctuation) * 3, trainer)
    data = json.loads(bpe.to_str())["model"]
    write_atomic(folder / "vocab.json", json.dumps(data["vocab"], ensure_ascii=False))
    merges = [m if isinstance(m, str) else " ".join(m) for m in data["merges"]]
    write_atomic(folder / "merges.txt", "#version: 0.2\n" + "\n".join(merges) + "\n")


def _new_text_tower(tokenizer: CLIPTokenizer) -> CLIPTextModelWithProjection:
    """An untrained CLIP text model of three layers with its projection."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        projection_dim=FEATURES,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=POSITIONS,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    return CLIPTextModelWithProjection(config)


def text_encoder_of(pair: ContrastivePair) -> CLIPTextModel:
    """The pair's text tower as a pipeline's text encoder, without its projection."""
    from transformers import CLIPTextModel

    text = CLIPTextModel(pair.text.config)
    prefix = "text_model."  # the tower with its projection holds the plain text model under this name
    text.load_state_dict({k.removeprefix(prefix): v for k, v in pair.text.state_dict().items() if k.startswith(prefix)})
    return text.eval()


def train_scorer(
    pictures: Pictures,
    tokenizer: CLIPTokenizer,
    state: Path,
    steps: int,
    on_step: OnStep | None = None,
    batch: int = 160,
) -> ContrastivePair:
    """Trains stage 2 and returns the pair."""
    import torch
    from torch.nn.functional import cross_entropy

    torch.manual_seed(1)
    pair = ContrastivePair(_new_text_tower(tokenizer), ImageTower(features=FEATURES))

    def loss_of(model: Any, step: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        concept, background = _distinct(pictures, rng, batch)
        captions = pictures.captions(concept, background, rng.integers(0, len(TEMPLATES), batch))
        ids = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
        x = torch.from_numpy(_augmented(pictures.render(concept, background), rng))
        logits = model.logit_scale.exp().clamp(max=50.0) * model.text_features(ids) @ model.image_features(x).T
        target = torch.arange(batch)
        loss = (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2
        return {"loss": loss, "batch_top1": (logits.argmax(1) == target).float().mean()}

    schedule = Schedule(
        steps=steps, lr=1e-3, warmup=40, decay="cosine", weight_decay=0.05, seed=12, precision="auto", save_every=100
    )
    return train(pair, loss_of, schedule, state, on_step)


def _distinct(pictures: Pictures, rng: np.random.Generator, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """A batch without the same pair twice, so that every wrong match in it is really wrong."""
    concept, background = pictures.draw(rng, 4 * batch, white_share=0.25)
    _, first = np.unique(concept * len(BACKGROUNDS) + background, return_index=True)
    pick = rng.permutation(first)[:batch]
    return concept[pick], background[pick]


def _augmented(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift, brightness, blur by shrinking, and noise, so that features look at what is drawn and not at pixels."""
    x = shifted(x, rng, most=4)
    n = len(x)
    x = x * rng.uniform(0.9, 1.1, (n, 1, 1, 1)) + rng.normal(0, 0.05, (n, 3, 1, 1))
    blurred = x.reshape(n, 3, 32, 2, 32, 2).mean((3, 5)).repeat(2, 2).repeat(2, 3)
    x = x + rng.uniform(0, 1, (n, 1, 1, 1)) * (blurred - x)
    x = x + rng.normal(0, 1, x.shape) * rng.uniform(0, 0.15, (n, 1, 1, 1))
    return x.astype(np.float32)


def retrieval(pair: ContrastivePair, tokenizer: CLIPTokenizer, pictures: Pictures, held_out: bool) -> dict[str, float]:
    """Picture-to-caption retrieval of real pictures over all captions of the set; the held-out part alone if asked."""
    import torch

    every_c, every_b = (np.concatenate(v) for v in zip(pictures.pairs(False), pictures.pairs(True), strict=True))
    with torch.no_grad():
        captions = pictures.captions(every_c, every_b)
        ids = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
        text = torch.cat([pair.text_features(part) for part in ids.split(256)])
        concept, background = pictures.pairs(held_out)
        image = torch.cat([pair.image_features(x) for x in pictures.batches(concept, background, 128)])
    order = (image @ text.T).argsort(1, descending=True)
    where = {(c, b): i for i, (c, b) in enumerate(zip(every_c, every_b, strict=True))}
    right = torch.tensor([where[pair_] for pair_ in zip(concept, background, strict=True)])
    rank = (order == right[:, None]).float().argmax(1)
    return {
        "captions": len(every_c),
        "n": len(concept),
        "retrieval_at_1": float((rank < 1).float().mean()),
        "retrieval_at_5": float((rank < 5).float().mean()),
    }
