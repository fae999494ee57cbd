"""Pictures of one's own are encoded once, however many steps and runs train on them."""

from __future__ import annotations

import torch

from tests.run.test_run import few_pictures
from workbench.data.captioned import load
from workbench.models.sources import demo_folder
from workbench.recipe.load import load_recipe
from workbench.run.latents import encoded
from workbench.run.session import Session
from workbench.store.store import Store


def test_latents_are_kept_for_what_trains_and_made_anew_where_a_picture_changed(tmp_path):
    folder, recipe = few_pictures(tmp_path), tmp_path / "r.yaml"
    recipe.write_text("version: 1\nname: x\nmodel: demo\ndata: pictures\nsteps: [distill: {}]\n")
    told: list[str] = []

    def session() -> Session:
        from contextlib import nullcontext

        def progress(what, _total, _weights=()):
            told.append(what)
            return nullcontext(lambda _done, _note="": None)

        return Session(load_recipe(recipe).recipe, Store(tmp_path / "store"), progress)

    first, again = (encoded(session(), demo_folder()) for _ in range(2))
    assert first == again and told.count("encode") == 1
    kept, fresh = load(first, demo_folder()), load(str(folder), demo_folder())
    assert torch.equal(kept.latents, fresh.latents)
    assert (kept.captions, kept.split) == (fresh.captions, fresh.split)
    (folder / "0.png").write_bytes((folder / "1.png").read_bytes())
    assert encoded(session(), demo_folder()) != first and told.count("encode") == 2
