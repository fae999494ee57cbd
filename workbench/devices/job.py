"""A call of the runner, and what comes back: its lines and its outputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.devices.exits import HINTS, NOT_FOUND, NOT_STARTED, about_model, as_shell, how_it_ended
from workbench.devices.providers import Provider
from workbench.devices.result import Result
from workbench.errors import InputError, RunError
from workbench.runtimes.onnxruntime.session import SESSION_CONFIG

if TYPE_CHECKING:
    import numpy as np

KEPT_LINES = 20
_NOT_PLAIN = ("library", "models", "providers", "config", "phases", "faults")
"""Fields of a job that aren't the value of the option of their name."""


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
        words: list[str] = ["--lib", self.library]

        def add(option: str, *values: object) -> None:
            for value in values:
                words.extend((f"--{option.replace('_', '-')}", str(value)))

        for model in self.models:
            add("model", model.file)
            add("data", *model.data)
            add("input", *(f"{name}={file}" for name, file in model.inputs.items()))
            add("shape", *(f"{name}={'x'.join(map(str, shape))}" for name, shape in model.shapes.items()))
        for provider in self.providers:
            add("provider", provider.name)
            add("provider_option", *(f"{key}={value}" for key, value in provider.options.items()))
        add("config", *(f"{key}={value}" for key, value in self.config.items()))
        add("phases", ",".join(self.phases))
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _NOT_PLAIN}
        for option, setting in {**plain, **self.faults}.items():
            if setting is not None:
                add(option, setting)
        return words

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

    ``events``: the newest of each kind (``start``, ``progress``, ``error``, ``done``). ``other``: the last lines that
    weren't the runner's (a linker's warnings, a shell's complaint).
    """

    def __init__(self, on_event: Callable[[dict[str, Any]], None] | None = None) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.other: list[str] = []
        self._on_event = on_event

    def feed(self, line: str) -> None:
        """Takes one line."""
        try:
            event = json.loads(line)
            self.events[event["event"]] = event
        except (ValueError, TypeError, KeyError):
            self.other = [*self.other, *filter(None, [line.strip()])][-KEPT_LINES:]
            return
        if self._on_event:
            self._on_event(event)

    @property
    def error(self) -> tuple[int | None, str]:
        """The runner's own exit code (None: no error) and message."""
        event = self.events.get("error", {})
        return event.get("code"), str(event.get("message", "")).strip()

    @property
    def version(self) -> str | None:
        """The library's version, once the runner has started it."""
        return self.events["start"]["library"]["version"] if "start" in self.events else None


def failure(stream: Stream, code: int | None, stderr: str = "") -> RunError | None:
    """What went wrong, in a sentence; None where the runner said ``done`` and ended well.

    Exit code 0 alone proves nothing: adb gives it too when the device vanishes.

    Args:
        stream: all that the runner printed.
        code: its exit code as adb or subprocess gave it; None where it isn't known.
        stderr: what came on standard error.
    """
    own, message = stream.error
    if "done" in stream.events and code in (0, None) and own is None:
        return None
    ended = code if own is None else own
    if not stream.events and code is not None and 0 < code < NOT_FOUND:
        # Some shells take a program for another machine for a script, with an exit code of their own.
        ended = NOT_STARTED
    if ended in (0, None):
        return RunError(
            "the connection ended before the runner did", hint="see to the cable or the network, then rerun"
        )
    if own == 66:
        message = about_model(message, stream.version)
    text = message or " / ".join([*stream.other[-3:], *stderr.strip().splitlines()[-3:]])
    return RunError(f"{how_it_ended(ended)}{': ' + text if text else ''}", hint=HINTS.get(as_shell(ended)))


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
