"""A model measured layer by layer, from Python: what ``workbench profile`` takes, or a module that is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.api import tables
from workbench.errors import InputError
from workbench.progress import quiet, visible
from workbench.runtimes.base import DEFAULT

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from workbench.verbs.profile import Outcome

SLOWEST = 8
"""Layers that a notebook shows."""


@dataclass(frozen=True, repr=False)
class Profile:
    """What was measured on each of the runtimes and targets; the files lie in ``page``'s folder."""

    outcome: Outcome

    @property
    def page(self) -> Path:
        """The page with all of it; tables, samples and traces lie beside it."""
        return self.outcome.page

    @property
    def summaries(self) -> Sequence[Mapping[str, Any]]:
        """Everything but the layers: docs/profile.md."""
        return self.outcome.summaries

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row for each model and target: median, IQR, p90 and n of the latency in ms, memory and size in bytes, MACs,
        threads, seed, warnings."""
        import pandas as pd

        return pd.DataFrame([tables.profile_row(summary) for summary in self.outcome.summaries])

    @cached_property
    def layers(self) -> pd.DataFrame:
        """A row for each layer of each component on each target: columns as in docs/profile.md."""
        import pandas as pd

        from workbench.profile.read import read_profile
        from workbench.profile.write import stem

        read = [
            read_profile(self.page.parent / f"{stem(s['candidate'], s['target'])}.json").table.assign(
                candidate=s["candidate"], target=s["target"]
            )
            for s in self.outcome.summaries
        ]
        return pd.concat(read, ignore_index=True)

    def __repr__(self) -> str:
        each = (f"{row.candidate}@{row.target} {row.latency_ms:.3g} ms" for row in self.table.itertuples())
        return f"<Profile {', '.join(each)}>"

    def _repr_html_(self) -> str:
        slowest = self.layers.nlargest(SLOWEST, "latency_ms")
        shown = slowest[["target", "component", "layer", "op", "latency_ms", "latency_iqr_ms", "share", "macs"]]
        both = (self.table.to_html(index=False, border=0), shown.to_html(index=False, border=0))
        return f"{both[0]}\n<p>The slowest layers:</p>\n{both[1]}"


def profile(
    source: torch.nn.Module | str | Path,
    inputs: Any = None,
    *,
    component: str | None = None,
    runtimes: Sequence[str] = (DEFAULT,),
    targets: Sequence[str] = ("host",),
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    values: Mapping[str, float] | None = None,
    threads: int | None = None,
    iterations: int = 30,
    min_seconds: float = 1.0,
    warmup: int = 5,
    steps: int = 10,
    guidance_scale: float = 3.0,
    seed: int = 0,
    providers: Sequence[str] = (),
    ort_library: Path | None = None,
    timeout_s: float = 900.0,
    cool_down_s: float = 300.0,
    parallel: bool = False,
    out: str | Path | None = None,
    store: str | Path | None = None,
    progress: bool = True,
) -> Profile:
    """Measures a model layer by layer: latency, memory, MACs.

    Args:
        source: what ``workbench profile`` takes (demo, a folder, RUN/CANDIDATE, arch:NAME, module:function, a file), or
            a module, which is measured as it is, in evaluation mode, and left as it was.
        inputs: of a module: a tensor, several by position, or a mapping by the names of its ``forward``.
        component: one of a pipeline's; default: all.
        runtimes: on this machine: onnxruntime, torch, torch-compile, openvino.
        targets: host, adb (all ready devices), adb:NAME.
        shapes, values: of inputs by name, in the place of the source's own.
        threads: default: the cores that this process may use.
        iterations, min_seconds, warmup: least number of timed passes, time spent on them, passes before them.
        steps, guidance_scale: of the pipeline's budget.
        seed: of the inputs.
        providers, ort_library, timeout_s, cool_down_s, parallel: of devices, as the verb's options.
        out: folder to write to; default ``profiles/`` and the source's name.
        store: folder of exports; default ``.workbench`` or ``$WORKBENCH_STORE``.
        progress: on standard error.

    Raises:
        InputError: the source can't be used, a runtime isn't installed or can't run it, a device isn't ready.
        RunError: an export or the measuring failed.
    """
    from workbench.devices.measure import DeviceSettings
    from workbench.devices.providers import parse_provider
    from workbench.models.factory import live
    from workbench.profile.host import Settings
    from workbench.profile.write import Budget
    from workbench.sources.request import Request
    from workbench.store.processor import usable_cores
    from workbench.store.store import Store
    from workbench.verbs.profile import profile as work

    for name in targets:
        if name not in ("host", "adb") and not name.startswith("adb:"):
            raise InputError(f"--target: found {name!r}; needs host, adb or adb:NAME (see: workbench devices)")
    least = {"threads": 1, "iterations": 3, "min_seconds": 0, "warmup": 1, "steps": 1, "guidance_scale": 1}
    given = {"threads": threads, "iterations": iterations, "min_seconds": min_seconds, "warmup": warmup}
    for name, value in {**given, "steps": steps, "guidance_scale": guidance_scale}.items():
        if value is not None and not value >= least[name]:
            raise InputError(f"{name}: found {value}; needs at least {least[name]}")
    is_module = not isinstance(source, str | Path)
    if is_module == (inputs is None):
        what = f"{type(source).__name__}: a module needs its inputs: a tensor, several, or a mapping by name"
        raise InputError(what if is_module else f"{source}: inputs go with a module; needs shapes={{…}} or none")
    device = DeviceSettings(
        threads=threads,
        iterations=iterations,
        min_seconds=min_seconds,
        warmup=warmup,
        timeout_s=timeout_s,
        cool_down_s=cool_down_s,
        providers=tuple(parse_provider(text) for text in providers),
        ort_library=ort_library,
        parallel=parallel,
    )
    settings = Settings(tuple(dict.fromkeys(runtimes)), threads or usable_cores(), iterations, min_seconds, warmup)
    budget, place = Budget(steps, guidance_scale), Store(store)
    with live(source, inputs) if not isinstance(source, str | Path) else nullcontext(str(source)) as where:
        request = Request(
            where,
            place,
            component,
            shapes or {},
            values or {},
            seed,
            progress=visible if progress else quiet,
        )
        outcome = work(
            request,
            tuple(dict.fromkeys(targets)),
            settings,
            device,
            budget,
            Path(out) if out else None,
        )
    return Profile(outcome)
