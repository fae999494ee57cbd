"""A stored profile, read back: the summary (JSON) and the table of layers (CSV) beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter, ValidationError

from workbench.errors import InputError, did_you_mean
from workbench.measure.layers import COLUMNS
from workbench.profile.summary import SCHEMA_VERSION, Summary
from workbench.store.files import unreadable
from workbench.store.tables import read_csv

if TYPE_CHECKING:
    import pandas as pd

_NEEDED = ("component", "layer", "latency_ms")
_WHOLE = ("calls", "macs", "params", "weight_bytes", "activation_bytes", "peak_bytes", "attention_macs", "element_ops")
_SINCE_2 = {"layer_samples_ms": dict, "transitions": list, "events": list}
_LACKS_1 = (
    "schema version 1: it holds no times of single passes, no kernel events and no precision transitions, so it gives "
    "no trace and no intervals per layer; profile again to have them"
)


@dataclass(frozen=True)
class ReadProfile:
    """One candidate on one target.

    ``summary`` has the fields of the newest schema (``docs/profile.md``), ``table`` all ``layers.COLUMNS``, one row per
    layer of each component. ``notes`` are sentences on what an older profile doesn't tell.
    """

    summary: Summary
    table: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """``candidate@target``."""
        return f"{self.summary['candidate']}@{self.summary['target']}"


def read_profile(path: Path) -> ReadProfile:
    """Reads a profile by its JSON or its CSV, which lie side by side.

    Version 1 is read, with a note on what it lacks.

    Raises:
        InputError: a file is missing, is no profile, is damaged, or was written by a newer version.
    """
    file = path.with_suffix(".json") if path.suffix == ".csv" else path
    if file.is_dir():
        files = sorted(f.name for f in file.glob("*@*.json") if not f.stem.endswith((".trace", ".explorer")))
        raise InputError(f"{file}: is a folder, not a profile", hint=f"profiles in it: {', '.join(files) or 'none'}")
    for part in (file, file.with_suffix(".csv")):
        if part.exists() and (problem := unreadable(part)):
            raise InputError(f"{part}: {problem.removeprefix('which ')}")
    summary = _summary(file)
    notes: tuple[str, ...] = ()
    if summary["schema_version"] == 1:
        notes = (_LACKS_1,)
        for component in summary["components"].values():
            component |= {name: component.get(name, kind()) for name, kind in _SINCE_2.items()}
            component |= {name: component.get(name) for name in ("live_peak_bytes", "live_peak_at")}
        summary["schema_version"] = SCHEMA_VERSION
    return ReadProfile(cast(Summary, summary), _table(file.with_suffix(".csv"), summary), notes)


def _summary(file: Path) -> dict[str, Any]:
    try:
        summary = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        meant = did_you_mean(file.name, [f.name for f in file.parent.glob("*.json")])
        hint = None if meant else "profiles are files named CANDIDATE@TARGET.json"
        raise InputError(f"{file}: no such file{meant}", hint=hint) from None
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{file}: is not JSON ({error})", hint="give the .json of a profile; if it is one, it is damaged"
        ) from error
    except OSError as error:
        raise InputError(f"{file}: can't be read ({error.strerror})") from error
    hint = "a profile is what `workbench profile` or `workbench run` writes as CANDIDATE@TARGET.json"
    if not isinstance(summary, dict) or not {"schema_version", "candidate", "target", "components"} <= summary.keys():
        raise InputError(f"{file}: is JSON, but not a profile of workbench", hint=hint)
    version = summary["schema_version"]
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InputError(f"{file}: schema_version: found {version!r}; a whole number from 1 on was expected")
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{file}: has schema version {version}; this workbench reads up to {SCHEMA_VERSION}",
            hint="it was written by a newer workbench: update this one, or profile again with it",
        )
    _checked(file, summary, hint)
    return summary


def _checked(file: Path, summary: dict[str, Any], hint: str) -> None:
    """What every reader relies on, and that all else is null or of its type."""
    if not all(isinstance(summary[key], str) for key in ("candidate", "target")):
        raise InputError(f"{file}: candidate and target: expected two names", hint=hint)
    components = summary["components"]
    if not isinstance(components, dict) or not components:
        raise InputError(f"{file}: components: expected at least one component", hint=hint)
    for name, component in components.items():
        time = component.get("latency_ms") if isinstance(component, dict) else None
        if not isinstance(time, dict) or not all(isinstance(time.get(key), (int, float)) for key in ("median", "n")):
            raise InputError(f"{file}: components.{name}.latency_ms: expected median and n", hint=hint)
    try:
        TypeAdapter(Summary).validate_python(_told(summary), strict=True)
    except ValidationError as errors:
        error = errors.errors()[0]
        key = ".".join(map(str, error["loc"]))
        raise InputError(f"{file}: {key}: found {error['input']!r:.40}: {error['msg']}", hint=hint) from errors
    summary["warnings"] = list(summary.get("warnings") or [])


def _told(value: Any) -> Any:
    """A JSON value without what is null in it."""
    return {key: _told(v) for key, v in value.items() if v is not None} if isinstance(value, dict) else value


def _table(file: Path, summary: dict[str, Any]) -> pd.DataFrame:
    try:
        table = read_csv(file)
    except FileNotFoundError:
        raise InputError(
            f"{file}: no such file", hint=f"the table of layers lies beside {file.with_suffix('.json').name}"
        ) from None
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        raise InputError(f"{file}: can't be read as a table of layers ({error})") from error
    missing = [name for name in _NEEDED if name not in table.columns]
    if missing:
        raise InputError(f"{file}: column {missing[0]} is missing", hint=f"found: {', '.join(map(str, table.columns))}")
    strange = sorted(set(table["component"].dropna()) - set(summary["components"]))
    if strange:
        raise InputError(
            f"{file}: component {strange[0]} is not in {file.with_suffix('.json').name}",
            hint="the two files are of different profiles",
        )
    more = [name for name in table.columns if name not in COLUMNS]
    table = table.reindex(columns=[*COLUMNS, *more])
    try:
        table["latency_ms"] = table["latency_ms"].astype(float)
        for name in (*_WHOLE, "runtime_bytes"):
            table[name] = table[name].astype("Int64")
    except (TypeError, ValueError) as error:
        raise InputError(f"{file}: a column of numbers holds something else ({error})") from error
    return table
