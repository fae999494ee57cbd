"""Execution providers: which the runner knows by name, and which of them really ran each node."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from workbench.errors import InputError, unknown
from workbench.runtimes.onnxruntime.trace import KERNEL

Name = Literal["cpu", "xnnpack", "nnapi", "qnn"]
NAMES: tuple[str, ...] = get_args(Name)
CPU = "CPUExecutionProvider"


@dataclass(frozen=True)
class Provider:
    """A provider by name, with its options as the library takes them."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise unknown(f"execution provider {self.name!r} is not known", self.name.lower(), NAMES)


def parse_provider(text: str) -> Provider:
    """``qnn:backend_path=libQnnHtp.so,htp_performance_mode=burst`` as a provider with its options.

    Raises:
        InputError: the provider isn't known, or an option isn't of the form KEY=VALUE.
    """
    name, _, rest = text.partition(":")
    options = {}
    for part in rest.split(",") if rest else ():
        key, sign, value = part.partition("=")
        if not key or not sign:
            raise InputError(f"--provider: found {part!r} in {text!r}; needs NAME:KEY=VALUE,KEY=VALUE")
        options[key] = value
    return Provider(name, options)


def placement(profile: Path) -> dict[str, Counter[str]]:
    """How many kernels of each operator each provider executed, by the provider's full name (a runtime's profile).

    All passes in the profile are counted, those of the warm-up, too.
    """
    counts: dict[str, Counter[str]] = {}
    for event in json.loads(profile.read_text()):
        if event.get("cat") == "Node" and event.get("name", "").endswith(KERNEL):
            arguments = event.get("args", {})
            ops = counts.setdefault(arguments.get("provider", ""), Counter())
            ops[arguments.get("op_name", "")] += 1
    return counts


def on_cpu(ran: Mapping[str, Mapping[str, float]]) -> str | None:
    """Which share of the kernels fell back to the CPU, and of which operators, in words; None where none did.

    Args:
        ran: what ``placement`` gives, or parts of it.
    """
    fallen, total = ran.get(CPU, {}), sum(sum(ops.values()) for ops in ran.values())
    if not fallen:
        return None
    ops = sorted(fallen, key=lambda op: (-fallen[op], op))
    named = ", ".join(ops[:SHOWN]) + (f" and {len(ops) - SHOWN} more" if len(ops) > SHOWN else "")
    return f"{sum(fallen.values()) / total:.0%} of the kernels ran on the CPU: {named}"


SHOWN = 6
"""Operators that are named in a warning."""
