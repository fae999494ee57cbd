"""What ONNX Runtime says when it fails, as one sentence that names the node and the reason."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.errors import WorkbenchError

_CLASS = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : ")
_LOADING = re.compile(r"^(Load model from .*? failed:|Exception during initialization: )", re.DOTALL)
_POSITION = re.compile(r"(^|\s)\S+\.(?:cc|cpp|h):\d+ ")
"""Where in its source something was noticed; the name of a function follows, with its types or alone."""
_RUNNING = re.compile(
    r"^Non-zero status code returned while running (?P<op>\S+) node\. Name:'(?P<name>.*?)' Status Message: (?P<why>.*)",
    re.DOTALL,
)
_NO_KERNEL = re.compile(
    r"^Could not find an implementation for (?P<op>\w+)\((?P<version>\d+)\) node with name '(?P<name>.*)'"
)


def reason(error: Exception, path: Path) -> str:
    """The sentence in an error of the runtime over the file at ``path``, without places in the runtime's source."""
    text = _LOADING.sub("", _CLASS.sub("", str(error), count=1))
    if running := _RUNNING.match(text):
        return f"node {_named(running['op'], running['name'], path)}: {_one_line(running['why'])}"
    if missing := _NO_KERNEL.match(text):
        node = _named(missing["op"], missing["name"], path)
        return f"node {node}: no kernel for version {missing['version']} of the operator with its types"
    return _one_line(text)


def _named(op: str, name: str, path: Path) -> str:
    """A node by its name; one without, by what it makes, where only one of its kind is in the file."""
    from workbench.graphs.plain import name_of
    from workbench.graphs.read import read_model
    from workbench.graphs.walk import nodes_of

    if not name:
        try:
            alike = [node for node in nodes_of(read_model(path)) if node.op_type == op]
        except WorkbenchError:
            alike = []
        name = name_of(alike[0]) if len(alike) == 1 else ""
    return f"{name!r} ({op})" if name else f"without a name ({op})"


def _one_line(text: str) -> str:
    text = _CLASS.split(text)[-1]  # an error within an error has the reason
    position = _POSITION.search(text)
    if position:
        text = text[: position.start()] + " " + _behind_function(text[position.end() :])
    return " ".join(text.split()).rstrip(" .") or "no reason is given"


def _behind_function(text: str) -> str:
    """The text without the function that it begins with: a signature up to its last bracket, or one word."""
    head, bracket, _ = text.partition("(")
    if not bracket or "::" not in head:
        return text.partition(" ")[2]
    at, depth = len(head), 0
    while at < len(text):
        depth += (text[at] in "([") - (text[at] in ")]")
        at += 1
        if not depth:
            more = text[at : at + 2] in (" [", "::")  # its types, a function within it
            if not more and text[at - 1] in ")]":
                break
    return text[at:].lstrip("> ").removeprefix("const ")
