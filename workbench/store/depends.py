"""The code that a result depends on, derived from the source: the import closure of the functions that make it.

Imports inside functions count, those for types only (``if TYPE_CHECKING``) don't. Modules are hashed by what they do:
comments, docstrings, annotations, descriptions of keys and the text of errors can change freely. What a registry loads
by name is not an import: its callers name the module as a further root. A library that a module may lack
(``except ImportError``) doesn't count for it: installing an extra makes no stored result new. Files that a module reads
from its own folder (``Path(__file__).parent / "templates"``) are part of it, and so are those beside a package's
``__init__.py``.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import pkgutil
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = __name__.partition(".")[0]
ROOT = Path(__file__).parents[1]
LEFT_OUT = frozenset(
    f"{PACKAGE}{name}"
    for name in ("", ".errors", ".log_filters", ".progress", ".store.depends", ".store.files", ".store.follower")
) | {
    f"{PACKAGE}.{name}"
    for name in (
        *("limits", "system", "store.store", "store.taken", "store.memory"),
        *("forecast", "forecast.cost", "forecast.shapes", "compress.quantize.forecast"),
    )
}
"""What no result depends on: messages, progress, what it was said to take, and the store itself, which decides where a
result is, not what it is. The package's ``__init__`` only sets what libraries report."""
COST = ["self", "facts"]
"""The arguments of the method ``cost``, by which a step says what it takes: no part of what it gives."""
RESOURCES = frozenset({".c", ".css", ".h", ".html", ".j2", ".js", ".json", ".sh", ".yaml"})
"""Files that are hashed as code; weights and pictures enter a key by their own contents."""

Root = str | Callable[..., Any]


@dataclass(frozen=True)
class _Module:
    digest: str
    imports: frozenset[str]
    libraries: frozenset[str]


def depends_on(*roots: Root, without: Collection[str] = ()) -> dict[str, Any]:
    """The code and the libraries that a result of ``roots`` depends on, as part of its key (JSON).

    Args:
        roots: functions that make the result, or dotted names of modules and packages (all their modules).
        without: modules that are imported but not used for this result.

    Returns:
        ``code``: SHA-256 over all modules of the closure; ``libraries``: installed distribution to version.

    Raises:
        ModuleNotFoundError: a root is no module of this package.
    """
    digest = hashlib.sha256()
    libraries: set[str] = set()
    for name in closure(*roots, without=without):
        module = _read(name)
        digest.update(f"{name}\0{module.digest}\n".encode())
        libraries |= module.libraries
    return {"code": digest.hexdigest(), "libraries": library_versions(libraries)}


def closure(*roots: Root, without: Collection[str] = ()) -> list[str]:
    """Names of all modules that ``roots`` import directly or indirectly, themselves included, sorted."""
    reached: set[str] = set()
    todo = [name for root in roots for name in _modules_of(root)]
    while todo:
        name = todo.pop()
        if not (name in reached or name in LEFT_OUT or name in without):
            reached.add(name)
            todo += _read(name).imports
    return sorted(reached)


def library_versions(imported: Iterable[str]) -> dict[str, str]:
    """Versions of the installed distributions that provide the named packages, without importing them."""
    return dict(sorted(version for name in imported for version in _distributions(name)))


def _modules_of(root: Root) -> list[str]:
    if not isinstance(root, str):
        return [root.__module__]
    file = _file(root)
    if file is None:
        raise ModuleNotFoundError(root)
    if file.name != "__init__.py":
        return [root]
    modules = (path.relative_to(ROOT).with_suffix("").parts for path in sorted(file.parent.rglob("*.py")))
    return [".".join((PACKAGE, *parts)).removesuffix(".__init__") for parts in modules]


def _file(name: str) -> Path | None:
    """The source of a module of this package; None where there is none of that name."""
    return _source(ROOT, name)


@cache
def _source(root: Path, name: str) -> Path | None:
    package, *parts = name.split(".")
    if package != PACKAGE or not all(part.isidentifier() for part in parts):
        return None
    path = root.joinpath(*parts)
    return next((f for f in (path.with_suffix(".py"), path / "__init__.py") if f.is_file()), None)


def _read(name: str) -> _Module:
    file = _file(name)
    if file is None:
        raise ModuleNotFoundError(name)
    return _parsed(name, file, file.stat().st_mtime_ns)


@cache
def _parsed(name: str, file: Path, _mtime_ns: int) -> _Module:
    tree = ast.parse(file.read_bytes())
    digest = hashlib.sha256(ast.dump(_WithoutText().visit(tree)).encode())
    beside = file.parent.iterdir() if file.name == "__init__.py" else ()
    for resource in sorted({*_resources(tree, file), *(f for f in beside if f.suffix in RESOURCES)}):
        digest.update(f"{resource.relative_to(ROOT)}\0".encode() + resource.read_bytes())
    imported = set(_imported(tree, file))
    internal = {target for import_ in imported if (target := _target(import_)) is not None}
    parents = {name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)}
    libraries = {import_.partition(".")[0] for import_ in imported} - {PACKAGE} - sys.stdlib_module_names
    libraries -= {import_.partition(".")[0] for import_ in _optional(tree, file)}
    return _Module(digest.hexdigest(), frozenset(internal | parents), frozenset(libraries))


def _target(name: str) -> str | None:
    """The module that an import of ``a.b.c`` reads: itself, or ``a.b`` where ``c`` is a name in it."""
    while name.startswith(f"{PACKAGE}."):
        if _file(name) is not None:
            return name
        name = name.rpartition(".")[0]
    return None


def _imported(tree: ast.AST, file: Path) -> Iterator[str]:
    """Dotted names of all imports, and of this package's modules that are started by name.

    A package that iterates over its own ``__path__`` imports all its modules.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _file(node.value) is not None:
            yield node.value
        elif isinstance(node, ast.Call) and ast.unparse(node) == "pkgutil.iter_modules(__path__)":
            package = ".".join((PACKAGE, *file.parent.relative_to(ROOT).parts))
            yield from (f"{package}.{module.name}" for module in pkgutil.iter_modules([str(file.parent)]))


def _optional(tree: ast.AST, file: Path) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and any("ImportError" in ast.unparse(h.type) for h in node.handlers if h.type):
            for statement in node.body:
                yield from _imported(statement, file)


def _resources(tree: ast.AST, module: Path) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
            path = _beside(node, module)
            if path is not None and path.exists():
                files = path.rglob("*") if path.is_dir() else [path]
                yield from (file for file in files if file.suffix in RESOURCES)


def _beside(node: ast.expr, module: Path) -> Path | None:
    """The path that an expression such as ``Path(__file__).parent / "a" / "b"`` means."""
    if isinstance(node, ast.BinOp) and isinstance(node.right, ast.Constant):
        left = _beside(node.left, module)
        return None if left is None else left / str(node.right.value)
    up = re.fullmatch(r"Path\(__file__\)\.parent(?:s\[(\d)\])?", ast.unparse(node))
    return module.parents[int(up[1] or 0)] if up else None


class _WithoutText(ast.NodeTransformer):
    """Removes from a module what changes no result."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return ast.Pass() if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return ast.Raise(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(node.arg)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        if node.name == "cost" and [argument.arg for argument in node.args.args] == COST:
            return None
        node.returns = None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.keywords = [keyword for keyword in node.keywords if keyword.arg not in ("description", "hint")]
        return self.generic_visit(node)


@cache
def _distributions(imported: str) -> tuple[tuple[str, str], ...]:
    """Installed distributions that provide a top-level package, with their versions; mostly one of the same name."""
    try:
        return ((imported, importlib.metadata.version(imported)),)
    except importlib.metadata.PackageNotFoundError:
        return tuple((name, importlib.metadata.version(name)) for name in set(_providers().get(imported, ())))


@cache
def _providers() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())
