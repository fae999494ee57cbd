"""Keys follow the code: a result is recomputed when a module that it reaches changes its behaviour, and only then."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import grimp
import pytest

from tests import ROOT
from workbench.compress.registry import StepContext, steps
from workbench.export.stored import stored_export
from workbench.progress import quiet
from workbench.runtimes.base import run_by
from workbench.store import depends
from workbench.store.depends import LEFT_OUT, closure, depends_on
from workbench.store.store import Store


def asked() -> dict[str, tuple[str, ...]]:
    """Every result whose key the package makes: where ``depends_on`` is called, with the modules named there."""
    found = {f"step {kind}": (step.apply.__module__,) for kind, step in steps().items()}
    for file in sorted((ROOT / "workbench").rglob("*.py")):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        tree = ast.parse(file.read_text())
        known = {node.name: module for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                known |= {alias.asname or alias.name: str(node.module) for alias in node.names}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "depends_on":
                inside = [part for arg in node.args for part in ast.walk(arg)]
                roots = [known[part.id] for part in inside if isinstance(part, ast.Name) and part.id in known]
                roots += [part.value for part in inside if isinstance(part, ast.Constant)]
                found[f"{module}:{node.lineno}"] = tuple(r for r in roots if str(r).startswith("workbench."))
    return {name: roots for name, roots in found.items() if roots and not name.startswith("workbench.recipe.plan:")}


@cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph("workbench", exclude_type_checking_imports=True, cache_dir=None)


def reached(roots: tuple[str, ...]) -> set[str]:
    """What an importer of ``roots`` would execute, by another program's reading of the source."""
    found: set[str] = set()
    todo = [name for root in roots for name in (root, *_graph().find_descendants(root))]
    while todo:
        name = todo.pop()
        if name in found or name in LEFT_OUT:
            continue
        found.add(name)
        todo += _graph().find_modules_directly_imported_by(name)
        todo += [name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)]
        todo += _started(name)
    return found


def _started(module: str) -> Iterator[str]:
    """Modules that are named in a string, such as one that a child process runs, and those that a package scans."""
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if "iter_modules(__path__)" in file.read_text():
        yield from _graph().find_children(module)
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in _graph().modules:
            yield node.value


def test_each_module_changes_the_results_that_import_it_and_no_others(package_copy: Path):
    results = asked()
    assert len(results) > 15
    expected = {name: reached(roots) for name, roots in results.items()}
    before = {name: depends_on(*roots)["code"] for name, roots in results.items()}
    wrong, table = [], []
    for file in sorted(package_copy.rglob("*.py")):
        module = ".".join(file.relative_to(package_copy.parent).with_suffix("").parts).removesuffix(".__init__")
        source = file.read_bytes()
        file.write_bytes(source + b"\n_EDITED = True\n")
        changed = {name for name, roots in results.items() if depends_on(*roots)["code"] != before[name]}
        file.write_bytes(source)
        wanted = {name for name in results if module in expected[name]}
        wrong += [] if changed == wanted else [(module, sorted(changed ^ wanted))]
        table.append(f"{module:70} {', '.join(sorted(changed)) or '-'}")
    print("\n".join(table))
    assert not wrong


QUIET_EDITS = {
    "a comment": ("import math", "import math  # for pi"),
    "a docstring": ('"""Area."""', '"""The area of a disc."""'),
    "an annotation": ("def area(r: float) -> float:", "def area(r: int) -> object:"),
    "the words of an error": ('raise ValueError("negative")', 'raise ValueError(f"found {r}, needs 0 or more")'),
    "a type-only import": ("    import fractions", "    import decimal"),
    "what a step says that it takes": ("        return facts", "        return 2 * facts"),
}
SOURCE = '''"""Discs."""
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import fractions


def area(r: float) -> float:
    """Area."""
    if r < 0:
        raise ValueError("negative")
    return math.pi * r**2


class Disc:
    def cost(self, facts):
        return facts
'''


@pytest.mark.parametrize("what", QUIET_EDITS)
def test_what_changes_no_result_changes_no_key(package_copy: Path, what: str):
    (package_copy / "disc.py").write_text(SOURCE)
    before = depends_on("workbench.disc")
    assert QUIET_EDITS[what][0] in SOURCE
    (package_copy / "disc.py").write_text(SOURCE.replace(*QUIET_EDITS[what]))
    assert depends_on("workbench.disc") == before


def test_what_is_computed_changes_the_key(package_copy: Path):
    (package_copy / "disc.py").write_text(SOURCE)
    before = depends_on("workbench.disc")["code"]
    for change in (("r**2", "r**3"), ("r < 0", "r <= 0"), ("raise ValueError(", "raise KeyError(")):
        (package_copy / "disc.py").write_text(SOURCE.replace(*change))
        assert depends_on("workbench.disc")["code"] != before


def test_imports_inside_functions_count_with_their_libraries_and_files(package_copy: Path):
    (package_copy / "disc.py").write_text(SOURCE)
    (package_copy / "shapes").mkdir()
    (package_copy / "shapes" / "square.html").write_text("<p>")
    (package_copy / "page.py").write_text(
        "from pathlib import Path\nSHAPES = Path(__file__).parent / 'shapes'\n"
        "def draw():\n    import PIL.Image\n    from workbench.disc import area\n    return area, PIL\n"
    )
    assert closure("workbench.page") == ["workbench.disc", "workbench.page"]
    before = depends_on("workbench.page")
    assert list(before["libraries"]) == ["pillow"]
    (package_copy / "shapes" / "square.html").write_text("<p>other")
    depends._parsed.cache_clear()
    assert depends_on("workbench.page")["code"] != before["code"]


def test_installing_an_extra_makes_no_stored_result_new():
    """``make test`` installs all of them: what ``make run`` made before it is still found."""
    asks = importlib.metadata.requires("edge-workbench") or []
    extras = {re.split(r"[\s<>=!~;\[]", line)[0] for line in asks if "extra ==" in line}
    assert {"openvino", "pyarrow"} <= extras
    followed = {name: extras & depends_on(*roots)["libraries"].keys() for name, roots in asked().items()}
    assert {name: found for name, found in followed.items() if found} == {}
    assert "openvino" in depends_on(run_by("openvino"))["libraries"], "what it computes follows its version"


def test_files_beside_a_package_are_part_of_it(package_copy: Path):
    template = package_copy / "report" / "sections" / "quality" / "section.html"
    before = depends_on("workbench.report.sections")["code"]
    template.write_text(template.read_text() + "<p>")
    depends._parsed.cache_clear()
    assert depends_on("workbench.report.sections")["code"] != before


def test_a_root_that_is_no_module_is_refused(package_copy: Path):
    with pytest.raises(ModuleNotFoundError):
        depends_on("workbench.no_such")


@pytest.mark.parametrize(
    ("kind", "config", "model"),
    [
        ("remove_blocks", {"layout": "bk-tiny"}, "base"),
        ("quantize", {"calibration": {"prompts": 1, "steps": 1}}, "tiny"),
    ],
)
def test_what_a_config_says_it_never_reaches_is_not_missed(
    kind: str,
    config: dict,
    model: str,
    request: pytest.FixtureRequest,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    step, parent = steps()[kind], request.getfixturevalue(model)
    asked = step.config.model_validate(config)
    assert asked.unreached()
    for name in asked.unreached():
        monkeypatch.setitem(sys.modules, name, None)
        package, _, module = name.rpartition(".")
        monkeypatch.delattr(importlib.import_module(package), module, raising=False)
    export = partial(stored_export, store=store)
    ctx = StepContext(parent, parent, 0, None, tmp_path, tmp_path / "state", quiet, export)
    assert step.apply(ctx, asked).components
