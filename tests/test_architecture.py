"""The house keeps its order: imports go down the halls of docs/architecture.md and never round; rooms stay small."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import ROOT

PACKAGE = ROOT / "workbench"
HALLS = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "architecture.md").read_text(), re.M)
"""Top to bottom. The page is the only place where the order is told."""
MOST_FILES, MOST_LINES = 20, 400
AT_START = {"typer"}
"""The libraries that ``workbench --help`` may load."""


class Import(NamedTuple):
    """``kind``: ``start`` where the importing module is loaded with it, ``later`` in a function, ``type`` for types."""

    importer: str
    imported: str
    line: int
    kind: str

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name; a folder's ``__init__`` by the folder's."""
    files = sorted(PACKAGE.rglob("*.py"))
    return {".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): f for f in files}


@cache
def imports() -> list[Import]:
    """Every import of every module; from the package as the module that is meant, others as the library's name."""
    return [found for name, path in modules().items() for found in _imports(name, ast.parse(path.read_text()), "start")]


def _imports(name: str, node: ast.AST, kind: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inner = kind
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inner = "later" if kind == "start" else kind
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            inner = "type"
        elif isinstance(child, ast.Import):
            yield from (Import(name, _meant(alias.name), child.lineno, kind) for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            for alias in child.names:
                inside = f"{child.module}.{alias.name}"
                yield Import(name, inside if inside in modules() else _meant(child.module), child.lineno, kind)
        yield from _imports(name, child, inner)


def _meant(module: str) -> str:
    return module if module in modules() else module.partition(".")[0]


def hall(module: str) -> str | None:
    """The top-level folder of a module of the package; None for those that stand beside the halls."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (PACKAGE / parts[1]).is_dir() else None


def circle(edges: dict[str, dict[str, Import]]) -> list[Import]:
    """Some circle in a graph; empty where there is none."""
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        done.add(node)
        return next((found for after in edges.get(node, ()) if (found := walk(after, [*path, node]))), [])

    round_ = next((found for node in list(edges) if (found := walk(node, []))), [])
    return [edges[a][b] for a, b in pairwise(round_)]


def test_the_page_names_every_hall_once():
    assert sorted(HALLS) == sorted(f.parent.name for f in PACKAGE.glob("*/__init__.py"))


def test_imports_go_down_the_halls():
    """Imports for types count, too: what a function is given is part of what it knows."""
    place = {name: i for i, name in enumerate(HALLS)}
    wrong = []
    for found in imports():
        above, below = hall(found.importer), hall(found.imported)
        if found.importer == "workbench":
            wrong += [str(found)] if below != "api" and below else []  # the front door leads to the hall for visitors
        elif below and (above is None or place[above] > place[below]):
            wrong.append(str(found))
    assert wrong == []


def test_nothing_is_imported_round():
    """At every level: halls, the folders and modules of a hall, and so on. A circle of modules is one at some level."""
    levels: dict[str, dict[str, dict[str, Import]]] = defaultdict(lambda: defaultdict(dict))
    for found in imports():
        if found.kind == "type" or found.imported not in modules():
            continue
        a, b = found.importer.split("."), found.imported.split(".")
        shared = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
        if shared is not None:
            levels[".".join(a[:shared])][a[shared]].setdefault(b[shared], found)
    circles = {level: list(map(str, circle(edges))) for level, edges in levels.items()}
    assert {level: found for level, found in circles.items() if found} == {}


def test_help_loads_no_library_but_that_of_the_command_line():
    start: dict[str, set[str]] = defaultdict(set)
    for found in imports():
        if found.kind == "start":
            start[found.importer].add(found.imported)
    loaded, todo = set(), ["workbench.cli.main"]
    while todo:
        name = todo.pop()
        todo += start.get(name, set()) - loaded
        loaded |= start.get(name, set())
    assert {name for name in loaded if name not in modules()} - sys.stdlib_module_names == AT_START


@pytest.mark.parametrize("root", ["workbench", "tests"])
def test_rooms_stay_small(root):
    files = list((ROOT / root).rglob("*.py"))
    crowded = {str(f.parent.relative_to(ROOT)) for f in files if len(list(f.parent.glob("*.py"))) > MOST_FILES}
    long = {str(f.relative_to(ROOT)) for f in files if len(f.read_text().splitlines()) > MOST_LINES}
    assert (crowded, long) == (set(), set())
