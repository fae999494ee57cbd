"""Pictures of one's own as latents, encoded once for all steps and runs that train on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workbench.data.captioned import CAPTIONS, EMBEDDED, LATENTS, data_key, load
from workbench.data.encode import autoencoder
from workbench.run.session import Session
from workbench.store.depends import depends_on
from workbench.store.files import replacing, write_atomic
from workbench.store.store import key_of


def encoded(session: Session, source: Path) -> str | None:
    """What a step trains on: a folder of latents and captions in the store, or the data that the model brings."""
    data, store = session.recipe.data, session.store
    if data in EMBEDDED:
        return data
    of = {"data": data_key(data, source, store), "autoencoder": autoencoder(source)}
    key = key_of({"stage": "latents", **of, **depends_on(load)})

    def work(out: Path) -> dict[str, Any]:
        from safetensors.torch import save_file

        captioned = load(data, source, session.progress)
        rows = [{"caption": c, "split": s} for c, s in zip(captioned.captions, captioned.split, strict=True)]
        write_atomic(out / CAPTIONS, json.dumps(rows, indent=0))
        with replacing(out / LATENTS) as file:
            save_file({"latents": captioned.latents.contiguous()}, file)
        return {"pictures": len(rows)}

    store.compute(key, work)
    return str(store.folder(key))
