"""Models on the Hub, named ``hub:OWNER/NAME``: the only use of the network."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from workbench.errors import InputError, RunError

HUB = "hub:"
NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
Choice = Callable[[Sequence[str] | None], Sequence[str]]
"""The files that are there to those that are wanted."""


def fetch(model: str, files: Sequence[str] | Choice) -> Path:
    """The local folder of ``hub:OWNER/NAME``; what lacks of the ``files`` (patterns) is fetched.

    ``files``: or a function of the names that are there, which are None where the Hub can't be asked.

    Raises:
        InputError: the Hub has no such model for us.
        RunError: it can't be reached and the model isn't in the local cache.
    """
    name = model.removeprefix(HUB)
    if not NAME.fullmatch(name):
        raise InputError(f"found {model}; needs {HUB}OWNER/NAME")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        if callable(files):
            files = files(_listed(name))
        return Path(snapshot_download(name, allow_patterns=list(files)))
    except GatedRepoError:
        raise InputError(
            f"found {model}; its owner gives access on request", hint="ask there, then run: hf auth login"
        ) from None
    except RepositoryNotFoundError:
        raise InputError(f"found {model}; there is no such model on the Hub, or it is private") from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise RunError(
            f"{model}: can't be fetched ({reason})", hint="check the network, or name a local folder"
        ) from None


def _listed(name: str) -> list[str] | None:
    """The files of a model on the Hub; None where it can't be asked."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return [file.rfilename for file in HfApi().model_info(name).siblings or ()]  # listing files retries for 24 s
    except RepositoryNotFoundError:
        raise
    except Exception:  # of the library that it asks with, whichever that is
        return None


def cached(model: str, files: Sequence[str]) -> Path | None:
    """The local copy of ``hub:OWNER/NAME``; None where there is none, or the name can't be one."""
    name = model.removeprefix(HUB)
    if not NAME.fullmatch(name):
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(files), local_files_only=True))
    except (LocalEntryNotFoundError, OSError):
        return None
