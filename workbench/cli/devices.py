"""``workbench devices``: attached devices and their facts; ``devices clean`` removes our folder there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import AsJson

devices = typer.Typer(help="List attached devices, or clean up on them.", invoke_without_command=True)
AdbProgram = Annotated[
    Path | None, typer.Option("--adb", metavar="FILE", help="The adb program; default: that of the SDK, or on PATH.")
]


@devices.callback()
def listed(context: typer.Context, adb: AdbProgram = None, as_json: AsJson = False) -> None:
    """List attached devices: what they are, their state, and what is missing to profile there."""
    if context.invoked_subcommand is not None:
        return
    from workbench.devices.adb import Adb, find_adb
    from workbench.verbs.devices import listing, show

    show(listing(Adb(find_adb(adb))), as_json)


@devices.command()
def clean(
    device: Annotated[
        str | None,
        typer.Option("--device", "--serial", metavar="NAME", help="Its serial or usb:PATH; default: all ready."),
    ] = None,
    adb: AdbProgram = None,
    as_json: AsJson = False,
) -> None:
    """Remove workbench's folder from devices, and whatever of it still runs there."""
    import json

    from workbench.devices.adb import Adb, find_adb
    from workbench.verbs.devices import clean as work

    done = work(Adb(find_adb(adb)), device)
    print(json.dumps({"cleaned": done}) if as_json else "\n".join(f"{name}: clean" for name in done))
