"""Where the numbers come from: machine, recipe, seed, times and the candidates' keys."""

from __future__ import annotations

from workbench.report.sections.registry import Section

SECTION = Section(__name__, "Environment and provenance", 160, link="Environment")
