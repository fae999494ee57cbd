"""Adapter for ``onnxruntime_perf_test``, the tool that is built with ONNX Runtime, in place of our own runner.

It times every pass and can write the runtime's profile, but neither takes given inputs nor gives outputs: what it
measures can't be checked against the host. Formats as its source and its README have them (microsoft/onnxruntime,
onnxruntime/test/perftest).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from workbench.devices.providers import Provider
from workbench.errors import InputError, RunError
from workbench.measure.clock import Stats
from workbench.runtimes.onnxruntime.session import machine_config

WARMUP = 1
"""Passes that the tool makes before it counts; they are in its profile."""
_FIELDS = 5


@dataclass(frozen=True)
class PerfTest:
    """What one call of the tool found; None where it doesn't tell. Load and first call in ms, memory in bytes."""

    stats: Stats
    peak_bytes: int | None
    cpu_percent: int | None
    load_ms: float | None = None
    first_call_ms: float | None = None


@dataclass(frozen=True)
class PerfTestCall:
    """One call of the tool. Timing and profiling are two calls. Paths are the device's.

    Attributes:
        tool: where it lies.
        model: an ONNX file with fixed input shapes: the tool makes up the inputs.
        csv: where its result goes; it appends.
        threads: threads inside an operator.
        iterations: measured passes.
        provider: an execution provider instead of the CPU.
        profile_prefix: turns the runtime's profile on; its file's name begins so.
        executed: where the executed graph goes.
        features: the device's CPU features; some decide how 8-bit products are made.
    """

    tool: str
    model: str
    csv: str
    threads: int
    iterations: int
    provider: Provider | None = None
    profile_prefix: str | None = None
    executed: str | None = None
    features: Collection[str] = ()

    def command(self) -> list[str]:
        """The command line, with the session set as the runner's.

        Raises:
            InputError: an option of the provider can't be passed to the tool.
        """
        entries = " ".join(f"{key}|{value}" for key, value in machine_config(self.features).items())
        arguments = [self.tool, "-I", "-m", "times", "-r", str(self.iterations), "-x", str(self.threads), "-y", "1"]
        arguments += ["-o", "99", "-C", entries, "-e", self.provider.name if self.provider else "cpu"]
        options = self.provider.options if self.provider else {}
        for text in (*options, *options.values()):
            if " " in text or "|" in text:
                raise InputError(f"provider {arguments[-1]}: option {text!r} can't be passed to onnxruntime_perf_test")
        if options:
            arguments += ["-i", " ".join(f"{key}|{value}" for key, value in options.items())]
        if self.profile_prefix is not None:
            arguments += ["-p", self.profile_prefix]
        if self.executed is not None:
            arguments += ["-u", self.executed]
        return [*arguments, self.model, self.csv]


def read_perf_test(csv: str, stdout: str = "") -> PerfTest:
    """Parses the tool's result file, lines of ``model,seconds,peak bytes,CPU percent,run``, and what it printed.

    The file is appended to by every call; the last call counts.

    Raises:
        RunError: there is no pass in it.
    """
    passes: list[tuple[float, int, int]] = []
    for line in csv.splitlines():
        parts = line.rsplit(",", _FIELDS - 1)  # the model's name comes first and may hold commas
        if len(parts) != _FIELDS:
            continue  # with -s, sentences with percentiles follow
        try:
            seconds, peak, cpu, run = float(parts[1]), int(parts[2]), int(parts[3]), int(parts[4])
        except ValueError:
            continue
        if run == 0:
            passes = []
        passes.append((seconds, peak, cpu))
    if not passes:
        raise RunError("onnxruntime_perf_test left no measured pass in its result file")
    load = _told(r"Session creation time cost:\s*([\d.eE+-]+)\s*s", stdout)
    return PerfTest(
        stats=Stats(tuple(seconds * 1e3 for seconds, _, _ in passes)),
        peak_bytes=passes[-1][1] or None,
        cpu_percent=passes[-1][2],
        load_ms=None if load is None else load * 1e3,
        first_call_ms=_told(r"First inference time cost:\s*([\d.eE+-]+)\s*ms", stdout),
    )


def _told(pattern: str, text: str) -> float | None:
    match = re.search(pattern, text)
    return float(match[1]) if match else None
