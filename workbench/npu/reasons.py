"""Why a node stays off the NPU, in plain words, and what would mend it (``reasons.yaml``)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.graphs.layer_names import Names

_FILE = Path(__file__).parent / "reasons.yaml"


def in_words(reason: str, op: str, npu_op: str, names: Names, index: int | None) -> tuple[str, str]:
    """Why a node is off the NPU, and what would mend it; where nobody knows, the compiler's own words, and "".

    ``npu_op``: what the NPU has in place of ``op``. ``index``: of the node in ``names``; None: the runtime made it.
    """
    rule = next((rule for rule in _rules() if _fits(rule, reason, op, names, index)), None)
    if rule is None:
        return " ".join(reason.split()).rstrip("."), ""
    words = {"op": op, "npu_op": npu_op or op, "reader": _reader(names, index)}
    return rule["why"].format(**words), rule["mend"].format(**words)


def _fits(rule: Mapping[str, Any], reason: str, op: str, names: Names, index: int | None) -> bool:
    if not re.search(rule["reason"], reason) or not re.fullmatch(rule.get("op", ".*"), op):
        return False
    return not rule.get("mixed") or (index is not None and _mixed(names, index))


def _mixed(names: Names, index: int) -> bool:
    """Whether a node reads dequantized integers and no QuantizeLinear follows."""
    proto = names.nodes[index].proto
    reads = {names.nodes[names.producer[v]].proto.op_type for v in proto.input if v in names.producer}
    return "DequantizeLinear" in reads and "QuantizeLinear" not in _ops(names, proto.output)


def _ops(names: Names, values: Collection[str]) -> set[str]:
    return {names.nodes[user].proto.op_type for value in values for user in names.users[value]}


def _reader(names: Names, index: int | None) -> str:
    """The operator that reads what a node gives; the layer of both is the same."""
    outputs = () if index is None else names.nodes[index].proto.output
    return next(iter(sorted(_ops(names, outputs))), "node")


@cache
def _rules() -> list[dict[str, Any]]:
    import yaml

    rules: list[dict[str, Any]] = yaml.safe_load(_FILE.read_text())
    return rules
