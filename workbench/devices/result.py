"""The runner's result file, as data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, AliasPath, BaseModel, ConfigDict, Field, ValidationError

from workbench.errors import RunError
from workbench.measure.clock import Stats

if TYPE_CHECKING:
    import numpy as np

Ms = Annotated[float, AfterValidator(lambda ns: ns / 1e6)]
Bytes = Annotated[int, AfterValidator(lambda kb: kb * 1024)]
Celsius = Annotated[float, AfterValidator(lambda millidegrees: millidegrees / 1000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Tensor(_Part):
    """An input or output: numpy's name of its type, and where it is an output the file it lies in."""

    name: str
    type: str
    shape: tuple[int, ...]
    file: str | None = None
    seeded: bool = False

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class Times(_Part):
    """The first load (``cache_dropped``: the kernel took the wish to forget the file), the second, the first call, and
    all samples; ``cut`` where the time limit came before the samples asked for."""

    load_cold_ms: Ms = Field(validation_alias="load_cold_ns")
    cache_dropped: bool
    load_warm_ms: Ms = Field(validation_alias="load_warm_ns")
    first_call_ms: Ms = Field(validation_alias="first_call_ns")
    samples_ms: tuple[Ms, ...] = Field(validation_alias="samples_ns")
    warmup: int
    cut: bool

    @property
    def stats(self) -> Stats:
        """Of the samples."""
        return Stats(self.samples_ms)


class Recorded(_Part):
    """The device's paths of the runtime's profile and of the executed graph (None: ``executed_reason``); its passes."""

    file: str
    executed: str | None
    executed_reason: str | None
    warmup: int
    passes: int


class Memory(_Part):
    """Bytes resident: at the start, with the library, with all models loaded, at the end, at most; None: unknown."""

    start: Bytes | None = Field(validation_alias="start_kb")
    library: Bytes | None = Field(validation_alias="library_kb")
    loaded: Bytes | None = Field(validation_alias="loaded_kb")
    end: Bytes | None = Field(validation_alias="end_kb")
    peak: Bytes | None = Field(validation_alias="peak_kb")


class Reading(_Part):
    """Clocks of the cores in use in kHz and temperatures; None: unreadable."""

    khz: tuple[int | None, ...]
    celsius: tuple[Celsius | None, ...] = Field(validation_alias="millidegrees")


class Result(_Part):
    """What the runner measured, and on what; its file holds more, for people to look at."""

    runner: Literal["wbrun"]
    schema_: Literal[1] = Field(validation_alias="schema")
    version: str = Field(validation_alias=AliasPath("library", "version"))
    cpus: tuple[int, ...]
    threads: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...] = ()
    times: Times | None = Field(None, validation_alias="time")
    recorded: Recorded | None = Field(None, validation_alias="profile")
    memory: Memory | None = None
    readings: tuple[Reading, ...]
    wall_ms: int

    def check_fed(self, feed: Mapping[str, np.ndarray]) -> None:
        """Whether the model took exactly these inputs, not others of the same size.

        Raises:
            RunError: a name, a type or a shape differs.
        """
        took = {i.name: (i.type, i.shape) for i in self.inputs if not i.seeded}
        meant = {name: (str(value.dtype), tuple(value.shape)) for name, value in feed.items()}
        if took != meant:
            raise RunError(f"the device's inputs aren't those of the host: {took} against {meant}")


def read_result(text: str) -> Result:
    """Parses a result file.

    Raises:
        RunError: it is damaged or of another version of the runner.
    """
    try:
        return Result.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise RunError(f"the runner's result is damaged or another version's: {where}: {first['msg']}") from error
