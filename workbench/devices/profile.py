"""Networks profiled on attached devices: what is finished is kept, one device's failure keeps what the others gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True)
class Work:
    """What is to be profiled on every device, and what is known of it before."""

    networks: Sequence[Network]
    counts: Counts
    seed: int
    """Of the inputs."""
    budget: Budget | None = None
    """Of the whole pipeline; None where there is none."""
    lineage: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The steps that made each candidate."""


def profile_devices(
    ready: Sequence[Ready], work: Work, settings: DeviceSettings, out: Path, store: Store, progress: Progress
) -> dict[str, Summaries]:
    """Profiles every network that has an ONNX file on every device; summaries by target and candidate.

    Each network on each device is a result of its own in the store, so that the same call goes on after a failure.
    Writes the same files as on the host.

    Raises:
        RunError: a device failed; the other devices were finished first, and all that is finished is kept.
    """
    work = replace(work, networks=[n for n in work.networks if n.file is not None and n.file.suffix in RUNTIME.reads])
    by_target: dict[str, Summaries] = {}
    failed: list[RunError] = []

    def profile_one(device: Ready, shown: Progress) -> None:
        try:
            with DeviceSession(device, settings, store, shown) as session:
                by_target[device.target] = _profiled(session, work, out)
        except RunError as error:
            failed.append(error)

    if settings.parallel and len(ready) > 1:
        with progress("devices", len(ready)) as tick, ThreadPoolExecutor(max_workers=len(ready)) as pool:
            # One bar: two at the same time would write over each other.
            for done, _ in enumerate(pool.map(lambda device: profile_one(device, quiet), ready), 1):
                tick(done)
    else:
        for device in ready:
            profile_one(device, progress)
    if failed and len(ready) == 1:
        raise failed[0]
    if failed:
        kept = ", ".join(by_target) or "none"
        messages = "\n".join(str(error) for error in failed)
        raise RunError(
            f"{messages}\n{len(failed)} of {len(ready)} devices failed; finished: {kept}",
            hint="give the same command again: what is finished is not measured again",
        )
    return {device.target: by_target[device.target] for device in ready}


def _profiled(session: DeviceSession, work: Work, out: Path) -> Summaries:
    """All candidates' summaries, in their order."""
    taken = session.measure(work.networks)
    summaries = {}
    for name in dict.fromkeys(n.candidate for n in work.networks):
        networks = [n for n in work.networks if n.candidate == name]
        record, warnings = record_of(session, taken, networks, work.counts, work.seed)
        budget = work.budget if agrees(record) else None
        summaries[name] = write_profile(out, record, budget, warnings, work.lineage.get(name, ()))
    return summaries
