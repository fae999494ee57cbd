"""How the runner ended, in a sentence. The codes are those of ``runner/say.h``."""

from __future__ import annotations

import re

RUNNER = {
    64: "the runner was called wrongly",
    65: "the ONNX Runtime library can't be used",
    66: "ONNX Runtime refuses the model",
    67: "memory ran out",
    68: "a result can't be written",
    69: "the execution provider can't be used",
    70: "a pass failed",
    71: "an input can't be used",
    72: "the time limit was reached and the runner ended itself",
    73: "nobody read the runner's output, so it ended itself",
    74: "the requested cores aren't available",
}
NOT_STARTED, NOT_FOUND = 126, 127
_SHELL = {
    NOT_STARTED: "the runner can't be started there (the folder forbids programs, or the file is for another machine)",
    NOT_FOUND: "the runner isn't there, or the dynamic linker that it needs isn't",
}
_SIGNALS = {
    1: "it lost its terminal",
    2: "it was interrupted",
    4: "it used an instruction that this processor doesn't have (SIGILL)",
    6: "it was aborted by a failed check of its own (SIGABRT)",
    7: "it read memory that can't be read (SIGBUS)",
    9: "it was killed, most likely because memory ran out (SIGKILL)",
    11: "it crashed (SIGSEGV)",
    15: "it was terminated (SIGTERM)",
}
_CRASH = "does another version of the library do the same (--ort-library)? and the same model on the host?"
HINTS = {
    65: "give the library for this device with --ort-library",
    66: "does the host load it (--target host)? if so, give a newer library with --ort-library",
    67: "a smaller model, or fewer things running on the device",
    68: "check the free space on the device",
    69: "drop the provider, or give a library that has it with --ort-library",
    72: "raise the time limit, or ask for fewer iterations",
    74: "ask for cores that are online on the device",
    126: "does the storage of /data/local/tmp allow programs? if so, clean our folder: workbench devices clean",
    127: "clean our folder, so that all is pushed again: workbench devices clean",
    132: _CRASH,
    134: _CRASH,
    135: _CRASH,
    137: "a smaller model, or fewer things running on the device",
    139: _CRASH,
}
"""What would help, by exit code."""
_TOO_NEW = (
    re.compile(r"[Uu]nsupported model IR version: (?P<has>\d+), max supported IR version: (?P<most>\d+)"),
    re.compile(r"[Oo]pset (?P<has>\d+) is under development.*till opset (?P<most>\d+)", re.DOTALL),
)
_MISSING = (
    re.compile(r"Could not find an implementation for (?P<op>[\w.]+)\((?P<v>-?\d+)\) node with name '(?P<node>[^']*)'"),
    re.compile(r"(?P<domain>[\w.]+):(?P<op>\w+)\((?P<v>-?\d+)\) is not a registered function/op"),
    re.compile(r"No Op registered for (?P<op>\w+) with domain_version of (?P<v>\d+)"),
)
_NOT_ONNX = "Protobuf parsing failed"


def how_it_ended(code: int) -> str:
    """The sentence of an exit code as the device's shell reports it or, negative, as ``subprocess`` does."""
    if as_shell(code) - 128 in _SIGNALS:
        return f"the runner ended early: {_SIGNALS[as_shell(code) - 128]}"
    return RUNNER.get(code) or _SHELL.get(code, f"the runner ended with exit code {code}, which is none of its own")


def as_shell(code: int) -> int:
    """An exit code as a shell reports it: 128 and more for a signal."""
    return 128 - code if code < 0 else code


def about_model(message: str, version: str | None = None) -> str:
    """ONNX Runtime's message about a model; the known ones of a library that is too old in plain words before it.

    Args:
        message: the library's own.
        version: of the library, where known.
    """
    library, text = f"ONNX Runtime {version}" if version else "this ONNX Runtime", _short(message)
    for pattern in _TOO_NEW:
        if match := pattern.search(message):
            kind = "IR version" if "IR version" in match[0] else "opset"
            return (
                f"the model is too new for {library}: it has {kind} {match['has']}, {match['most']} is the newest it "
                f"takes; give a newer library ({text})"
            )
    for pattern in _MISSING:
        if match := pattern.search(message):
            parts = match.groupdict()
            name = f"{parts['domain']}:{parts['op']}" if parts.get("domain") else parts["op"]
            at = f" (node {parts['node']})" if parts.get("node") else ""
            return f"{library} has no operator {name} as the model uses it{at}; give a library that has it ({text})"
    if _NOT_ONNX in message:
        return f"the file is cut off or no ONNX file ({text})"
    return message


def _short(message: str) -> str:
    """The beginning of the library's own words, which can run over many lines."""
    words = " ".join(message.split())
    return words if len(words) <= KEPT else f"{words[:KEPT]}…"


KEPT = 240
"""Characters of the library's message that are shown after our own."""
