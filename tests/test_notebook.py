"""docs/notebook.ipynb runs from top to bottom as it stands, and shows what it says."""

from __future__ import annotations

import nbclient
import nbformat
import pytest

from tests import ROOT

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


@pytest.fixture(scope="module")
def stored() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed(stored, exported, shared, tmp_path_factory) -> dict[str, nbformat.NotebookNode]:
    """The cells after a run of all, by their code; in a folder with nothing but the embedded model's exports."""
    folder = tmp_path_factory.mktemp("notebook")
    shared.given_to(folder / ".workbench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.delenv("WORKBENCH_STORE", raising=False)
        about = {"metadata": {"path": str(folder)}}
        done = nbclient.NotebookClient(nbformat.from_dict(stored), timeout=600, resources=about).execute()
    assert (folder / "reports" / "bk_tiny_w8a8.html").is_file()
    return {cell.source: cell for cell in done.cells if cell.cell_type == "code"}


def shown(cells: dict[str, nbformat.NotebookNode], source: str, kind: str) -> str:
    """What the cell whose code ends so shows, as ``kind``."""
    (cell,) = [cell for code, cell in cells.items() if code.endswith(source)]
    return "".join(output.get("data", {}).get(kind, output.get("text", "")) for output in cell.outputs)


def test_it_is_kept_without_outputs(stored):
    cells = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)


@pytest.mark.parametrize(
    ("source", "kind", "holds"),
    [
        ("\nmeasured", "text/html", "Sequential"),
        ("progress=False))", "text/plain", "bk_tiny_w8a8: can be run"),
        ("small, progress=False)\nrun", "text/html", "data:image/png;base64,"),
        ("\nrun.candidates", "text/html", "remove_blocks → quantize"),
        ('"reason"]]', "text/html", "<td>True</td>"),
        ('nlargest(5, "bk_tiny")', "text/html", "up_blocks."),
        ("print(error)", "text/plain", "--set distill.step=20: "),
    ],
)
def test_its_cells_show_what_they_say(executed, source, kind, holds):
    assert holds in shown(executed, source, kind)
