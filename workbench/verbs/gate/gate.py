"""A release against the one before: two shipped folders, runs, or the recorded figures of one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from workbench.errors import InputError, RunError
from workbench.models.record import is_run
from workbench.progress import Progress
from workbench.release.figures import SCHEMA, Figures, figures_in, figures_of
from workbench.store.files import check_writable, write_atomic
from workbench.store.store import Store
from workbench.verbs.gate.findings import Again, Finding, findings
from workbench.verbs.gate.policy import Policy
from workbench.verbs.gate.show import failures, junit, markdown

RECORD = ".json"


@dataclass(frozen=True)
class Wanted:
    """What is judged: ``new`` against ``old``, each a shipped folder, ``RUN``, ``RUN/CANDIDATE`` or recorded figures.

    ``again``: measure both in turns on this machine. ``update``: record NEW in the file ``old`` where it passes.
    """

    new: str
    old: str
    again: bool = False
    update: bool = False
    junit: Path | None = None
    markdown: Path | None = None


@dataclass(frozen=True)
class Verdict:
    """What a gate found; ``failures``: the names of what fails."""

    old: str
    new: str
    findings: Sequence[Finding]
    failures: Sequence[str]
    recorded: bool = False
    """Whether NEW's figures were written to OLD."""

    @property
    def passed(self) -> bool:
        """Whether nothing fails."""
        return not self.failures


def gate(wanted: Wanted, policy: Policy, store: Store, progress: Progress) -> Verdict:
    """Judges, writes the files that were asked for, and records NEW where it passes and that was asked for.

    Raises:
        InputError: one of the two isn't there or isn't of this version; or ``update`` has no file to write.
    """
    record = Path(wanted.old)
    if wanted.update and record.suffix != RECORD:
        raise InputError("--update: needs --against FILE.json, where the released figures are recorded")
    check_writable({file.absolute().parent: option for file, option in _files(wanted)})
    new = figures(wanted.new, store)
    if wanted.update and not record.exists():
        found: list[Finding] = []
    else:
        old = figures(wanted.old, store)
        again = _again(wanted, store, progress) if wanted.again else {}
        found = list(findings(old, new, policy, again))
        if not found:
            raise InputError(f"{wanted.new} and {wanted.old} have no figure in common")
    failed = failures(found, policy.not_comparable == "fail")
    verdict = Verdict(wanted.old, wanted.new, found, failed, wanted.update and not failed)
    for file, text in ((wanted.junit, junit), (wanted.markdown, markdown)):
        if file is not None:
            write_atomic(file, text(verdict))
    if verdict.recorded:
        write_atomic(record, json.dumps(new, indent=1, sort_keys=True))
    return verdict


def check(verdict: Verdict) -> None:
    """Ends with what fails, by name.

    Raises:
        RunError: something does.
    """
    if not verdict.passed:
        raise RunError(f"{verdict.new} is worse than {verdict.old}: {', '.join(verdict.failures)}")


def figures(source: str, store: Store) -> Figures:
    """All that was measured of a release: of a shipped folder, a candidate of a run, or a file of figures.

    Raises:
        InputError: it is none of these, or of another version.
    """
    path = Path(source)
    if path.is_dir():
        return figures_in(path)
    if path.suffix == RECORD:
        return _recorded(path)
    if is_run(store, source) or source.count("/") == 1:
        from workbench.models.record import candidate_of
        from workbench.run.history import finished

        name = candidate_of(store, source).name
        return figures_of(finished(store, source.partition("/")[0]).data, name)
    raise InputError(
        f"{source}: no such folder, and the store {store.root} has no such run",
        hint="needs a shipped folder, RUN, RUN/CANDIDATE, or the FILE.json that --update writes",
    )


def _recorded(file: Path) -> Figures:
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        schema = facts["schema"]
        sound = schema != SCHEMA or all(isinstance(facts[key], dict) for key in ("targets", "quality"))
    except FileNotFoundError:
        raise InputError(f"{file}: no such file", hint="--update makes it") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise InputError(f"{file}: isn't a file of released figures, or was damaged", hint="--update writes one")
    if schema != SCHEMA:
        raise InputError(f"{file}: found schema {schema!r}; this workbench reads {SCHEMA}")
    return cast(Figures, facts)


def _again(wanted: Wanted, store: Store, progress: Progress) -> dict[str, Again]:
    """Both measured in turns by the default runtime on this machine."""
    from workbench.comparing.interleaved import Plan
    from workbench.runtimes.base import DEFAULT, described
    from workbench.sources.request import Request
    from workbench.verbs.compare.compare import How, compare

    old = Request(wanted.old, store, progress=progress)
    found = compare(old, replace(old, source=wanted.new), How(DEFAULT, None, Plan()))
    ratios = {each.component: (each.a_ms, each.b_ms, each.ratio) for each in found.components}
    return {described(DEFAULT).target: Again(ratios, {each.component: each.layers or () for each in found.components})}


def _files(wanted: Wanted) -> list[tuple[Path, str]]:
    asked = [(wanted.junit, "--junit"), (wanted.markdown, "--markdown")]
    own = [(Path(wanted.old), "--against")] if wanted.update else []
    return [*((file, option) for file, option in asked if file is not None), *own]
