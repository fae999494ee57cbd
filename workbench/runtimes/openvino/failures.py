"""What OpenVINO says when it fails, as one sentence that names the node, where it does, and the reason."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.errors import WorkbenchError

_NODES = (
    re.compile(r"ONNX node '<Node\((?P<op>[^)]*)\): (?P<name>.*?)>'(?:: (?P<why>(?!Check ').+))?"),
    re.compile(r"While validating node '\w+::(?P<op>\w+) .*' with friendly_name '(?P<name>.*?)'(?P<why>)"),
    re.compile(r"\[CPU\] (?P<op>\S+) node with name '(?P<name>.*?)'(?P<why>)"),
)
"""How it names a node while it reads it and while it runs it."""
_NO_RULE = "No conversion rule found for operations: "
_SUMMARY = "Summary:"


def reason(error: Exception, path: Path | None = None) -> str:
    """The sentence in an OpenVINO error that says what is wrong, after the places in its source.

    ``path`` is the file that it is about: there the nodes are looked up that OpenVINO has no rule for.
    """
    text = str(error)
    lines = [line.strip(" -") for line in text.partition(_SUMMARY)[0].splitlines() if line.strip(" -")]
    if _NO_RULE in text:  # then other nodes may fail for want of these
        kinds = text.partition(_NO_RULE)[2].splitlines()[0].split(", ")
        return "no rule for " + ", ".join(f"{kind}{_nodes(kind, path)}" for kind in kinds)
    for known in _NODES:
        if match := known.search(text):
            return f"node {match['name']!r} ({match['op']}): {match['why'] or lines[-1]}"
    every = [line.strip(" -") for line in text.splitlines() if line.strip(" -")]
    return every[-1] if every else type(error).__name__


def _nodes(kind: str, path: Path | None) -> str:
    """The first node of a kind that OpenVINO names by domain, operator and version."""
    from workbench.graphs.plain import name_of
    from workbench.graphs.read import read_model
    from workbench.graphs.walk import nodes_of

    op = re.sub(r"-\d+$", "", kind).rpartition(".")[2]
    try:
        nodes = nodes_of(read_model(path)) if path is not None and path.suffix == ".onnx" else iter(())
        name = next((name_of(node) for node in nodes if node.op_type == op), "")
    except WorkbenchError:
        return ""
    return f" (node {name!r})" if name else ""
