"""``workbench store``: what takes the space, what of it can go, whether it is sound, where things lie."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.options import AsJson, StoreFolder

store = typer.Typer(help="Say what takes the space of the store; clean it, verify it.", invoke_without_command=True)


@store.callback()
def used(context: typer.Context, store: StoreFolder = None, as_json: AsJson = False) -> None:
    """Say what takes the space of the store: by kind of work, and by run."""
    if context.invoked_subcommand is not None:
        return
    from workbench.store.store import Store
    from workbench.verbs.store.usage import show, usage

    show(usage(Store(store)), as_json)


@store.command()
def clean(
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="Least age of what goes: 12h, 0d; default 7d.")
    ] = None,
    forget: Annotated[
        list[str] | None, typer.Option("--forget", metavar="RUN", help="A run that isn't kept any more; repeat.")
    ] = None,
    earlier: Annotated[
        bool, typer.Option("--earlier", help="Keep no run that a later one of its name follows.")
    ] = False,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="SIZE", help="As 2GB: the oldest of what no run needs goes until it fits."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")] = False,
    store: StoreFolder = None,
    as_json: AsJson = False,
) -> None:
    """Remove what no run needs: results, work that was never finished, what was damaged.

    What a kept run needs never goes.
    """
    from workbench.store.store import Store
    from workbench.verbs.store.clean import DEFAULT_AGE, Wanted, age_of, bytes_of, show, too_large
    from workbench.verbs.store.clean import clean as work

    most = None if to is None else bytes_of(to)
    wanted = Wanted(age_of(older_than or DEFAULT_AGE), forget or [], earlier, most)
    going = work(Store(store), wanted, dry_run)
    show(going, dry_run, as_json)
    too_large(going, wanted)


@store.command()
def verify(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="Only what this run needs.")] = None,
    store: StoreFolder = None,
    as_json: AsJson = False,
) -> None:
    """Read every result and compare its hashes; exit 1 with the files that aren't what was stored."""
    import json

    from workbench.progress import visible
    from workbench.store.store import Store
    from workbench.verbs.store.usage import verify as work

    count = work(Store(store), run, visible)
    print(json.dumps({"sound": count}) if as_json else f"{count} results are what was stored")


@store.command()
def path(
    component: Annotated[
        str, typer.Argument(metavar="RUN/CANDIDATE/COMPONENT", help="Such as my_run/w8a8/unet.", show_default=False)
    ],
    store: StoreFolder = None,
    as_json: AsJson = False,
) -> None:
    """Print where a component of a candidate lies."""
    import json

    from workbench.store.store import Store
    from workbench.verbs.store.usage import path_of

    found = path_of(Store(store), component)
    print(json.dumps({"path": str(found)}) if as_json else found)
