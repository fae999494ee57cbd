"""``workbench profile``: one source measured on one or several runtimes, and the files that are left behind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from workbench.devices.measure import DeviceSettings
from workbench.devices.profile import Work, profile_devices
from workbench.devices.target import devices_of
from workbench.errors import InputError
from workbench.measure.network import Network
from workbench.models import guidance
from workbench.models.folder import notes
from workbench.models.scheduler import read_scheduler, timesteps
from workbench.profile.counts import count_networks
from workbench.profile.doubts import doubts
from workbench.profile.host import Settings, measure_host
from workbench.profile.summary import Summary
from workbench.profile.write import Budget, stem, write_profile
from workbench.runtimes.base import described, runtime, threads_asked
from workbench.sources.request import Request
from workbench.store.files import check_writable
from workbench.store.tables import read_csv
from workbench.terminal import table


@dataclass(frozen=True)
class Outcome:
    """Summaries of what was measured, the page that shows them, and all files written."""

    summaries: list[Summary]
    page: Path
    files: list[Path]


def profile(
    request: Request,
    targets: Sequence[str],
    settings: Settings,
    device: DeviceSettings,
    budget: Budget,
    out: Path | None,
) -> Outcome:
    """Measures a source and writes CSV, JSON, traces and a page into ``out`` (default ``profiles/<its name>``).

    ``targets``: ``host`` (with the settings' runtimes), ``adb`` or ``adb:NAME``. What the request ``needs`` follows.

    Raises:
        InputError: the source can't be used, a runtime isn't installed or can't run it, a device isn't ready, or there
            are too few cores.
        RunError: the measuring failed.
    """
    from workbench.sources import resolve

    store, progress, seed = request.store, request.progress, request.seed
    folder = out or Path("profiles") / slug(request.source)
    check_writable({folder: "--out"})
    threads_asked(settings.threads)
    on_host, on_devices = "host" in targets, [target for target in targets if target != "host"]
    places = [runtime(name) for name in settings.runtimes] if on_host else []
    ready = devices_of(on_devices, device.ort_library) if on_devices else []
    needs: Literal["onnx", "torch"] = (
        "onnx" if ready or any(described(name).needs_file for name in settings.runtimes) else "torch"
    )
    with store.lock():
        networks = resolve(replace(request, needs=needs))
    for place in places:
        _runs(place, networks)
    for network in networks:
        if network.source and network.family and network.component == network.family.denoiser.name:
            timesteps(read_scheduler(network.source), budget.steps, few=guidance.INPUT in network.feed)
    folder.mkdir(parents=True, exist_ok=True)
    counts = count_networks(networks)
    records = measure_host(networks, counts, settings, seed, store, progress) if on_host else []
    taken = [note for source in {network.source for network in networks if network.source} for note in notes(source)]
    summaries = [write_profile(folder, record, budget, [*taken, *doubts(record)]) for record in records]
    if ready:
        found = profile_devices(ready, Work(networks, counts, seed, budget), device, folder, store, progress)
        summaries += [summary for by_candidate in found.values() for summary in by_candidate.values()]
    return Outcome(summaries, folder / "profile.html", write_views(folder, summaries, networks))


def write_views(folder: Path, summaries: Sequence[Summary], networks: Sequence[Network]) -> list[Path]:
    """Trace, model-explorer data and page of profiles that lie in ``folder``; all files of them, the page last."""
    from workbench.profile.read import read_profile
    from workbench.profile.views.chrome_trace import write_trace
    from workbench.profile.views.explorer import write_explorer
    from workbench.report.profile.page import write_profile_page

    files, read, bounds = [], [], {}
    for summary in summaries:
        name = stem(summary["candidate"], summary["target"])
        stored = read_profile(folder / f"{name}.json")
        read.append(stored)
        graphs = {n.component: n.file for n in networks if n.candidate == summary["candidate"] and n.file}
        files += [folder / f"{name}.json", folder / f"{name}.csv"]
        files += write_trace(stored.summary, folder / f"{name}.trace.json")
        files += write_explorer(stored.summary, stored.table, folder / f"{name}.explorer.json", graphs)
        lines = folder / f"{name}.roofline.csv"
        if lines.is_file():
            bounds[stored.label] = read_csv(lines)
            files.append(lines)
    page = folder / "profile.html"
    write_profile_page(read, page, bounds)
    return [*files, page]


def slug(source: str) -> str:
    """A file name for a source: its last parts, in letters, digits and ``. _ -``."""
    path = Path(source)
    name = path.stem if path.suffix == ".onnx" else source
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "profile"


def _runs(place: Any, networks: Sequence[Network]) -> None:
    for network in networks:
        reason = place.refuses(network)
        if reason:
            raise InputError(f"runtime {place.name}: can't run {network.label}: {reason}")


def show(outcome: Outcome, as_json: bool) -> None:
    """Prints the outcome: one row per component and target, the slowest layers, warnings; or JSON."""
    if as_json:
        import json

        record = {"page": str(outcome.page), "files": [str(f) for f in outcome.files], "profiles": outcome.summaries}
        print(json.dumps(record, indent=1))
        return
    for summary in outcome.summaries:
        _components(summary)
        _slowest(summary)
    for warning in dict.fromkeys(w for s in outcome.summaries for w in s["warnings"]):
        print(f"warning: {warning}")
    print(f"page: {outcome.page}  (tables, traces and samples lie beside it)")


SHOWN = 8
"""Layers that the terminal lists; the page has them all."""


def _components(summary: Summary) -> None:
    table(
        ("component", "median ms", "p90", "IQR", "n", "kernels ÷ wall", "unmapped", "MACs", "with attention", "MB"),
        (
            (
                name,
                *(f"{c['latency_ms'][key]:.3g}" for key in ("median", "p90", "iqr")),
                str(c["latency_ms"]["n"]),
                "not told" if c["kernel_over_wall"] is None else f"{c['kernel_over_wall']:.2f}",
                f"{c['unmapped_share']:.1%}",
                f"{c['macs'] / 1e9:.3f} G",
                f"{c['macs_with_attention'] / 1e9:.3f} G",
                f"{c['size_bytes'] / 1e6:.1f}",
            )
            for name, c in summary["components"].items()
        ),
        title=f"{summary['candidate']} on {summary['target']}",
    )


def _slowest(summary: Summary) -> None:
    from workbench.measure.clock import Stats

    rows = [
        (f"{name}: {layer}", Stats(tuple(taken)).median)
        for name, c in summary["components"].items()
        for layer, taken in c["layer_samples_ms"].items()
        if taken
    ]
    whole = sum(ms for _, ms in rows) or 1.0
    slowest = sorted(rows, key=lambda row: -row[1])[:SHOWN]
    table(
        ("layer", "median ms", "share"),
        ((layer, f"{ms:.3g}", f"{ms / whole:.1%}") for layer, ms in slowest),
        title="slowest layers (profiled passes)",
    )
