"""What may be wrong with the numbers."""

from __future__ import annotations

from workbench.report.sections.registry import Section

SECTION = Section(
    __name__, "Warnings", 120, lambda run, ranking: {"count": len(run.warnings)}, link="Warnings ({facts[count]})"
)
