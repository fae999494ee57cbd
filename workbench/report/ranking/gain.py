"""What a candidate brings on a target: is it faster, only smaller, or is its precision only simulated there?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.comparing.ratio import FASTER as QUICKER
from workbench.comparing.ratio import SLOWER, Ratio
from workbench.models.families import component_label
from workbench.models.schemes import SCHEMES
from workbench.profile.summary import Summary
from workbench.report.data import CandidateData, compared_with
from workbench.report.format import join, known, number, percent
from workbench.report.per_picture import denoiser_of, passes_of
from workbench.report.ranking.speedup import speed
from workbench.report.ranking.table import Profiles

ACCELERATED, SMALLER, SIMULATED = "accelerated", "smaller only", "simulated"
FASTER, NOT_FASTER, NO_GAIN, SAME = "faster", "not faster", "no gain", "same network"
FEWER = "fewer steps"
UNSETTLED, NOT_COMPARED = "unsettled", "not compared"
WORDS = {
    ACCELERATED: "quantized, and faster than what it was made from by more than the noise",
    SMALLER: "quantized, with smaller files, but not faster",
    SIMULATED: "its scheme asks for integers, but the runtime multiplies less than half of them as such",
    FEWER: "needs fewer passes of its denoiser for a picture, and is faster by more than the noise",
    FASTER: "made of fewer or smaller layers, and faster by more than the noise",
    NOT_FASTER: "made of fewer or smaller layers, but not faster",
    NO_GAIN: "quantized, but neither faster nor smaller",
    SAME: "other weights in the same layers, so neither speed nor size can change",
    UNSETTLED: "the passes differ so much that the interval holds both no gain and a real one: measure longer",
    NOT_COMPARED: "not measured together with what it was made from, or on an emulated machine",
}
"""What each word means."""
A_GAIN = 1.1
"""As fast as that would be worth something: not faster is said only where the interval excludes it."""
SMALLER_BY = 0.99
"""Files must shrink to less than this to count as smaller: names and metadata differ by some bytes."""


@dataclass(frozen=True)
class Gain:
    """``word`` is one of ``WORDS``. ``speed`` and ``size`` are those of the candidate ÷ its parent's (below 1: better).

    ``speed`` compares the times of one picture, or of one pass of each component that both have where there is no
    picture; ``size`` the files of all components. None: not measured, or on an emulated machine.
    """

    word: str
    parent: str
    speed: Ratio | None
    size: float | None
    sentence: str

    @property
    def times(self) -> float | None:
        """How many times as fast as the parent; below 1: slower."""
        return 1 / self.speed.value if self.speed else None


def gains(candidates: Sequence[CandidateData], profiles: Profiles) -> dict[tuple[str, str], Gain]:
    """The gain of every candidate that was profiled together with what it was made from, by target and candidate."""
    by_pair = {}
    for target in dict.fromkeys(target for target, _ in profiles):
        for candidate in candidates:
            after = profiles.get((target, candidate.name))
            before = profiles.get((target, compared_with(candidates, candidate.name) or ""))
            if before is not None and after is not None:
                by_pair[target, candidate.name] = gain_of(before, after)
    return by_pair


def gain_of(before: Summary, after: Summary) -> Gain:
    """The gain of a candidate over what it was made from.

    Args:
        before: profile (what its JSON holds) of the candidate that ``after`` was made from, on the same target.
        after: profile of the candidate.
    """
    ratio, size = speed(before, after), _share(after.get("size_bytes"), before.get("size_bytes"))
    changed = _changed(before, after)
    compared = None if after.get("emulated") else ratio
    smaller = size is not None and size < SMALLER_BY
    faster = compared is not None and compared.outcome() == QUICKER
    calls = [_calls(profile) for profile in (before, after)]
    fewer = calls[1] < calls[0]
    if after.get("simulated"):
        word = SIMULATED
    elif compared is None:
        word = NOT_COMPARED
    elif fewer and faster:
        word = FEWER
    elif not changed and not fewer:
        word = SAME
    elif not faster and 1 / compared.low > A_GAIN:
        word = UNSETTLED
    elif any(part.quantized for part in changed):
        word = ACCELERATED if faster else SMALLER if smaller else NO_GAIN
    else:
        word = FASTER if faster else NOT_FASTER
    parent = str(before.get("candidate", ""))
    sentence = _sentence(word, parent, compared, size, changed, after)
    if fewer:
        often = "once" if calls[1] == 1 else f"{calls[1]} times"
        its = component_label(denoiser_of(after))
        sentence = f"Its {its} runs {often} a picture, that of {parent} {calls[0]} times. {sentence}"
    return Gain(word, parent, compared, size, sentence)


def same_network(a: Summary, b: Summary) -> bool:
    """Whether two profiles are of the same layers, called as often: then neither's time can differ from the other's."""
    return bool(a.get("components")) and not _changed(a, b) and _calls(a) == _calls(b)


def _calls(profile: Summary) -> int:
    """Passes of the denoiser for one picture."""
    return passes_of(profile).get(denoiser_of(profile), 1)


def _share(after: Any, before: Any) -> float | None:
    return after / before if known(after) and known(before) and before else None


@dataclass(frozen=True)
class _Part:
    """A component that differs: its scheme, the share of its MACs in integers, whether the scheme is new."""

    name: str
    scheme: str
    integer: float
    quantized: bool


def _changed(before: Summary, after: Summary) -> list[_Part]:
    """Components of another scheme, or of other layers, than the parent's."""
    changed = []
    for name, own in (after.get("components") or {}).items():
        other = (before.get("components") or {}).get(name) or {}
        scheme = str(own.get("scheme", "fp32"))
        quantized = scheme != other.get("scheme", "fp32")
        if quantized or any(own.get(what) != other.get(what) for what in ("params", "macs")):
            changed.append(_Part(name, scheme, own.get("quantized_macs_share") or 0.0, quantized))
    return changed


def _sentence(
    word: str, parent: str, ratio: Ratio | None, size: float | None, changed: Sequence[_Part], after: Summary
) -> str:
    """What stands beside the word, in plain words."""
    quantized = [part for part in changed if part.quantized]
    files = f"Its files are {number(size, 2)}× those of {parent}." if size is not None else ""
    if word == SAME:
        return f"The same layers as {parent} with other weights: neither speed nor size can change by it."
    if word == NOT_COMPARED:
        why = "on an emulated machine, whose times say nothing" if after.get("emulated") else "the times are missing"
        return f"Its speed can't be compared: {why}. {files}".strip()
    if word == SIMULATED:
        integer_parts = [part for part in _parts(after) if asks_integers(part.scheme)]
        said = join([f"{part.scheme} in the {component_label(part.name)}" for part in integer_parts]) or "integers"
        shares = join([percent(part.integer) for part in integer_parts])
        return (
            f"Asks for {said}, of which this runtime runs {shares or 'less than half'} of the MACs in integers and the "
            f"rest as floats. Quality and files are those of the scheme, the time is not. {files}"
        ).strip()
    how = f"{_speed(ratio, parent)} {files}".strip() if ratio else files
    if not quantized:
        return how
    return f"{how} {_how(quantized, word)}"


def _speed(ratio: Ratio, parent: str) -> str:
    times = f"{number(1 / ratio.value)}× as fast as {parent}"
    outcome = ratio.outcome()
    if 1 / ratio.low > A_GAIN and outcome != QUICKER:
        ends = f"{number(1 / ratio.high)} to {number(1 / ratio.low)}× as fast as {parent}"
        return f"The clock doesn't settle it: {ends} (n = {ratio.n})."
    if outcome not in (QUICKER, SLOWER):
        return f"Neither faster nor slower than {parent} beyond the noise ({number(1 / ratio.value)}×)."
    return f"{times}." if outcome == QUICKER else f"Slower: {times}."


def _how(quantized: Sequence[_Part], word: str) -> str:
    """Why a quantized candidate is as fast as it is, by what its scheme asks for and what ran."""
    clauses = []
    for part in quantized:
        name = component_label(part.name)
        scheme = SCHEMES.get(part.scheme)
        if asks_integers(part.scheme) or part.integer:
            yet = "" if word in (ACCELERATED, UNSETTLED) else ", which does not pay here"
            clauses.append(f"{percent(part.integer)} of the {name}'s MACs run in integers{yet}")
        elif scheme and scheme.integer_weights:
            clauses.append(f"the {name} stores {scheme.weight_bits}-bit weights and multiplies floats, by design")
        elif scheme:
            clauses.append(f"the {name} stores {scheme.weight_bits}-bit floats")
    text = "; ".join(clauses)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _parts(after: Summary) -> list[_Part]:
    return [
        _Part(name, str(c.get("scheme", "fp32")), c.get("quantized_macs_share") or 0.0, True)
        for name, c in (after.get("components") or {}).items()
        if c.get("simulated")
    ]


def asks_integers(scheme: str) -> bool:
    """Whether a scheme's products are meant to be computed in integers."""
    named = SCHEMES.get(scheme)
    return bool(named and named.integer_activations)
