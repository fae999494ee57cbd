"""What a gate found, for people, for scripts, for CI servers (JUnit XML) and for pull requests (Markdown)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from workbench.report.format import MISSING, number
from workbench.terminal import table
from workbench.verbs.gate.findings import APART, FAILS, PASSES, Finding

if TYPE_CHECKING:
    from workbench.verbs.gate.gate import Verdict

COLUMNS = ("figure", "OLD", "NEW", "change", "limit", "outcome", "note")


def show(verdict: Verdict, as_json: bool) -> None:
    """Prints every figure and the verdict; or JSON."""
    if as_json:
        facts = {"old": verdict.old, "new": verdict.new, "passed": verdict.passed, "failures": verdict.failures}
        found = [asdict(each) for each in verdict.findings]
        print(json.dumps({**facts, "recorded": verdict.recorded, "findings": found}, indent=1))
        return
    if verdict.findings:
        table(COLUMNS, map(_row, verdict.findings), left=(*COLUMNS[:1], *COLUMNS[4:]))
        print(f"{verdict.new} against {verdict.old}: {'passes' if verdict.passed else 'fails'}")
    if verdict.recorded:
        print(f"{verdict.new} is recorded in {verdict.old}")


def markdown(verdict: Verdict) -> str:
    """A summary for a pull request: the verdict, what fails first, all figures in a table."""
    order = {FAILS: 0, APART: 1, PASSES: 2}
    rows = sorted(verdict.findings, key=lambda each: order.get(each.outcome, 3))
    mark = "✅ passes" if verdict.passed else "❌ fails"
    lines = [f"### {_plain(verdict.new)} against {_plain(verdict.old)}: {mark}", ""]
    lines += [_cells(COLUMNS), _cells(["---"] * len(COLUMNS))]
    lines += [_cells(_row(each)) for each in rows]
    return "\n".join([*lines, ""])


def junit(verdict: Verdict) -> str:
    """JUnit XML: a test case for every figure. What can't be compared fails or is skipped, as the policy says."""
    from xml.etree import ElementTree as xml

    failing = set(verdict.failures)
    skipped = [each for each in verdict.findings if each.outcome not in (PASSES, FAILS) and each.name not in failing]
    counts = {"tests": str(len(verdict.findings)), "failures": str(len(failing)), "errors": "0"}
    suite = xml.Element("testsuite", {"name": f"workbench gate {verdict.new}", **counts, "skipped": str(len(skipped))})
    for each in verdict.findings:
        case = xml.SubElement(suite, "testcase", {"classname": "workbench.gate", "name": each.name, "time": "0"})
        said = _said(each)
        if each.name in failing:
            xml.SubElement(case, "failure", {"message": said, "type": each.outcome}).text = said
        elif each in skipped:
            xml.SubElement(case, "skipped", {"message": said})
        else:
            xml.SubElement(case, "system-out").text = said
    whole = xml.Element("testsuites", counts)
    whole.append(suite)
    xml.indent(whole)
    return xml.tostring(whole, encoding="unicode", xml_declaration=True) + "\n"


def _row(each: Finding) -> tuple[str, ...]:
    values = [
        f"{number(value)} {each.unit}".strip() if value is not None else MISSING for value in (each.old, each.new)
    ]
    return each.name, *values, each.change or MISSING, each.limit or MISSING, each.outcome, each.why


def _said(each: Finding) -> str:
    name, old, new, change, limit, outcome, why = _row(each)
    return f"{name}: {outcome}: {old} -> {new}, {change}, limit {limit}{f' ({why})' if why else ''}"


def _cells(words: Iterable[str]) -> str:
    return f"| {' | '.join(_plain(word) for word in words)} |"


def _plain(text: str) -> str:
    """Text that Markdown and HTML leave as it is, in one cell."""
    return " ".join(text.translate({ord(special): f"&#{ord(special)};" for special in "&\\`*_[]<>|#"}).split())


def failures(findings: Sequence[Finding], apart_fails: bool) -> list[str]:
    """Names of the figures that fail."""
    return [each.name for each in findings if each.outcome == FAILS or (apart_fails and each.outcome == APART)]
