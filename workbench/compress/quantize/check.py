"""What can be known to be wrong with ``quantize`` before any work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.compress.quantize.backends import able, backends, makes
from workbench.compress.quantize.weights.groups import group_problem, layer_widths
from workbench.errors import nearest
from workbench.models.families import denoiser_shapes, denoisers, policies
from workbench.models.patterns import matching
from workbench.models.schemes import SCHEMES
from workbench.runtimes.base import described, installed

if TYPE_CHECKING:
    from workbench.compress.quantize.config import QuantizeConfig

Problem = tuple[str, str]
"""Key inside the step, and what is wrong there."""


def problems(config: QuantizeConfig, unet_config: Mapping[str, Any]) -> Iterator[Problem]:
    """Settings that don't go together; then groups and patterns that don't fit the U-Net."""
    all_problems = [*_backend(config), *_weights(config), *_training(config), *_special(config), *_components(config)]
    yield from all_problems
    if not all_problems and config.takes() & denoisers():
        yield from _fit(config, unet_config)


def doubts(config: QuantizeConfig, runtimes: Sequence[str]) -> Iterator[Problem]:
    """What won't show on ``runtimes``: files that none of them runs, and integers that they only simulate."""
    backend, scheme = backends()[config.backend], SCHEMES[config.scheme]
    readers = [described(name) for name in runtimes if backend.suffix in described(name).reads]
    if runtimes and not readers:
        titles = " and ".join(described(name).title for name in runtimes)
        yield (
            "backend",
            f"{backend.name} makes {backend.suffix} files, which won't be measured: {titles} can't run them",
        )
    if not scheme.integer_activations:
        return
    if floats := [reader.title for reader in readers if not scheme.has_kernels or reader.name in backend.simulated_on]:
        what = "quality and files are the scheme's, times are not"
        yield "scheme", f"{config.scheme} will only be simulated, in float, on {' and '.join(floats)}: {what}"


def _backend(config: QuantizeConfig) -> Iterator[Problem]:
    backend = backends()[config.backend]
    if config.scheme not in backend.schemes:
        yield (
            "backend",
            f"found {config.backend!r}, which can't make {config.scheme} (it makes {', '.join(makes(backend.name))}); "
            f"needs {' or '.join(able(config.scheme))}",
        )
    elif not installed(backend.runtime):
        line = described(backend.runtime).install_line
        yield "backend", f"found {config.backend!r}, whose runtime is not installed; {line}"
    elif backend.denoiser_alone and not _denoiser_alone(config):
        yield "components", f"found {config.components}; backend {backend.name} makes the denoiser alone"


def _weights(config: QuantizeConfig) -> Iterator[Problem]:
    given = {key: getattr(config, key) for key in ("granularity", "group_size", "rounding") if getattr(config, key)}
    for key in given:
        if config.scheme == "fp16":
            yield key, f"found {given[key]!r}, but fp16 has no integers; leave it out"
        elif key not in backends()[config.backend].settings:
            yield key, f"found {given[key]!r}, but backend {config.backend} settles it itself; leave it out"
    if config.group_size and config.granularity not in (None, "group"):
        yield "group_size", f"found {config.group_size}, but granularity is {config.granularity}; needs group"
    if config.scheme == "w8a8" and "group" in (config.granularity, config.group_size and "group"):
        key = "granularity" if config.granularity else "group_size"
        yield key, "found groups, for which no runtime has int8 products; needs per_channel or per_tensor"
    if config.unpack == "pass" and config.scheme != "w4a16":
        yield "unpack", f"found 'pass', which is w4a16's; {config.scheme} needs load"


def _training(config: QuantizeConfig) -> Iterator[Problem]:
    if config.method == "ptq":
        if "qat" in config.model_fields_set:
            yield "qat", "found settings, but method is ptq; needs method: qat"
        return
    if config.scheme == "fp16":
        yield "method", "found 'qat', but fp16 has nothing to train; needs ptq"
    if not backends()[config.backend].trains:
        can = " or ".join(name for name, backend in backends().items() if backend.trains)
        yield "method", f"found 'qat', which backend {config.backend} can't; needs backend {can}"
    if not _denoiser_alone(config):
        yield (
            "method",
            f"found 'qat' for {', '.join(config.components or ())}; needs the denoiser alone: leave components out",
        )


def _special(config: QuantizeConfig) -> Iterator[Problem]:
    exempt, special = config.exempt, config.special()
    named = {key: getattr(exempt, key) for key in ("shortcut_split", "first_token", "attention", "softmax_bits")}
    named = {key: value for key, value in named.items() if value not in (None, False, "float")}
    for key, value in named.items():
        where = f"exempt.{key}"
        if not SCHEMES[config.scheme].integer_activations:
            yield where, f"found {value!r}, but {config.scheme} leaves activations in float; leave it out"
        elif not backends()[config.backend].special:
            can = " or ".join(name for name, backend in backends().items() if backend.special)
            yield where, f"found {value!r}, which backend {config.backend} can't; needs backend {can}"
    if config.scheme == "w8a16" and exempt.attention == "quantized" and named.get("softmax_bits", 16) != 16:
        yield "exempt.softmax_bits", "found 8, fewer than the other activations of w8a16; needs 16"
    if "softmax_bits" in named and special.softmax_bits is None:
        yield "exempt.softmax_bits", "found bits, but attention's products stay float; needs attention: quantized"
    if config.method == "qat" and (special.split or special.first_token or special.softmax_bits):
        yield (
            "method",
            f"found 'qat', which can't train shortcut_split, first_token or quantized attention (policy "
            f"{config.policy()}); needs them off, or method ptq",
        )


def _denoiser_alone(config: QuantizeConfig) -> bool:
    return config.takes() <= denoisers()


def _components(config: QuantizeConfig) -> Iterator[Problem]:
    if len(config.takes()) < len(config.components or ()):
        yield "components", f"found {config.components}, one of them twice"


def _fit(config: QuantizeConfig, unet_config: Mapping[str, Any]) -> Iterator[Problem]:
    if not config.group_size and not config.exempt.patterns:
        return
    widths = layer_widths(denoiser_shapes(unet_config))
    for i, pattern in enumerate(config.exempt.patterns):
        if widths and _denoiser_alone(config) and not matching(pattern, widths):
            near = nearest(pattern, widths, however_far=True)
            what = f"found {pattern!r}, which matches none of the {len(widths)} layers"
            yield f"exempt.patterns.{i}", f"{what}; the nearest is {near}"
    if config.group_size:
        out = [*policies()[config.policy()].patterns, *config.exempt.patterns]
        gone = {path for pattern in out for path in matching(pattern, widths)}
        left = {path: width for path, width in widths.items() if path not in gone}
        wrong = group_problem(left, config.group_size)
        if wrong:
            yield "group_size", wrong
