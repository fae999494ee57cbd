"""``import workbench as wb``: light, every name there, and those of halls are functions and modules."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

import workbench as wb
from tests import ROOT
from tests.fixtures.command import process


def python(code: str) -> subprocess.CompletedProcess[str]:
    return process([sys.executable, "-c", code])


def test_importing_loads_nothing_of_it():
    done = python("import sys; before = {*sys.modules}; import workbench; print({*sys.modules} - before)")
    loaded = {name.partition(".")[0] for name in ast.literal_eval(done.stdout)}
    assert loaded - sys.stdlib_module_names == {"workbench", "openvino_telemetry"}


def test_every_name_is_there_for_people_and_type_checkers():
    assert {*wb.__all__} <= {*dir(wb)}
    assert all(callable(getattr(wb, name)) for name in wb.__all__)
    for file in ("__init__.py", "api/__init__.py"):  # the first is read by type checkers alone
        tree = ast.parse((ROOT / "workbench" / file).read_text())
        froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        offered = {a.name for node in froms if node.module != "workbench.log_filters" for a in node.names}
        assert offered - {"TYPE_CHECKING", "Any"} == {*wb.__all__}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'runn'"):
        wb.runn  # noqa: B018


def test_a_function_stays_one_when_its_hall_is_imported_before_or_after():
    done = python(
        "import inspect, workbench as wb\n"
        "first = inspect.signature(wb.run)\n"
        "import workbench.run.chain, workbench.profile.read\n"
        "from workbench.run import chain\n"
        "assert wb.run.chain is chain and wb.profile.read\n"
        "assert first == inspect.signature(wb.run) and 'inputs' in inspect.signature(wb.profile).parameters\n"
        "for call in (wb.run, wb.check):\n"
        "    try: call('nothing.here')\n"
        "    except wb.InputError as error: print(error.message)\n"
    )
    assert done.stdout == "nothing.here: no such file\n" * 2, done.stderr
