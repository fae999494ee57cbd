"""What a run found out, as pandas tables and as a notebook shows it."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from workbench.profile.summary import Summary
    from workbench.run.history import Finished

SHOWN = ("candidate", "target", "scheme", "latency_ms", "latency_n", "simulated", "emulated", "size_bytes")
"""Columns of the ranking that a notebook shows before the quality that is ranked by."""


def candidates(run: Finished) -> pd.DataFrame:
    """See ``Run.candidates``."""
    import pandas as pd

    of: dict[str, Summary] = {}
    for (_, name), summary in run.data.profiles.items():
        of.setdefault(name, summary)  # the first target's
    rows = [
        {
            "candidate": each.name,
            "parent": each.parent,
            "teacher": run.candidate(each.name).teacher,
            "scheme": each.scheme,
            "lineage": " → ".join(each.lineage),
            "steps": each.steps or run.data.recipe.evaluate.steps,
            "params": of.get(each.name, {}).get("params"),
            "size_bytes": of.get(each.name, {}).get("size_bytes"),
            "chosen": each.name == run.choice.chosen,
        }
        for each in run.data.candidates
    ]
    return pd.DataFrame(rows).set_index("candidate")


def scores(run: Finished) -> pd.DataFrame:
    """See ``Run.scores``."""
    import pandas as pd

    known = run.data.recipe.metrics
    rows = [
        {
            "candidate": name,
            "metric": metric,
            **{key: value[key] for key in ("value", "low", "high", "n")},
            "unit": known[metric].unit,
            "better": known[metric].better,
        }
        for name, own in run.data.scores.items()
        for metric, value in own["metrics"].items()
    ]
    return pd.DataFrame(rows, columns=["candidate", "metric", "value", "low", "high", "n", "unit", "better"])


def profiles(run: Finished) -> pd.DataFrame:
    """See ``Run.profiles``."""
    import pandas as pd

    return pd.DataFrame([profile_row(summary) for summary in run.data.profiles.values()])


def profile_row(summary: Summary) -> dict[str, Any]:
    """One candidate on one target; the latency is that of a whole picture, of a single network that of a pass."""
    parts = list(summary["components"].values())
    whole: Mapping[str, Any] = (summary.get("pipeline") or {}).get("latency_ms") or parts[0]["latency_ms"]
    return {
        **{key: summary[key] for key in ("candidate", "target", "runtime", "scheme")},
        "latency_ms": whole["median"],
        "latency_iqr_ms": whole["iqr"],
        "latency_p90_ms": whole["p90"],
        "latency_n": whole["n"],
        **{key: summary[key] for key in ("peak_rss_bytes", "size_bytes", "params", "macs", "simulated", "emulated")},
        "threads": summary.get("threads"),
        "seed": summary.get("seed"),
        "warnings": "; ".join(summary.get("warnings", [])),
    }


def pictures(run: Finished) -> pd.DataFrame:
    """See ``Run.pictures``."""
    import pandas as pd

    rows = [
        {
            "candidate": name,
            "prompt": prompt,
            "seed": own["seed"],
            "steps": own["steps"],
            "judged": i < own["n"],
            "file": run.data.pictures[name] / file,
        }
        for name, own in run.data.scores.items()
        for i, (prompt, file) in enumerate(zip(own["prompts"], own["pictures"], strict=True))
    ]
    return pd.DataFrame(rows, columns=["candidate", "prompt", "seed", "steps", "judged", "file"])


def grid(drawn: pd.DataFrame, names: Sequence[str], count: int) -> Image:
    """The first ``count`` pictures of each of the named candidates, a row each, beside each other without gaps."""
    from PIL import Image

    rows = [
        [Image.open(file, formats=("PNG",)) for file in drawn[drawn["candidate"] == name]["file"][:count]]
        for name in names
    ]
    side = max((picture.width for row in rows for picture in row), default=1)
    sheet = Image.new("RGB", (side * max(1, *map(len, rows)), side * len(rows)), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(picture, (side * x, side * y))
    return sheet


def html(run: Finished, ranking: pd.DataFrame, sheet: Image | None) -> str:
    """For a notebook: the choice, the ranking, and pictures of every candidate, if there are any."""
    choice = run.choice
    quality = [f"{choice.quality}{end}" for end in ("", "_low", "_high")] if choice.quality else []
    shown = ranking[[*SHOWN, *quality, "pareto", "chosen", "reason"]]
    table = shown.to_html(index=False, border=0, float_format="{:.4g}".format)
    warnings = "".join(f"<li>{escape(warning)}</li>" for warning in run.data.warnings)
    ship = f"ship <b>{escape(choice.chosen)}</b>" if choice.chosen else "nothing to ship"
    return (
        f"<p><b>{escape(run.name)}</b> ({escape(run.date)}): {ship} on {escape(choice.target)}: "
        f"{escape(choice.reason)}</p>\n{table}\n<ul>{warnings}</ul>\n{_inline(run, sheet) if sheet else ''}"
    )


def _inline(run: Finished, sheet: Image) -> str:
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    names = ", ".join(escape(each.name) for each in run.data.candidates)
    source = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return f'<p>Pictures, from above: {names}</p>\n<img alt="pictures of every candidate" src="{source}">'
