"""Networks profiled on attached devices: what is finished is kept, one device's failure keeps what the others gave."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from workbench.devices.conditions import cool_down, fixed_performance, too_warm
from workbench.devices.folder import Workplace
from workbench.devices.lock import alone
from workbench.devices.measure import (
    DeviceSettings,
    Tools,
    measure_memory,
    measure_network,
    stored_result,
)
from workbench.devices.probe import probe
from workbench.devices.summary import environment_of, measured_of, state_of, warnings_of
from workbench.devices.target import Ready
from workbench.devices.toolchain.build import build_runner, target_of
from workbench.devices.toolchain.library import host_version, library_for
from workbench.errors import InputError, RunError
from workbench.graphs.read import onnx_files
from workbench.measure.counts import Count
from workbench.measure.memory import Peak
from workbench.measure.network import Network
from workbench.profile.write import Budget, write_profile
from workbench.progress import Progress, quiet
from workbench.runtimes.onnxruntime.descriptor import RUNTIME
from workbench.store.depends import depends_on
from workbench.store.environment import environment
from workbench.store.files import hash_file
from workbench.store.store import Store, key_of

Summaries = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Place:
    """A device as ``write_profile`` takes it: ONNX Runtime, under the device's own target."""

    target: str
    name: str = RUNTIME.name

    def files(self, network: Network) -> list[Path]:
        """The ONNX file and its external data."""
        assert network.file is not None
        return onnx_files(network.file)


def profile_devices(
    ready: Sequence[Ready],
    networks: Sequence[Network],
    counts: Mapping[tuple[str, str], Count],
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
    Writes the same files as ``profile_host``.

    Raises:
        RunError: a device failed; the other devices were finished first, and all that is finished is kept.
    """
    work = [n for n in networks if n.file is not None and n.file.suffix in RUNTIME.reads]
    found: dict[str, Summaries] = {}
    failed: list[RunError] = []

    def one(device: Ready, shown: Progress) -> None:
        try:
            with DeviceSession(device, settings, store, shown) as session:
                found[device.target] = session.profile(work, counts, budget, seed, out, lineage or {})
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


def shared_key(ready: Ready, settings: DeviceSettings, store: Store) -> dict[str, Any]:
    """What all results of one device depend on besides the networks (JSON)."""
    return DeviceSession(ready, settings, store, quiet).shared


class DeviceSession:
    """One device through a whole profile; it is only touched when something is missing in the store.

    As a context manager it puts the device back at the end: mode, jobs' files, and whatever of ours still runs there.
    """

    def __init__(self, ready: Ready, settings: DeviceSettings, store: Store, progress: Progress) -> None:
        self.device, self.facts, self.target = ready.device, ready.facts, ready.target
        self.settings, self.store, self.progress = settings.on(ready.facts), store, progress
        self.kept = store.root / "devices"
        system = target_of(ready.facts.system, ready.facts.machine or "")
        try:
            self.library = library_for(system, self.kept, settings.ort_library)
        except InputError as error:
            raise InputError(f"device {self.device.serial}: {error.message}", hint=error.hint) from error
        self.system = system
        self._ready: tuple[Workplace, Tools] | None = None
        self._held = ExitStack()
        self.mode = "not asked"
        self.shared = self._key_parts()

    def __enter__(self) -> DeviceSession:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def _key_parts(self) -> dict[str, Any]:
        chosen = asdict(replace(self.settings, ort_library=None, parallel=False))
        return {
            "stage": "device",
            **depends_on(measure_network, measure_memory, cool_down, fixed_performance, state_of),
            "device": [self.device.serial, self.facts.model, self.facts.fingerprint, self.facts.version],
            "library": hash_file(self.library.path),
            "settings": {name: str(value) for name, value in chosen.items()},
        }

    def place(self) -> tuple[Workplace, Tools]:
        """Our folder there with runner and library in it; made when first needed."""
        if self._ready is None:
            runner = build_runner(self.system, self.kept)
            self._held.enter_context(alone(self.device.serial))
            work = Workplace(self.device, self.facts.space_bytes)
            self._held.callback(work.close)
            self.mode = self._held.enter_context(fixed_performance(self.device, self.facts))
            library = work.place([self.library.path], ["libonnxruntime.so"])[0]
            tool = work.place([runner], ["wbrun"])[0]
            self._ready = work, Tools(tool.path, library.path, self.library)
        return self._ready

    def profile(
        self,
        networks: Sequence[Network],
        counts: Mapping[tuple[str, str], Count],
        budget: Budget | None,
        seed: int,
        out: Path,
        lineage: Mapping[str, Sequence[str]],
    ) -> Summaries:
        """All candidates' summaries, in their order."""
        folders: dict[tuple[str, str], Path] = {}
        first: dict[tuple[str, str], Network] = {}
        distinct = list({n.identity: n for n in reversed(networks)}.values())[::-1]
        candidates = list(dict.fromkeys(n.candidate for n in networks))
        total = len(distinct) + len(candidates)
        peaks: dict[str, Path] = {}
        with self.progress(f"profile on {self.target}", total) as tick:
            for done, network in enumerate(distinct):
                tick(done, network.label)
                first[network.identity] = network
                folders[network.identity] = self._network(network, partial(tick, done))
            for done, candidate in enumerate(candidates, len(distinct)):
                tick(done, f"{candidate}: memory")
                peaks[candidate] = self._memory([n for n in networks if n.candidate == candidate])
        summaries = {}
        for candidate in candidates:
            own = [n for n in networks if n.candidate == candidate]
            summaries[candidate] = self._write(
                own, folders, first, counts, peaks[candidate], budget, seed, out, lineage
            )
        return summaries

    def _network(self, network: Network, say: Callable[[str], None]) -> Path:
        key = key_of({**self.shared, "network": self._content(network), "scheme": network.scheme})

        def work(out: Path) -> dict[str, Any]:
            place, tools = self.place()
            before, waited = cool_down(self.device, probe(self.device), self.settings.cool_down_s, say)
            found = measure_network(place, tools, network, self.settings, self.facts, out, lambda _event: None)
            after = probe(self.device)
            return {
                **found,
                "fixed_performance": self.mode,
                "cooled_s": waited,
                "started_warm": too_warm(before),
                "before": state_of(before),
                "after": state_of(after),
                "library": tools.source.source,
            }

        self.store.compute(key, work)
        return self.store.folder(key)

    def _memory(self, networks: Sequence[Network]) -> Path:
        content = [self._content(network) for network in networks]
        key = key_of({**self.shared, "memory": content})

        def work(out: Path) -> dict[str, Any]:
            place, tools = self.place()
            return measure_memory(place, tools, networks, self.settings, self.facts, out)

        self.store.compute(key, work)
        return self.store.folder(key)

    def _content(self, network: Network) -> list[str]:
        assert network.file is not None
        files = onnx_files(network.file)
        feed = hashlib.sha256()
        for name, value in network.feed.items():
            feed.update(f"{name} {value.dtype} {value.shape}\0".encode() + value.tobytes())
        return [self.store.folder_hash(network.file.parent, files), feed.hexdigest()]

    def _write(
        self,
        networks: Sequence[Network],
        folders: Mapping[tuple[str, str], Path],
        first: Mapping[tuple[str, str], Network],
        counts: Mapping[tuple[str, str], Count],
        peak: Path,
        budget: Budget | None,
        seed: int,
        out: Path,
        lineage: Mapping[str, Sequence[str]],
    ) -> dict[str, Any]:
        own, said, warnings, agree = {}, {}, [], True
        for network in networks:
            folder = folders[network.identity]
            count = counts[network.candidate, network.component]
            shared = None if first[network.identity] is network else first[network.identity].label
            own[network.component], told = measured_of(network, folder, count, shared)
            stored = self.store.get(folder.name) or {}
            said[network.component] = told | stored
            agree = agree and stored["agreement"]["agrees"]
            warnings += warnings_of(network, told | stored, self.target, self.settings.providers)
        memory = stored_result(peak).memory
        assert memory is not None
        found = Peak(memory.peak, memory.library, None if memory.peak is not None else "the device doesn't say")
        component = next(iter(said.values()))
        if component["version"] != host_version():
            warnings.append(
                f"{self.target}: ONNX Runtime {component['version']} there, {host_version()} on the host: not the same"
            )
        if self.facts.emulated:
            warnings.append(f"{self.target}: emulated: its times say nothing about a device of this kind")
        return write_profile(
            out,
            Place(self.target),
            own,
            found,
            budget if agree else None,
            {
                "threads": component["threads"],
                "seed": seed,
                "emulated": self.facts.emulated,
                "lineage": list(lineage.get(networks[0].candidate, ())),
                "device": {"facts": self.facts.as_json(), "library": component["library"], "components": said},
                "host_environment": environment(),
                "environment": environment_of(self.facts, component["version"]),
            },
            warnings,
        )
