"""Profiles of a run's candidates, from the store or measured: on this machine, and on attached devices."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.models.candidate import Candidate
from workbench.profile.write import Budget, stem
from workbench.recipe.plan_profiles import measured_parts, note
from workbench.recipe.schema import Recipe
from workbench.run.session import Session
from workbench.runtimes.base import code_of, counted_by
from workbench.store.depends import depends_on
from workbench.store.files import write_atomic
from workbench.store.processor import usable_cores
from workbench.store.store import key_of

if TYPE_CHECKING:
    from workbench.devices.measure import DeviceSettings
    from workbench.devices.target import Ready
    from workbench.measure.network import Network
    from workbench.profile.summary import Summary

Files = Mapping[str, Mapping[str, Path]]
RECORD = ".record.json"


@dataclass(frozen=True)
class Profiled:
    """Stored profiles: target and candidate to the folder that their files lie in, and how long measuring took."""

    folders: Mapping[tuple[str, str], Path]
    seconds: float

    @property
    def key(self) -> list[list[str]]:
        """What they are, for the keys of results made from them."""
        return [[target, name, folder.name] for (target, name), folder in self.folders.items()]

    def file(self, target: str, candidate: str, kind: str) -> Path:
        """One profile's file: ``csv``, ``json``, or ``roofline.csv`` (only where the place's ceilings are known)."""
        return self.folders[target, candidate] / f"{stem(candidate, target)}.{kind}"

    def summaries(self) -> dict[tuple[str, str], Summary]:
        """All summaries by target and candidate."""
        return {(t, c): json.loads(self.file(t, c, "json").read_text()) for t, c in self.folders}


def prepare_devices(session: Session) -> None:
    """Builds the runner and fetches the library for the recipe's devices, so that neither fails after hours of work.

    Raises:
        InputError: a device isn't ready.
        RunError: the download failed, or a device doesn't answer.
    """
    targets = [target for target in session.recipe.profile.targets if target != "host"]
    if targets:
        from workbench.devices.session import shared_key
        from workbench.devices.target import devices_of

        settings = device_settings(session.recipe)
        for device in devices_of(targets, settings.ort_library):
            shared_key(device, settings, session.store)


def profile_all(session: Session, chain: list[Candidate], files: Files) -> Profiled:
    """The profiles of all candidates on all targets of the recipe; on each target they are measured together.

    Raises:
        InputError: a device that the recipe asks for isn't ready.
        RunError: measuring failed somewhere; what is finished is kept.
    """
    folders: dict[tuple[str, str], Path] = {}
    seconds = 0.0
    for folder in _written(session, chain, files):
        result = session.store.get(folder.name) or {}
        seconds += result["seconds"]
        folders |= {(target, name): folder for target, names in result["targets"].items() for name in names}
    return Profiled(folders, seconds)


def _written(session: Session, chain: list[Candidate], files: Files) -> Iterator[Path]:
    """Folders of the profiles: those of this machine, then those of devices."""
    from workbench.measure.network import network_of

    recipe = session.recipe
    networks = [network_of(c, name, files[c.name][name], recipe.seed) for c in chain for name in c.components]
    if "host" in recipe.profile.targets:
        yield _on_host(session, chain, networks)
    device_targets = [target for target in recipe.profile.targets if target != "host"]
    if device_targets:
        from workbench.devices.target import devices_of

        yield _on_devices(session, chain, networks, devices_of(device_targets, device_settings(recipe).ort_library))


def _on_host(session: Session, chain: Sequence[Candidate], networks: Sequence[Network]) -> Path:
    """The profiles of this machine; rewritten from the stored measurement where only the writing changed."""
    from workbench.measure.record import from_json
    from workbench.profile.doubts import doubts
    from workbench.profile.write import write_profile

    recipe, store = session.recipe, session.store
    measured = _measured_here(session, chain, networks)
    budget, lineage = _budget(recipe, chain), {c.name: c.lineage for c in chain}
    key = key_of(
        {
            "stage": "profile",
            **depends_on(write_profile, doubts, *(f"{code_of(name)}.descriptor" for name in recipe.profile.runtimes)),
            "measured": measured.name,
            "budget": asdict(budget),
            "lineage": lineage,
        }
    )

    def write(out: Path) -> dict[str, Any]:
        targets: dict[str, list[str]] = {}
        for file in sorted(measured.glob(f"*{RECORD}"), key=lambda file: int(file.name.partition("-")[0])):
            record = from_json(file.read_bytes())
            write_profile(out, record, budget, doubts(record), lineage[record.candidate])
            targets.setdefault(record.target, []).append(record.candidate)
        return {"targets": targets, "seconds": (store.get(measured.name) or {})["seconds"]}

    store.compute(key, write)
    return store.folder(key)


def _measured_here(session: Session, chain: Sequence[Candidate], networks: Sequence[Network]) -> Path:
    """The folder of what was measured on this machine: a record for each candidate on each runtime, in order."""
    from workbench.measure.record import to_json
    from workbench.profile.counts import count_networks
    from workbench.profile.host import Settings, measure_host

    config, store = session.recipe.profile, session.store
    parts = measured_parts(session.recipe, [(c.name, c.key) for c in chain], chain[0].family.formula)
    key = key_of(parts)

    def measure(out: Path) -> dict[str, Any]:
        start = time.monotonic()
        counts = count_networks(networks, {c.name: c.parent for c in chain})
        settings = Settings(
            runtimes=tuple(config.runtimes),
            threads=config.threads or usable_cores(),
            iterations=config.iterations,
            min_seconds=config.min_seconds,
            warmup=config.warmup,
        )
        records = measure_host(networks, counts, settings, session.recipe.seed, store, session.progress)
        for i, record in enumerate(records):
            write_atomic(out / f"{i}-{stem(record.candidate, record.target)}{RECORD}", to_json(record))
        return {"records": len(records), "seconds": time.monotonic() - start}

    with session.progress("profile", 1):
        store.compute(key, measure)
    if session.ledger:
        session.ledger.finished("profile", "host", key)
    note(store, session.recipe.name, parts)
    return store.folder(key)


def _on_devices(
    session: Session, chain: Sequence[Candidate], networks: Sequence[Network], ready: Sequence[Ready]
) -> Path:
    """The profiles of devices; what is measured on each of them lies in the store by itself."""
    from workbench.devices.profile import Work, profile_devices
    from workbench.devices.session import shared_key
    from workbench.profile.counts import count_networks

    recipe, store = session.recipe, session.store
    settings, budget = device_settings(recipe), _budget(recipe, chain)
    lineage = {c.name: c.lineage for c in chain}
    key = key_of(
        {
            "stage": "profile on devices",
            **depends_on(profile_devices, count_networks, *_counted(networks)),
            "devices": [shared_key(device, settings, store) for device in ready],
            "candidates": [[c.name, c.key] for c in chain],
            "budget": asdict(budget),
            "lineage": lineage,
            "seed": recipe.seed,
        }
    )

    def measure(out: Path) -> dict[str, Any]:
        start = time.monotonic()
        counts = count_networks(networks, {c.name: c.parent for c in chain})
        work = Work(networks, counts, recipe.seed, budget, lineage)
        by_target = profile_devices(ready, work, settings, out, store, session.progress)
        return {
            "targets": {target: list(summaries) for target, summaries in by_target.items()},
            "seconds": time.monotonic() - start,
        }

    store.compute(key, measure)
    return store.folder(key)


def _counted(networks: Sequence[Network]) -> list[str]:
    """The modules that count the networks' files."""
    return sorted({counted_by(network.file) for network in networks if network.file})


def device_settings(recipe: Recipe) -> DeviceSettings:
    """How the recipe wants devices to be measured."""
    from workbench.devices.measure import DeviceSettings
    from workbench.devices.providers import Provider

    config, device = recipe.profile, recipe.profile.device
    return DeviceSettings(
        threads=device.threads,
        iterations=config.iterations,
        min_seconds=config.min_seconds,
        warmup=config.warmup,
        max_seconds=device.max_seconds,
        timeout_s=device.timeout_s,
        cool_down_s=device.cool_down_s,
        providers=tuple(Provider(name, options) for name, options in device.providers.items()),
        ort_library=Path(device.ort_library) if device.ort_library else None,
        parallel=device.parallel,
    )


def _budget(recipe: Recipe, chain: Sequence[Candidate]) -> Budget:
    few = {c.name: c.steps for c in chain if c.steps is not None}
    return Budget(recipe.evaluate.steps, recipe.evaluate.guidance_scale, few)
