"""Does a metric see what was done to a picture? Known changes, by degrees, beside what every metric says of them.

``python benchmarks/judge.py [--pictures 64] [--store DIR] [--json FILE]``: the embedded model draws held-out captions,
and draws them again from the same noise with another background in the caption, another object, or both. Its own
pictures are blurred, stored as JPEG, made noisy, and drawn in few colours, a little, visibly, and badly; and they are
changed in ways that nobody would mind: moved, made darker, larger, turned. Each of these is a rung: 1 what hardly
anybody would mind, 6 what shows something else altogether. Printed: every metric's mean at every rung, and its rank
correlation (Spearman) with the rungs, over means and over all pictures, without the harmless changes and with them.

``python benchmarks/judge.py --runs RECIPE.csv …`` prints what the judge says of the candidates of runs, from the tables
beside their reports.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

Way = Callable[[np.ndarray, float], np.ndarray]
STEPS, GUIDANCE, SEED = 10, 3.0, 0
OTHERS = {"other background": 4, "other object": 5, "other object and background": 6}
OF_RUNS = ("alignment", "psnr_db", "perceptual", "found_at_1")


def _each(change: Callable[[object, float], object]) -> Way:
    """Of a change of one PIL picture, that of many."""
    from PIL import Image

    def way(pictures: np.ndarray, degree: float) -> np.ndarray:
        return np.stack([np.asarray(change(Image.fromarray(picture), degree)) for picture in pictures])

    return way


def _blurred(pictures: np.ndarray, sigma: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(pictures.astype(float), (0, sigma, sigma, 0)).round().clip(0, 255).astype(np.uint8)


def _noisy(pictures: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(SEED).normal(0, deviation, pictures.shape)
    return (pictures + noise).round().clip(0, 255).astype(np.uint8)


def _jpeg(picture, quality: float):
    from PIL import Image

    file = io.BytesIO()
    picture.save(file, "JPEG", quality=int(quality))
    return Image.open(file, formats=("JPEG",))


def _moved(pictures: np.ndarray, pixels: float) -> np.ndarray:
    k = int(pixels)
    return np.pad(pictures, ((0, 0), (k, 0), (k, 0), (0, 0)), mode="edge")[:, : pictures.shape[1], : pictures.shape[2]]


def _darker(pictures: np.ndarray, share: float) -> np.ndarray:
    return (pictures * (1 - share)).round().astype(np.uint8)


def _larger(picture, share: float):
    side = round(picture.width * (1 + share))
    edge = (side - picture.width) // 2
    return picture.resize((side, side)).crop((edge, edge, edge + picture.width, edge + picture.height))


def _turned(picture, degrees: float):
    return picture.rotate(degrees, resample=3, fillcolor=picture.getpixel((0, 0)))


def changes(pictures: np.ndarray) -> Iterator[tuple[str, int, np.ndarray]]:
    """Name, rung and pictures uint8 [N, H, W, 3] of every kind and degree of change; the harmless ones come last."""
    damage: dict[str, tuple[Way, tuple[float, ...]]] = {
        "blur, sigma": (_blurred, (0.5, 1.0, 2.5)),
        "JPEG, quality": (_each(_jpeg), (75, 25, 5)),
        "noise, of 255": (_noisy, (5, 15, 45)),
        "colours": (_each(lambda p, n: p.quantize(int(n)).convert("RGB")), (32, 12, 4)),
    }
    harmless: dict[str, tuple[Way, tuple[float, ...]]] = {
        "moved, pixels": (_moved, (1, 3)),
        "darker": (_darker, (0.08,)),
        "larger": (_each(_larger), (0.0625,)),
        "turned, degrees": (_each(_turned), (4,)),
    }
    for name, (way, degrees) in damage.items():
        yield from ((f"{name} {degree:g}", rung, way(pictures, degree)) for rung, degree in enumerate(degrees, 1))
    for name, (way, degrees) in harmless.items():
        yield from ((f"{name} {degree:g}", 0, way(pictures, degree)) for degree in degrees)


def other_prompts(prompts: Sequence[str]) -> dict[str, list[str]]:
    """Prompts of the demo's form with the background, the object, or both of another one."""
    objects, grounds = zip(*(prompt.split(" on a ") for prompt in prompts), strict=True)

    def other(words: Sequence[str], i: int) -> str:
        return next(word for word in (*words[i:], *words[:i]) if word != words[i])

    places = range(len(prompts))
    return {
        "other background": [f"{objects[i]} on a {other(grounds, i)}" for i in places],
        "other object": [f"{other(objects, i)} on a {grounds[i]}" for i in places],
        "other object and background": [f"{other(objects, i)} on a {other(grounds, i)}" for i in places],
    }


def ladder(count: int, store: Path) -> tuple[list[str], np.ndarray, list[tuple[str, int, np.ndarray]], Path]:
    """The prompts, the model's own pictures, name, rung and pictures of every change, and the model's folder."""
    from workbench.data.captioned import captions
    from workbench.evaluate.prompts import choose_prompts
    from workbench.evaluate.sampler import Networks, draw
    from workbench.export.stored import stored_export
    from workbench.models.sources import base_candidate
    from workbench.store.store import Store

    kept = Store(store)
    base = base_candidate("demo", kept)
    networks = Networks.load({name: stored_export(base, name, kept) for name in base.components}, base.source)
    prompts = choose_prompts(captions(None, base.source, "held_out"), count, SEED)
    own, _ = draw(networks, prompts, STEPS, GUIDANCE, SEED)
    others = [
        (kind, OTHERS[kind], draw(networks, changed, STEPS, GUIDANCE, SEED)[0])
        for kind, changed in other_prompts(prompts).items()
    ]
    return prompts, own, [*others, *changes(own)], base.source


def judged(prompts: Sequence[str], own: np.ndarray, rungs: Sequence[tuple[str, int, np.ndarray]], source: Path) -> list:
    """For every metric of pictures: its means by rung, and its rank correlations with the rungs."""
    from scipy.stats import spearmanr

    from workbench.metrics.drawn import Drawn
    from workbench.metrics.registry import metrics
    from workbench.models.scorer import load_scorer

    about = {"prompts": prompts, "captions": prompts, "scorer": load_scorer(source)}
    reference = Drawn(own, **about)
    drawn = [Drawn(pictures, reference=reference, **about) for _, _, pictures in rungs]
    order = np.array(
        [max(rung, 1) for _, rung, _ in rungs]
    )  # a harmless change is minded as little as the least damage
    damage = np.array([rung > 0 for _, rung, _ in rungs])
    table = []
    for metric in metrics().values():
        values = [value for each in drawn if (value := metric.measure(each))]
        if len(values) < len(drawn):
            continue
        row = {"metric": metric.name, "means": [value["value"] for value in values]}
        means = np.array(row["means"])
        each = np.array([value["by_picture"] for value in values]) if metric.per_picture else None
        for label, there in (("damage", damage), ("all", damage | True)):
            row[f"means, {label}"] = -metric.sign * spearmanr(order[there], means[there]).statistic
            if each is not None:
                ranks = order[there].repeat(len(prompts))
                row[f"pictures, {label}"] = -metric.sign * spearmanr(ranks, each[there].ravel()).statistic
        table.append(row)
    return table


def show(rungs: Sequence[tuple[str, int, np.ndarray]], table: Sequence[dict]) -> None:
    """Prints the ladder and the correlations, a column a metric."""
    print(f"{'':<30}{'rung':>5}" + "".join(f"{row['metric']:>20}" for row in table))
    for i, (kind, rung, _) in enumerate(rungs):
        print(f"{kind:<30}{rung or 'none':>5}" + "".join(f"{row['means'][i]:>20.3f}" for row in table))
    for key in ("means, damage", "pictures, damage", "means, all", "pictures, all"):
        cells = (f"{row[key]:>20.3f}" if key in row else f"{'–':>20}" for row in table)
        print(f"{'rank correlation: ' + key:<35}" + "".join(cells))


def of_runs(files: Sequence[Path]) -> None:
    """Prints what metrics say of every candidate on the first target of each run."""
    print(f"{'':<40}" + "".join(f"{name:>14}" for name in OF_RUNS))
    for file in files:
        with file.open(newline="") as table:
            rows = list(csv.DictReader(table))
        for row in (row for row in rows if row["target"] == rows[0]["target"]):
            cells = (f"{float(row[name]):>14.3f}" if row.get(name) else f"{'–':>14}" for name in OF_RUNS)
            print(f"{file.stem + ' ' + row['candidate']:<40}" + "".join(cells))


def main() -> None:
    """Ends with 1 where another metric of each picture follows the rungs better than the first, the default judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--runs", type=Path, nargs="+")
    asked = parser.parse_args()
    if asked.runs:
        of_runs(asked.runs)
        return
    with tempfile.TemporaryDirectory() as scratch:
        prompts, own, rungs, source = ladder(asked.pictures, asked.store or Path(scratch))
    table = judged(prompts, own, rungs, source)
    show(rungs, table)
    if asked.json:
        asked.json.write_text(json.dumps(table, indent=1))
    best = max((row for row in table if "pictures, all" in row), key=lambda row: row["pictures, all"])
    sys.exit(0 if best is table[0] else 1)


if __name__ == "__main__":
    main()
