"""The chips that networks can be compiled for (``socs.yaml``)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from workbench.errors import unknown

DEFAULT = "SM8650"
_FILE = Path(__file__).parent / "socs.yaml"


@dataclass(frozen=True)
class Soc:
    """A chip: ``soc_model`` is Qualcomm's number of it, ``htp_arch`` its NPU's generation, ``sources`` who says so."""

    name: str
    title: str
    soc_model: int
    htp_arch: int
    sources: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} ({self.title}, HTP v{self.htp_arch})"


@cache
def socs() -> dict[str, Soc]:
    """Every known chip by name."""
    import yaml

    data = yaml.safe_load(_FILE.read_text())
    return {
        name: Soc(
            name, each["title"], each["soc_model"], each["htp_arch"], tuple(map(data["sources"].get, each["sources"]))
        )
        for name, each in data["socs"].items()
    }


def soc(name: str) -> Soc:
    """The chip of that name, in capitals or not.

    Raises:
        InputError: it isn't known.
    """
    if name.upper() not in socs():
        raise unknown(f"--soc {name}: no such chip", name.upper(), socs())
    return socs()[name.upper()]
