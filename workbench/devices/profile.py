"""Networks profiled on attached devices: what is finished is kept, one device's failure keeps what the others gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from workbench.devices.measure import DeviceSettings
from workbench.devices.session import DeviceSession
from workbench.devices.summary import Counts, agrees, record_of
from workbench.devices.target import Ready
from workbench.errors import RunError
from workbench.measure.network import Network
from workbench.profile.summary import Summary
from workbench.profile.write import Budget, write_profile
from workbench.progress import Progress, quiet
from workbench.runtimes.onnxruntime.descriptor import RUNTIME
from workbench.store.store import Store

Summaries = dict[str, Summary]
"""By candidate."""


def profile_devices(
    ready: Sequence[Ready],
    networks: Sequence[Network],
    counts: Counts,
    settings: DeviceSettings,
    budget: Budget | None,
    seed: int,
    out: Path,
    store: Store,
    progress: Progress,
    lineage: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Summaries]:
    """Profiles every network that has an ONNX file on every device; summaries by target and candidate.

    Each network on each device is a result of its own in the store, so that the same call goes on after a failure.
    Writes the same files as on the host.

    Raises:
        RunError: a device failed; the other devices were finished first, and all that is finished is kept.
    """
    work = [n for n in networks if n.file is not None and n.file.suffix in RUNTIME.reads]
    found: dict[str, Summaries] = {}
    failed: list[RunError] = []

    def one(device: Ready, shown: Progress) -> None:
        try:
            with DeviceSession(device, settings, store, shown) as session:
                found[device.target] = _profiled(session, work, counts, budget, seed, out, lineage or {})
        except RunError as error:
            failed.append(error)

    if settings.parallel and len(ready) > 1:
        with progress("devices", len(ready)) as tick, ThreadPoolExecutor(max_workers=len(ready)) as pool:
            # One bar: two at the same time would write over each other.
            for done, _ in enumerate(pool.map(lambda device: one(device, quiet), ready), 1):
                tick(done)
    else:
        for device in ready:
            one(device, progress)
    if failed and len(ready) == 1:
        raise failed[0]
    if failed:
        kept = ", ".join(found) or "none"
        told = "\n".join(str(error) for error in failed)
        raise RunError(
            f"{told}\n{len(failed)} of {len(ready)} devices failed; finished: {kept}",
            hint="give the same command again: what is finished is not measured again",
        )
    return {device.target: found[device.target] for device in ready}


def _profiled(
    session: DeviceSession,
    networks: Sequence[Network],
    counts: Counts,
    budget: Budget | None,
    seed: int,
    out: Path,
    lineage: Mapping[str, Sequence[str]],
) -> Summaries:
    """All candidates' summaries, in their order."""
    taken = session.measure(networks)
    found = {}
    for name in dict.fromkeys(n.candidate for n in networks):
        record, warnings = record_of(session, taken, [n for n in networks if n.candidate == name], counts, seed)
        whole = budget if agrees(record) else None
        found[name] = write_profile(out, record, whole, warnings, lineage.get(name, ()))
    return found
