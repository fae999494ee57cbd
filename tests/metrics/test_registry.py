"""A metric is one file: what others know of it they read from the registry, and so do the docs."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.fixtures.command import environment, process
from workbench.metrics.base import Metric
from workbench.metrics.registry import kinds, limits, metrics, qualities
from workbench.models.candidate import Candidate
from workbench.store.depends import closure
from workbench.store.store import Store

PAGE = (ROOT / "docs" / "metrics.md").read_text()
RECIPE = """
version: 1
name: toy
model: {model}
steps: [{{quantize: {{scheme: fp16}}}}]
evaluate: {{pictures: 3, steps: 2, samples: 1, shown: 2}}
profile: {{runtimes: [onnxruntime], iterations: 3, min_seconds: 0.0, warmup: 1}}
rank: {{maximize: brightness, constraints: {{brightness_drop: 0.9}}}}
"""
RUN = """
import json, sys
from pathlib import Path
from workbench.cli.main import main
from workbench.recipe.schema import Recipe
Path("schema.json").write_text(json.dumps(Recipe.model_json_schema()))
main()
"""


def row(metric: Metric) -> str:
    yes = ["yes" if fact else "" for fact in (metric.maximizable, metric.per_picture)]
    cells = [f"`{metric.name}`", metric.label, metric.unit, metric.better, metric.needed, *yes]
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"


def test_the_page_of_the_docs_says_what_the_metrics_say():
    always, asked, *_ = PAGE.split("\n## ")
    assert [line for line in always.splitlines() if line.startswith("| `")] == [row(m) for m in metrics().values()]
    assert {*re.findall(r"^\| `(\w+)` \|", asked, re.M)} == {*kinds()}


def test_a_metrics_file_has_its_name():
    for name, metric in metrics().items():
        assert (ROOT / "workbench" / "metrics" / f"{name}.py").is_file() and metric.name == name


def test_no_other_file_names_a_metric():
    """Beside the metrics themselves: the search for blocks, whose damage is no score, and the demo's own training."""
    names = "|".join([*metrics(), *limits(metrics())])
    quoted = re.compile(rf"""(["'])({names})\1""")
    files = [f for f in (ROOT / "workbench").rglob("*") if f.suffix in (".py", ".html", ".css", ".js", ".j2")]
    found = {str(f.relative_to(ROOT / "workbench")) for f in files if quoted.search(f.read_text())}
    own = {f"metrics/{name}.py" for name in metrics()}
    search = {"compress/remove_blocks/search/damage.py", *(f for f in found if f.startswith("report/sections/blocks/"))}
    assert found == own | search | {"demo/scorer.py"}


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"better": "one", "per_picture": True}, "can't be compared picture by picture"),
    ],
)
def test_what_a_metric_can_not_be_is_refused(facts, told):
    whole = {"name": "x", "label": "x", "unit": "", "order": 1, "compute": lambda _drawn: None}
    with pytest.raises(ValueError, match=told):
        Metric(**whole, **facts)


def test_nothing_heavy_is_loaded_for_what_metrics_say_of_themselves():
    code = "import sys\nfrom workbench.metrics.registry import metrics\nmetrics()\nprint(sorted(sys.modules))"
    loaded = set(re.findall(r"'(\w+)'", process([sys.executable, "-c", code]).stdout))
    assert "numpy" in loaded and not {"torch", "torchmetrics", "pandas", "pydantic", "scipy"} & loaded


def test_another_metric_draws_no_picture_again(package_copy: Path):
    def drawing() -> list[str]:
        return closure("workbench.evaluate.evaluate", "workbench.export.stored")

    before = drawing()
    (package_copy / "metrics" / "brightness.py").write_text("METRIC = ...")
    assert drawing() == before and not {f"workbench.metrics.{name}" for name in metrics()} & {*before}


@pytest.fixture
def toy(tmp_path: Path, tiny: Candidate, package_copy: Path) -> Path:
    """A recipe that ranks by one more metric, the example of the docs, which stands in a copy of the package."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    (package_copy / "metrics" / "brightness.py").write_text(example)
    (tmp_path / "toy.yaml").write_text(RECIPE.format(model=tiny.source))
    return tmp_path


@pytest.mark.long
def test_a_metric_in_one_file_is_in_schema_scores_ranking_csv_and_report(toy):
    command = [sys.executable, "-c", RUN, "run", "toy.yaml", "--store", "store"]
    done = process(command, toy, env=environment(OMP_NUM_THREADS="1", PYTHONPATH=str(toy)))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "brightness" not in metrics(), "only in the copy"

    schema = json.loads((toy / "schema.json").read_text())["$defs"]
    known = [*qualities(metrics()), "brightness", "speed", "smallness"]
    assert schema["Rank"]["properties"]["maximize"]["examples"] == known

    with (toy / "reports" / "toy.csv").open(newline="") as file:
        rows = {row["candidate"]: row for row in csv.DictReader(file)}
    results = [Store(toy / "store").get(folder.name) for folder in (toy / "store" / "results").iterdir()]
    stored = [result["value"] for result in results if result and "by_picture" in (result.get("value") or {})]
    stored = [value for value in stored if f"{value['value']}" in {row["brightness"] for row in rows.values()}]
    assert {f"{value['value']}" for value in stored} == {row["brightness"] for row in rows.values()}
    assert all(len(value["by_picture"]) == 3 and 0 < value["value"] < 1 for value in stored)
    brightest = max(rows.values(), key=lambda row: float(row["brightness"]))["candidate"]
    (chosen,) = (row for row in rows.values() if row["chosen"] == "True")
    assert "the best in mean brightness" in chosen["reason"] and f"ship {chosen['candidate']}" in done.stdout
    tie = f"as good in mean brightness as {chosen['candidate']} within the noise"  # of three pictures
    assert chosen["candidate"] == brightest or rows[brightest]["reason"].startswith(tie)

    page = (toy / "reports" / "toy.html").read_text()
    assert "best mean brightness with mean brightness at most 90 % below base" in page
    for section in ("headline", "candidates", "steps-bought", "quality"):
        (text,) = re.findall(rf'<section id="{section}".*?</section>', page, re.S)
        assert "ean brightness" in text, section
