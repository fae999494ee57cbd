"""Fréchet Inception distance (arXiv 1706.08500) of the pictures to real ones.

Pictures are stretched and seen as by the authors' own TensorFlow code (``networks/inception.py``), which torch-fidelity
and pytorch-fid follow; torchmetrics shrinks large pictures with antialiasing unless it is told otherwise.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydantic import Field

from workbench.errors import RunError
from workbench.metrics.base import Metric, Sample
from workbench.metrics.config import MetricConfig
from workbench.metrics.drawn import Drawn
from workbench.metrics.gaussian import Gaussian, gaussian, root_of, sample
from workbench.metrics.networks.inception import SIDE, WIDTH, Inception, shapes
from workbench.metrics.networks.state import read_weights, weight_problem
from workbench.metrics.real_pictures import Stamps, folder_problem, picture_files, pictures_of, stamps
from workbench.store.files import unreadable
from workbench.strict import RecipePath

LEAST = 64
FEW = WIDTH
"""Pictures below which their covariance, of ``WIDTH`` dimensions, can't have full rank."""
_BATCH = 16


class Fid(MetricConfig):
    """Fréchet Inception distance to real pictures, by the weights of FID's own network."""

    weights: RecipePath = Field(description="pt_inception-2015-12-05, as a torch file or safetensors.")
    reference: RecipePath = Field(description="A folder of real pictures, or an .npz with their mu and sigma.")

    def metric(self, name: str) -> Metric:
        """One distance of all pictures."""
        reference, weights = Path(self.reference), Path(self.weights)
        pictures = picture_files(reference)
        to = f"{len(pictures)} pictures" if pictures else reference.name
        return Metric(
            name=name,
            label="FID" if name == "fid" else name,
            unit="",
            better="low",
            order=101,
            digits=2,
            files=(*(file for file in (weights, reference) if file.is_file()), *pictures),
            protocol=f"Inception of {weights.name} at {SIDE} px, to {to}",
            least=LEAST,
            compute=_Distance(self.weights, self.reference),
        )

    def problems(self, _pictures: int) -> Iterator[tuple[str, str]]:
        """Weights that aren't of FID's network; no pictures, or no statistics of them, to hold it against."""
        if problem := weight_problem(Path(self.weights), shapes(), "FID's Inception network"):
            yield "weights", problem
        reference = Path(self.reference)
        if problem := _npz_problem(reference) if _is_npz(reference) else folder_problem(reference, LEAST):
            yield "reference", problem

    def doubts(self, pictures: int) -> Iterator[tuple[str, str]]:
        """Too few pictures."""
        of = {"pictures are drawn": pictures, "pictures are in the reference": len(picture_files(Path(self.reference)))}
        for what, count in of.items():
            if 0 < count < FEW:
                why = f"FID of fewer than {FEW:,} pictures is biased (too large, arXiv 1911.07023)"
                yield "reference", f"{count:,} {what}; {why}: compare it among candidates of one recipe only"


CONFIG = Fid


@dataclass(frozen=True)
class _Distance:
    weights: str
    reference: str

    def __call__(self, drawn: Drawn) -> Sample:
        weights, reference, pictures = Path(self.weights), Path(self.reference), drawn.pictures
        files = [reference] if _is_npz(reference) else picture_files(reference)
        real = _real(stamps([weights]), stamps(files))
        own = _features(weights, (list(pictures[i : i + _BATCH]) for i in range(0, len(pictures), _BATCH)))
        return sample(own, real)


@lru_cache(maxsize=2)
def _real(weights: Stamps, reference: Stamps) -> Gaussian:
    """Of the reference, kept for the next candidate."""
    (file, *_), *others = reference
    if not others and _is_npz(file):
        mean, covariance = _read(file)
        return Gaussian(mean, float(np.trace(covariance)), root_of(covariance), None)
    files = [file for file, *_ in reference]
    return gaussian(_features(weights[0][0], pictures_of(files, _BATCH)))


def _features(weights: Path, batches: Iterable[Sequence[np.ndarray]]) -> np.ndarray:
    """Features float64 [N, 2048] of pictures uint8 [H, W, 3] of any size."""
    network = Inception(read_weights(weights))
    rows = []
    for batch in batches:
        alike = len({picture.shape for picture in batch}) == 1
        parts = [np.stack(batch)] if alike else [picture[None] for picture in batch]
        rows += [network(part).numpy() for part in parts]
    if not rows:
        raise RunError("fid: no pictures to hold against")
    return np.concatenate(rows).astype(np.float64)


def _is_npz(path: Path) -> bool:
    return path.suffix == ".npz"


def _npz_problem(file: Path) -> str | None:
    if problem := unreadable(file):
        return f"found {str(file)!r}, {problem}"
    try:
        _read(file)
    except RunError as error:
        return error.line
    return None


def _read(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Mean [2048] and covariance [2048, 2048]."""
    needs = f"needs finite mu [{WIDTH}] and sigma [{WIDTH}, {WIDTH}]"
    try:
        with zipfile.ZipFile(file) as packed:
            names = [name.removesuffix(".npy") for name in packed.namelist()]
        if not {"mu", "sigma"} <= {*names}:
            raise RunError(f"{file}: found {', '.join(names[:10]) or 'nothing'}; {needs}")
        with np.load(file, allow_pickle=False) as arrays:
            mean, covariance = (np.asarray(arrays[name], np.float64) for name in ("mu", "sigma"))
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise RunError(f"{file}: can't be read as .npz ({error}); {needs}") from None
    if mean.shape != (WIDTH,) or covariance.shape != (WIDTH, WIDTH):
        raise RunError(f"{file}: found mu {list(mean.shape)} and sigma {list(covariance.shape)}; {needs}")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise RunError(f"{file}: found numbers that aren't finite; {needs}")
    return mean, covariance
