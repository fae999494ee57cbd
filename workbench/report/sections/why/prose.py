"""Why a candidate is as fast as it is, in two or three sentences made of facts."""

from __future__ import annotations

from workbench.comparing.explain import Why
from workbench.measure.kinds import CONVERSION, MOVE, REST
from workbench.models.families import component_label
from workbench.models.schemes import SCHEMES
from workbench.report.format import join, milliseconds, number, percent

NOTICEABLE = 0.02
"""Share of the kernel time below which a kind of work isn't worth a word."""


def sentences(why: Why) -> list[str]:
    """Two or three sentences on one component against its parent; numbers as in ``why``."""
    quantized = why.after.stored > why.before.stored or why.after.integer > why.before.integer
    result = [_speed(why)]
    packed = not quantized and why.after.scheme != why.before.scheme
    result += _integers(why) if quantized else _packed(why) if packed else _parts(why)
    if why.settled and why.told_by_kernels is False:
        result = result[:2]
        result.append(
            f"The kernels of the profiled passes don't show it (they add up to {milliseconds(why.before.best())} and "
            f"{milliseconds(why.after.best())}): other work on the machine or time between kernels made the difference."
        )
    elif quantized or packed:
        result += _costs(why)
    return result


def _times(ratio: float) -> str:
    return f"{number(ratio if ratio >= 1 else 1 / ratio)}×"


def _speed(why: Why) -> str:
    name = component_label(why.component)
    ms = f"{milliseconds(why.before.ms)} → {milliseconds(why.after.ms)} per pass"
    if not why.settled:
        return f"The {name} is neither faster nor slower than in {why.before.candidate} beyond the spread ({ms})."
    word = "faster" if why.speed > 1 else "slower"
    return f"The {name} is {_times(why.speed)} {word} than in {why.before.candidate} ({ms})."


def _integers(why: Why) -> list[str]:
    after = why.after
    if why.stored_only:
        run = f"only {percent(after.integer)} run" if after.integer else "none of them run"
        return [
            f"{percent(after.stored)} of its MACs in convolutions and linears are of integers in the file, but {run} "
            "in integer kernels: this runtime turns the numbers back into float before it multiplies, which makes the "
            "file smaller and the work no less."
        ]
    share = f"{percent(after.integer)} of its MACs in convolutions and linears run in int8"
    if after.integer - after.integer_with_attention > 0.005:
        share += f" ({percent(after.integer_with_attention)} of all MACs: attention's own products stay in float)"
    old, new = why.products_ms
    return [
        f"{share}{', so' if new < old else ', yet'} all products together take {milliseconds(new)} instead of "
        f"{milliseconds(old)} of kernel time{_how(why)}."
    ]


def _packed(why: Why) -> list[str]:
    """Of a scheme that asks for no integer products, or of whose integers the runtime computes none."""
    scheme = SCHEMES.get(why.after.scheme)
    if scheme is None:
        return [f"It is {why.after.scheme}, and {why.before.candidate} is {why.before.scheme}."]
    if scheme.integer_activations:
        return [
            f"It is {why.after.scheme}, but this runtime computes none of it in integers: the file is smaller and the "
            "work no less."
        ]
    stored = f"{scheme.weight_bits}-bit {'integers' if scheme.integer_weights else 'floats'}"
    old, new = why.products_ms
    return [
        f"Its weights are stored as {stored} and its products are computed in float, as {why.after.scheme} means it: "
        f"all products together take {milliseconds(new)}, where {why.before.candidate} takes {milliseconds(old)} of "
        f"kernel time{_how(why)}."
    ]


def _how(why: Why) -> str:
    if why.after.profiler_us is None:
        return " (as profiled, which takes longer)"
    return " (estimated: without the profiler's own)" if why.after.profiler_us else ""


def _costs(why: Why) -> list[str]:
    whole = why.after.best()
    conversions, moves = why.conversions_ms, why.moves_ms
    gained = why.products_ms[0] - why.products_ms[1]
    extra = [
        (ms, f"{what} takes {milliseconds(ms)}{'' if only_now else ' more than before'}")
        for ms, what, only_now in (
            (conversions, "turning numbers from one format into the other", not why.before.work[CONVERSION].ms),
            (moves, "moving them into other orders", not why.before.work[MOVE].ms),
        )
        if ms > NOTICEABLE * whole
    ]
    if extra:
        cost = sum(ms for ms, _ in extra)
        text = join([what for _, what in extra])
        weight = ", more than the products gain" if cost > gained and why.after.net else ""
        without = why.speed_without(cost)
        text = f"But {text}{weight}"
        if why.settled and without:
            text += f"; without that it would be about {_against(without)} (estimated)"
        return [f"{text}."]
    limit = why.speed_limit
    rest = [(why.after.best(CONVERSION) + why.after.best(MOVE) + why.after.best(REST)) / whole] if whole else []
    if limit and rest and why.after.integer and not why.stored_only:
        return [
            f"{percent(rest[0])} of its kernel time is not products, and int8 doesn't make that any faster: had "
            f"products taken no time in {why.before.candidate}, that would still be only {number(limit, 2)}× as fast."
        ]
    return []


def _against(speed: float) -> str:
    return f"{_times(speed)} {'faster' if speed >= 1 else 'slower'}"


def _parts(why: Why) -> list[str]:
    """Of two candidates in float: what was removed, and where the time went away."""
    if why.same_layers:
        return [
            "Both are made of the same layers with other weights, so no difference is to be expected"
            + (", and none is seen." if not why.settled else "; the one that is seen has another cause.")
        ]
    macs = 1 - why.after.macs / why.before.macs if why.before.macs else 0.0
    params = 1 - why.after.params / why.before.params if why.before.params else 0.0
    time = 1 - why.after.ms / why.before.ms
    if macs <= 0:
        return [f"It has {percent(-macs)} more MACs."] if macs < 0 else []
    removed = f"{percent(macs)} of its MACs" + (f" and {percent(params)} of its parameters" if params > 0 else "")
    if not why.settled:
        return [f"{removed} were removed."]
    text = f"{removed} were removed" + (f", and with them {percent(time)} of the time" if time > 0 else ", but no time")
    if time > 0 and abs(time - macs) > 0.03:
        text += f": what was removed did {'fewer' if time > macs else 'more'} MACs per ms than what is left"
    clauses = [text]
    saved = sorted((b for b in why.blocks if b.before_ms > b.after_ms), key=lambda b: b.after_ms - b.before_ms)
    whole = sum(b.before_ms - b.after_ms for b in why.blocks)
    main = [b for b in saved if b.before_ms - b.after_ms > 0.1 * whole][:3]
    if main:
        listed = join([f"{b.name} ({milliseconds(b.before_ms)} → {milliseconds(b.after_ms)})" for b in main])
        clauses.append(f"Most of the kernel time went away in {listed}")
    return [f"{text}." for text in clauses]
