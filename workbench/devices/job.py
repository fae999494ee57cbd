"""What is asked of the runner, and what comes back: its lines and its result."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.devices.exits import NOT_FOUND, NOT_STARTED, about_model, hint, how_it_ended
from workbench.devices.providers import Provider
from workbench.devices.result import Result, read_result
from workbench.errors import InputError, RunError
from workbench.runtimes.onnxruntime.session import SESSION_CONFIG

if TYPE_CHECKING:
    import numpy as np

PHASES = ("time", "outputs", "profile", "memory")
KEPT_LINES = 20


@dataclass(frozen=True)
class ModelJob:
    """A model on the device: its file, its external data, and by input name the file of raw values and the shape.

    Inputs without a file are seeded. Paths are the device's.
    """

    file: str
    data: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One call of the runner; the fields are its options (``runner/wbrun.c``), paths are the device's.

    Phases: any of ``time``, ``outputs``, ``profile``, of one model; or ``memory`` alone, of all models together.
    ``outputs`` is a folder that exists; ``faults`` are the options that provoke one (``hang``, ``crash``, ``oom-mb``).
    """

    library: str
    out: str
    models: tuple[ModelJob, ...]
    phases: tuple[str, ...]
    threads: int = 1
    optimization: str = "all"
    config: Mapping[str, str] = field(default_factory=lambda: dict(SESSION_CONFIG))
    providers: tuple[Provider, ...] = ()
    cpu_mask: str | None = None
    warmup: int = 5
    iterations: int = 20
    min_seconds: float = 0.0
    max_seconds: float | None = None
    profile_prefix: str | None = None
    executed: str | None = None
    profile_warmup: int = 3
    profile_passes: int = 20
    outputs: str | None = None
    seed: int = 0
    int_below: int | None = None
    progress_ms: int = 1000
    timeout: float | None = None
    pid_file: str | None = None
    faults: Mapping[str, str] = field(default_factory=dict)

    def arguments(self) -> list[str]:
        """The runner's command line without its own name."""
        found: list[str] = ["--lib", self.library, "--out", self.out, "--phases", ",".join(self.phases)]
        for model in self.models:
            found += ["--model", model.file]
            for file in model.data:
                found += ["--data", file]
            for name, file in model.inputs.items():
                found += ["--input", f"{name}={file}"]
            for name, shape in model.shapes.items():
                found += ["--shape", f"{name}={'x'.join(map(str, shape))}"]
        for key, value in self.config.items():
            found += ["--config", f"{key}={value}"]
        for provider in self.providers:
            found += ["--provider", provider.name]
            for key, value in provider.options.items():
                found += ["--provider-option", f"{key}={value}"]
        plain: dict[str, object] = {
            "threads": self.threads,
            "optimization": self.optimization,
            "cpu-mask": self.cpu_mask,
            "warmup": self.warmup,
            "iterations": self.iterations,
            "min-seconds": self.min_seconds,
            "max-seconds": self.max_seconds,
            "profile-prefix": self.profile_prefix,
            "executed": self.executed,
            "profile-warmup": self.profile_warmup,
            "profile-passes": self.profile_passes,
            "outputs": self.outputs,
            "seed": self.seed,
            "int-below": self.int_below,
            "progress-ms": self.progress_ms,
            "timeout": self.timeout,
            "pid-file": self.pid_file,
            **self.faults,
        }
        for option, setting in plain.items():
            if setting is not None:
                found += [f"--{option}", str(setting)]
        return found

    def text(self) -> str:
        """The arguments as a job file (``--job``), one per line: names need no quoting for any shell.

        Raises:
            InputError: an argument holds a line break or is empty.
        """
        arguments = self.arguments()
        for argument in arguments:
            if not argument or "\n" in argument or "\0" in argument:
                raise InputError(f"{argument!r} can't be passed to a device: it is empty or holds a line break")
        return "\n".join(arguments) + "\n"


def raw_inputs(feed: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    """Inputs by name as the files that the runner reads: little-endian, row-major."""
    import numpy as np

    return {
        name: np.ascontiguousarray(v).astype(v.dtype.newbyteorder("<"), copy=False).tobytes()
        for name, v in feed.items()
    }


class Stream:
    """The runner's standard output, line by line.

    ``started`` and ``done`` are those events, ``error`` the runner's own (code and message), ``progress`` the newest
    ``progress`` event, ``other`` the last lines that weren't the runner's (a linker's warnings, a shell's complaint).
    """

    def __init__(self, on_event: Callable[[dict[str, Any]], None] | None = None) -> None:
        self.started: dict[str, Any] | None = None
        self.done: dict[str, Any] | None = None
        self.error: tuple[int, str] | None = None
        self.progress: dict[str, Any] | None = None
        self.other: list[str] = []
        self._on_event = on_event

    def feed(self, line: str) -> dict[str, Any] | None:
        """Takes one line; the event in it, or None."""
        event = _event(line)
        if event is None:
            if line.strip():
                self.other = [*self.other, line.strip()][-KEPT_LINES:]
            return None
        kind = event["event"]
        if kind == "start":
            self.started = event
        elif kind == "done":
            self.done = event
        elif kind == "error":
            self.error = int(event.get("code", 0)), str(event.get("message", "")).strip()
        elif kind == "progress":
            self.progress = event
        if self._on_event:
            self._on_event(event)
        return event

    @property
    def version(self) -> str | None:
        """The library's version, once the runner has started it."""
        return self.started["library"]["version"] if self.started else None


def _event(line: str) -> dict[str, Any] | None:
    if not line.lstrip().startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def failure(stream: Stream, code: int | None, stderr: str = "") -> RunError | None:
    """What went wrong, in a sentence; None where the runner said ``done`` and ended well.

    Exit code 0 alone proves nothing: adb gives it too when the device vanishes.

    Args:
        stream: all that the runner told.
        code: its exit code as adb or subprocess gave it; None where it isn't known.
        stderr: what came on standard error.
    """
    if stream.done and code in (0, None) and not stream.error:
        return None
    told, message = stream.error or (None, "")
    ended = told if told is not None else code
    if stream.started is None and told is None and code is not None and 0 < code < NOT_FOUND:
        ended = (
            NOT_STARTED  # some shells take a program for another machine for a script, with an exit code of their own
        )
    if ended in (0, None):
        return RunError(
            "the connection ended before the runner did", hint="see to the cable or the network, then rerun"
        )
    if told == 66:
        message = about_model(message, stream.version)
    text = message or " / ".join([*stream.other[-3:], *stderr.strip().splitlines()[-3:]])
    return RunError(f"{how_it_ended(ended)}{': ' + text if text else ''}", hint=hint(ended))


def outcome(stream: Stream, code: int | None, result: str | None, stderr: str = "") -> Result:
    """The result of a runner that ended well.

    Args:
        stream: all that the runner told.
        code: its exit code, None where it isn't known.
        result: the text of its result file; None where there is none.
        stderr: what came on standard error.

    Raises:
        RunError: it didn't end well, or its result is missing or damaged.
    """
    if error := failure(stream, code, stderr):
        raise error
    if result is None:
        raise RunError("the runner ended well but its result isn't there")
    return read_result(result)


def missing_cores(job: Job, result: Result) -> tuple[int, ...]:
    """Cores that the job's mask asks for and the runner didn't get: offline, or forbidden to it."""
    mask = int(job.cpu_mask or "0", 16)
    return tuple(core for core in range(mask.bit_length()) if mask >> core & 1 and core not in result.cpus)


def read_outputs(result: Result, folder: Path) -> dict[str, np.ndarray]:
    """The output tensors that were pulled into ``folder``, by name; bfloat16 comes as float32.

    Raises:
        RunError: a file is missing or has another size than its tensor.
    """
    import numpy as np

    outputs = {}
    for output in result.outputs:
        file = folder / (output.file or "")
        kind = np.dtype("<u2") if output.type == "bfloat16" else np.dtype(output.type).newbyteorder("<")
        if not file.is_file() or file.stat().st_size != output.count * kind.itemsize:
            raise RunError(f"output {output.name}: {file.name} is missing or has the wrong size")
        values = np.fromfile(file, dtype=kind).reshape(output.shape)
        if output.type == "bfloat16":
            values = (values.astype("<u4") << 16).view("<f4")
        outputs[output.name] = values
    return outputs
