"""Profiles of a run's candidates, from the store or measured: on this machine, and on attached devices."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.models.candidate import Candidate
from workbench.profile.write import Budget, stem
from workbench.progress import Progress
from workbench.recipe.schema import DeviceConfig, Recipe
from workbench.runtimes.base import code_of
from workbench.store.depends import depends_on
from workbench.store.environment import fingerprint
from workbench.store.processor import usable_cores
from workbench.store.store import Store, key_of

if TYPE_CHECKING:
    from workbench.devices.measure import DeviceSettings
    from workbench.devices.target import Ready
    from workbench.measure.network import Network
    from workbench.profile.summary import Summary

ByTarget = Mapping[str, Mapping[str, Any]]
"""Summaries by target and candidate."""
Files = Mapping[str, Mapping[str, Path]]


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


def profile_all(recipe: Recipe, chain: list[Candidate], files: Files, store: Store, progress: Progress) -> Profiled:
    """The profiles of all candidates on all targets of the recipe; on each target they are measured together.

    Raises:
        InputError: a device that the recipe asks for isn't ready.
        RunError: measuring failed somewhere; what is finished is kept.
    """
    found: dict[tuple[str, str], Path] = {}
    seconds = 0.0
    for folder in _measured(recipe, chain, files, store, progress):
        result = store.get(folder.name) or {}
        seconds += result["seconds"]
        found |= {(target, name): folder for target, names in result["targets"].items() for name in names}
    return Profiled(found, seconds)


def _measured(recipe: Recipe, chain: list[Candidate], files: Files, store: Store, progress: Progress) -> Iterator[Path]:
    from workbench.measure.network import network_of

    networks = [network_of(c, name, files[c.name][name], recipe.seed) for c in chain for name in c.components]
    shared = {
        "steps": recipe.evaluate.steps,
        "guidance_scale": recipe.evaluate.guidance_scale,
        "candidates": [[c.name, c.key, c.steps] for c in chain],
        "seed": recipe.seed,
    }
    if "host" in recipe.profile.targets:
        yield _on_host(recipe, chain, networks, shared, store, progress)
    asked = [target for target in recipe.profile.targets if target != "host"]
    if asked:
        from workbench.devices.target import devices_of

        ready = devices_of(asked)
        yield _on_devices(recipe, chain, networks, shared, ready, store, progress)


def _on_host(
    recipe: Recipe,
    chain: Sequence[Candidate],
    networks: Sequence[Network],
    shared: Mapping[str, Any],
    store: Store,
    progress: Progress,
) -> Path:
    config = recipe.profile
    key = key_of(
        {
            **shared,
            "stage": "profile",
            **depends_on("workbench.profile.host", *map(code_of, config.runtimes)),
            "config": config.model_dump(mode="json", exclude={"targets", "device"}),
            "host": fingerprint(),
        }
    )

    def measure(out: Path) -> ByTarget:
        from workbench.profile.counts import count_networks
        from workbench.profile.host import Settings, profile_host

        return profile_host(
            networks,
            count_networks(networks, {c.name: c.parent for c in chain}),
            Settings(
                runtimes=tuple(config.runtimes),
                threads=config.threads or usable_cores(),
                iterations=config.iterations,
                min_seconds=config.min_seconds,
                warmup=config.warmup,
            ),
            _budget(recipe, chain),
            recipe.seed,
            out,
            store,
            progress,
            {c.name: c.lineage for c in chain},
        )

    return _stored(key, measure, store)


def _on_devices(
    recipe: Recipe,
    chain: Sequence[Candidate],
    networks: Sequence[Network],
    shared: Mapping[str, Any],
    ready: Sequence[Ready],
    store: Store,
    progress: Progress,
) -> Path:
    from workbench.devices.profile import profile_devices, shared_key

    settings = device_settings(recipe)
    parts = [shared_key(device, settings, store) for device in ready]
    key = key_of({**shared, **depends_on(profile_devices), "stage": "profile on devices", "devices": parts})

    def measure(out: Path) -> ByTarget:
        from workbench.profile.counts import count_networks

        return profile_devices(
            ready,
            networks,
            count_networks(networks, {c.name: c.parent for c in chain}),
            settings,
            _budget(recipe, chain),
            recipe.seed,
            out,
            store,
            progress,
            {c.name: c.lineage for c in chain},
        )

    return _stored(key, measure, store)


def _stored(key: str, measure: Callable[[Path], ByTarget], store: Store) -> Path:
    """The folder of the profiles under ``key``, measured where they aren't there yet."""

    def work(out: Path) -> dict[str, Any]:
        start = time.monotonic()
        by_target = measure(out)
        return {"targets": {t: list(found) for t, found in by_target.items()}, "seconds": time.monotonic() - start}

    store.compute(key, work)
    return store.folder(key)


def device_settings(recipe: Recipe) -> DeviceSettings:
    """How the recipe wants devices to be measured."""
    config = recipe.profile
    return settings_for(config.device, config.iterations, config.min_seconds, config.warmup)


def settings_for(device: DeviceConfig, iterations: int, min_seconds: float, warmup: int) -> DeviceSettings:
    """Device settings from a recipe's or the command line's."""
    from workbench.devices.measure import DeviceSettings
    from workbench.devices.providers import Provider

    return DeviceSettings(
        threads=device.threads,
        iterations=iterations,
        min_seconds=min_seconds,
        warmup=warmup,
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
