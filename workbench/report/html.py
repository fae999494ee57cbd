"""The report: one HTML file that needs nothing else, and one CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.report.data import RunData
from workbench.report.figures import bars
from workbench.report.figures.pareto import pareto
from workbench.report.format import known, seconds
from workbench.report.ranking.rank import Ranking, rank
from workbench.report.sections import (
    block_search,
    budget,
    candidates,
    data_sets,
    facts,
    paired,
    pictures,
    published,
    speedup,
    training,
    why,
)
from workbench.report.sections.layers import payload
from workbench.store.files import write_atomic

TEMPLATES = Path(__file__).parent / "templates"
LIMIT_BYTES = 2_000_000
"""A page that can be attached to an issue; pictures get what the rest leaves of it."""


def write_report(run: RunData, out: Path) -> Path:
    """Ranks the run's candidates and writes ``out/NAME.html`` and ``out/NAME.csv``; the page's path.

    The same run gives the same bytes.

    Raises:
        InputError: the recipe ranks by something that was not measured.
    """
    ranking = rank(run.candidates, run.scores, run.profiles, run.recipe.rank)
    judged = speedup.verdicts(run)
    page = out / f"{run.recipe.name}.html"
    table = ranking.table.copy()
    words = [
        judged[row.target, row.candidate].word if (row.target, row.candidate) in judged else ""
        for row in table.itertuples()
    ]
    table.insert(table.columns.get_loc("reason"), "verdict", words)
    write_atomic(page.with_suffix(".csv"), table.to_csv(index=False, lineterminator="\n"))
    write_atomic(page, render(run, ranking, judged))
    return page


def render(run: RunData, ranking: Ranking, judged: speedup.Verdicts) -> str:
    """The page as a string."""
    values = _values(run, ranking, judged)
    bare = _fill(values | {"pictures": pictures.Pictures([], 0, False)})
    room = LIMIT_BYTES - len(bare.encode()) - 1000
    return _fill(values | {"pictures": pictures.gather(run, run.recipe.evaluate.shown, room)})


def _fill(values: dict[str, Any]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"by_key": facts.by_key, "plain": facts.plain}
    assets = {name: Markup((TEMPLATES / f).read_text()) for name, f in (("css", "style.css"), ("js", "report.js"))}  # noqa: S704
    return environment.get_template("report.html.j2").render(**values, **assets)


def _values(run: RunData, ranking: Ranking, judged: speedup.Verdicts) -> dict[str, Any]:
    """What the template shows."""
    from markupsafe import Markup

    names = [c.name for c in run.candidates]
    subject = ranking.chosen or (ranking.nearest[0] if ranking.nearest else names[0])
    limits = run.recipe.rank.constraints.limits()
    unit = next((e.get("unit", "") for m, e in _entries(run) if m == ranking.quality), "")

    def safe(svg: str | None) -> Markup | None:
        return Markup(svg) if svg else None  # noqa: S704 - made by matplotlib, which escapes every text

    return {
        "run": run,
        "ranking": ranking,
        "subject": subject,
        "first": names[0],
        "tiles": candidates.tiles(run, ranking, subject),
        "summary": candidates.summary(run, ranking),
        "asked": candidates.limits_text(run),
        "rows": candidates.ranking_rows(run, ranking),
        "verdicts": {key: (verdict.word, speedup.TONES.get(verdict.word, "")) for key, verdict in judged.items()},
        "brings": speedup.gather(run, judged),
        "quality": candidates.quality_table(run),
        "paired": paired.gather(run),
        "pareto": [(t, safe(pareto(ranking, t, limits))) for t in run.targets],
        "bought": [
            (t, safe(bars.steps_bought(ranking, t, unit)), candidates.steps_rows(ranking, t)) for t in run.targets
        ],
        "few_steps": any(c.steps for c in run.candidates),
        "budget_rows": budget.gather(run),
        "published": published.gather(run),
        "data_sets": data_sets.gather(run),
        "budget": safe(bars.budget(run.profiles, names)),
        "components": candidates.component_rows(run),
        "sqnr": safe(bars.sqnr(run.scores, names)),
        "trainings": [(name, what, safe(figure)) for name, what, figure in training.gather(run.candidates)],
        "layers": Markup(payload(run)),  # noqa: S704 - JSON with every < escaped
        "block_searches": [
            found | {key: safe(found[key]) for key in ("sets_figure", "blocks_figure")}
            for found in block_search.gather(run)
        ],
        "why": why.gather(run, ranking),
        "machine": _machine(run, ranking, subject),
        "steps": [
            {
                "candidate": c,
                "took": seconds(run.timings.get(c.name)),
                "groups": facts.report_groups(c.report),
            }
            for c in run.candidates[1:]
        ],
        "timings": [(name, seconds(value)) for name, value in run.timings.items()],
        "total": seconds(sum(v for v in run.timings.values() if known(v))),
    }


def _machine(run: RunData, ranking: Ranking, subject: str) -> dict[str, Any] | None:
    """The part on the machine's ceilings, its figure safe to be put into the page."""
    from markupsafe import Markup

    found = why.machine(run, ranking, subject)
    if found is None or found["figure"] is None:
        return found
    return found | {"figure": Markup(found["figure"])}  # noqa: S704 - made by matplotlib, which escapes every text


def _entries(run: RunData) -> list[tuple[str, Any]]:
    return [(m, e) for s in run.scores.values() for m, e in s.get("metrics", {}).items() if e]
