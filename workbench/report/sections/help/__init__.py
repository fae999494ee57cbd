"""How to read the page: what its words mean."""

from __future__ import annotations

from workbench.report.sections.registry import Section

SECTION = Section(__name__, "How to read this page", 170)
