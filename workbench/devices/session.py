"""One device through a whole profile: what is missing in the store is measured there, and put into it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from workbench.devices.conditions import cool_down, fixed_performance, state_of, too_warm
from workbench.devices.folder import DeviceFolder
from workbench.devices.lock import exclusive
from workbench.devices.measure import DeviceSettings, Tools, measure_memory, measure_network
from workbench.devices.probe import probe
from workbench.devices.target import Ready
from workbench.devices.toolchain.build import build_runner, target_of
from workbench.devices.toolchain.library import NAME, library_for
from workbench.graphs.read import onnx_files
from workbench.measure.network import Network
from workbench.progress import Progress, quiet
from workbench.store.depends import depends_on
from workbench.store.files import hash_file
from workbench.store.store import Store, key_of


@dataclass(frozen=True)
class Taken:
    """Folders of stored results: each network's by its identity, with the first of that identity, which was measured;
    and of each candidate's memory."""

    networks: Mapping[tuple[str, str], Path]
    first: Mapping[tuple[str, str], Network]
    memory: Mapping[str, Path]


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
        system = target_of(ready.facts.system, ready.facts.abi or "")
        kept = store.root / "devices"
        self.library = library_for(system, kept, settings.ort_library)
        self.runner = build_runner(system, kept)
        self._ready: Tools | None = None
        self._held = ExitStack()
        self.mode = "not asked"
        chosen = asdict(replace(self.settings, ort_library=None, parallel=False))
        facts = self.facts
        self.shared: dict[str, Any] = {
            "stage": "device",
            **depends_on(measure_network, measure_memory, cool_down, fixed_performance, state_of),
            "device": [self.device.name, facts.serial, facts.model, facts.fingerprint, facts.version],
            "library": hash_file(self.library.path),
            "settings": {name: str(value) for name, value in chosen.items()},
        }

    def __enter__(self) -> DeviceSession:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def tools(self) -> Tools:
        """Our folder there with runner and library in it; made when first needed."""
        if self._ready is None:
            self._held.enter_context(exclusive(self.device.listed))
            folder = DeviceFolder(self.device, self.facts.space_bytes)
            self._held.callback(folder.close)
            self.mode = self._held.enter_context(fixed_performance(self.device, self.facts))
            (library,) = folder.put([self.library.path], [NAME])
            (runner,) = folder.put([self.runner], ["wbrun"])
            self._ready = Tools(folder, runner, library)
        return self._ready

    def measure(self, networks: Sequence[Network]) -> Taken:
        """Every network, and every candidate's memory, from the store or measured.

        Raises:
            RunError: the device failed; what was measured before is kept.
        """
        folders: dict[tuple[str, str], Path] = {}
        first: dict[tuple[str, str], Network] = {}
        distinct = list({n.identity: n for n in reversed(networks)}.values())[::-1]
        candidates = list(dict.fromkeys(n.candidate for n in networks))
        memory: dict[str, Path] = {}
        with self.progress(f"profile on {self.target}", len(distinct) + len(candidates)) as tick:
            for done, network in enumerate(distinct):
                tick(done, network.label)
                first[network.identity] = network
                folders[network.identity] = self._network(network, partial(tick, done))
            for done, candidate in enumerate(candidates, len(distinct)):
                tick(done, f"{candidate}: memory")
                memory[candidate] = self._memory([n for n in networks if n.candidate == candidate])
        return Taken(folders, first, memory)

    def _network(self, network: Network, say: Callable[[str], None]) -> Path:
        key = key_of({**self.shared, "network": self._content(network), "scheme": network.scheme})

        def work(out: Path) -> dict[str, Any]:
            tools = self.tools()  # before the waiting: it takes the device
            before, waited = cool_down(self.device, probe(self.device), self.settings.cool_down_s, say)
            measured = measure_network(tools, network, self.settings, self.facts, out)
            after = probe(self.device)
            return {
                **measured,
                "fixed_performance": self.mode,
                "cooled_s": waited,
                "started_warm": too_warm(before),
                "before": state_of(before),
                "after": state_of(after),
                "library": self.library.source,
            }

        self.store.compute(key, work)
        return self.store.folder(key)

    def _memory(self, networks: Sequence[Network]) -> Path:
        key = key_of({**self.shared, "memory": [self._content(network) for network in networks]})

        def work(out: Path) -> dict[str, Any]:
            return measure_memory(self.tools(), networks, self.settings, self.facts, out)

        self.store.compute(key, work)
        return self.store.folder(key)

    def _content(self, network: Network) -> list[str]:
        assert network.file is not None
        files = onnx_files(network.file)
        feed = hashlib.sha256()
        for name, value in network.feed.items():
            feed.update(f"{name} {value.dtype} {value.shape}\0".encode() + value.tobytes())
        return [self.store.folder_hash(network.file.parent, files), feed.hexdigest()]
