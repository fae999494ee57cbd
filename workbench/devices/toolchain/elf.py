"""What an ELF file says of itself: for which machine and which C library it was made."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from workbench.errors import InputError

_MACHINES = {"EM_X86_64": "x86_64", "EM_AARCH64": "arm64", "EM_386": "x86", "EM_ARM": "arm"}


@dataclass(frozen=True)
class Elf:
    """An executable or a shared library.

    ``machine`` is ``x86_64``, ``arm64``, ``x86``, ``arm`` or the format's own name of another one. ``symbol_versions``
    are those it wants of other libraries, such as ``GLIBC_2.28``; ``undefined`` the symbols it expects from them.
    """

    machine: str
    interpreter: str | None
    needed: tuple[str, ...]
    symbol_versions: tuple[str, ...]
    undefined: tuple[str, ...]

    @property
    def system(self) -> str | None:
        """``android`` (bionic) or ``linux`` (glibc), by the C library it needs; None when it needs none of the two."""
        if "libc.so.6" in self.needed:
            return "linux"
        return "android" if "libc.so" in self.needed else None

    @property
    def described(self) -> str:
        """``arm64 Android``, for messages."""
        names = {"android": "Android", "linux": "Linux (glibc)", None: "an unknown C library"}
        return f"{self.machine} {names[self.system]}"


def read_elf(path: Path, content: bytes | None = None) -> Elf:
    """Reads the headers of an ELF file, or of one that lies in the archive ``path`` and has that content.

    Raises:
        InputError: the file isn't there, is no ELF file, or is cut off.
    """
    try:
        from elftools.common.exceptions import ELFError, ELFParseError
        from elftools.elf.elffile import ELFFile
    except ImportError:
        raise InputError("pyelftools is not installed", hint="pip install 'edge-workbench[device]'") from None
    try:
        with path.open("rb") if content is None else BytesIO(content) as file:
            return _read(ELFFile(file))
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})") from error
    except (ELFError, ELFParseError, AssertionError, ValueError, IndexError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not an ELF file, or a damaged one") from error


def _read(elf: Any) -> Elf:
    from elftools.elf.gnuversions import GNUVerNeedSection
    from elftools.elf.sections import SymbolTableSection

    needed: tuple[str, ...] = ()
    interpreter = None
    for segment in elf.iter_segments():
        if segment.header.p_type == "PT_INTERP":
            interpreter = segment.get_interp_name()
        if segment.header.p_type == "PT_DYNAMIC":
            needed = tuple(tag.needed for tag in segment.iter_tags() if tag.entry.d_tag == "DT_NEEDED")
    versions: list[str] = []
    undefined: list[str] = []
    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            versions += [aux.name for _, auxiliaries in section.iter_versions() for aux in auxiliaries]
        if isinstance(section, SymbolTableSection):
            undefined += [s.name for s in section.iter_symbols() if s.entry.st_shndx == "SHN_UNDEF" and s.name]
    machine = elf.header.e_machine
    return Elf(
        machine=_MACHINES.get(machine, str(machine)),
        interpreter=interpreter,
        needed=needed,
        symbol_versions=tuple(sorted(set(versions))),
        undefined=tuple(sorted(set(undefined))),
    )
