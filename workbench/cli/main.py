"""The ``workbench`` command: its verbs, and how it ends."""

from __future__ import annotations

import errno
import signal
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from workbench import __version__, system
from workbench.cli import streams
from workbench.cli.check import check
from workbench.cli.compare import compare
from workbench.cli.count import count
from workbench.cli.devices import devices
from workbench.cli.history.gate import gate
from workbench.cli.history.runs import runs
from workbench.cli.history.store import store
from workbench.cli.init import init
from workbench.cli.npu import npu
from workbench.cli.profile import profile
from workbench.cli.run import run
from workbench.cli.sample import sample
from workbench.cli.schema import schema
from workbench.cli.schemes import schemes
from workbench.cli.ship import ship
from workbench.cli.tile import tile
from workbench.cli.train_demo import train_demo
from workbench.errors import InputError, WorkbenchError
from workbench.store.scratch import end_children

_SAID = {"SIGINT": "interrupted", "SIGTERM": "ended", "SIGHUP": "its terminal was closed"}
SIGNALS = {getattr(signal, name): said for name, said in _SAID.items() if hasattr(signal, name)}
"""Signals that end the command with a message, and how that is said."""


class _Signalled(BaseException):
    """Not a KeyboardInterrupt, of which Click makes its own ending while it reads the arguments."""


class _Verbs(TyperGroup):
    """Turns every expected failure into one message on standard error and its exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            system.check()
            result = super().invoke(ctx)
            sys.stdout.flush()  # a full disk behind it should be told here, too
            return result
        except WorkbenchError as error:
            _end(f"error: {error}", error.exit_code)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            code = InputError.exit_code if error.errno == errno.ENAMETOOLONG else WorkbenchError.exit_code
            _end(f"error: {place}{error.strerror or error}", code)
        except MemoryError:
            _end("error: out of memory", WorkbenchError.exit_code)


def _raise(number: int, _frame: object) -> None:
    raise _Signalled(signal.Signals(number))


def _end(message: str, code: int) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(code)


# Plain help: rich would have to be imported, which takes longer than all the rest of `workbench --help`.
app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _verb in (run, check, init, profile, compare, gate, count, tile, npu, schemes, sample, ship, schema, train_demo):
    app.command()(_verb)
app.add_typer(runs, name="runs")
app.add_typer(store, name="store")
app.add_typer(devices, name="devices")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"workbench {__version__}")
        raise typer.Exit


@app.callback()
def workbench(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Makes a diffusion model small, profiles it layer by layer, and says which configuration to ship."""


def main() -> None:
    """Runs the command line; exits 0, 1 (the work failed), 2 (bad input) or 128 + the signal that ended it."""
    streams.last()
    heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # as under nohup
    for number in heeded:
        signal.signal(number, _raise)
    try:
        app(prog_name="workbench")
    except _Signalled as signalled:
        (number,) = signalled.args
        for other in heeded:  # what follows takes seconds at most
            signal.signal(other, signal.SIG_IGN)
        end_children()
        with suppress(OSError):  # there may be no terminal any more
            typer.echo(f"{SIGNALS[number]}; finished steps are kept, run it again to resume", err=True)
        sys.exit(128 + number)
    finally:  # all is done and said; while the interpreter ends, an exception would only leave a traceback
        for number in heeded:
            signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    main()
