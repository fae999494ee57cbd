"""The demo's trained U-Nets out of a run of ``recipes/edgefusion.yaml``, small enough to lie in the package.

``python -m workbench.demo.students --store .workbench`` after the run.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.models.record import read_record
from workbench.models.sources import demo_folder
from workbench.models.unet import STEM, load_unet, save_unet
from workbench.models.widths import read_widths
from workbench.store.depends import depends_on
from workbench.store.files import hash_file, write_atomic
from workbench.store.store import Store

RUN, NAMES = "edgefusion", ("teacher", "adv_tiny", "few")
LOG = "loss.jsonl"


def pack(store: Store, out: Path, run: str = RUN, names: Sequence[str] = NAMES) -> dict[str, Any]:
    """Writes ``out/NAME`` for each candidate (config, weights in half precision, loss of every step) and facts.json.

    The facts name what each came from: key in the store (the hash of recipe, data, code and libraries), report of the
    training, and the hashes of the weights before and after rounding.

    Raises:
        InputError: the store has no such run.
    """
    made = {candidate.name: candidate for candidate in read_record(store, run).candidates}
    facts: dict[str, Any] = {"run": run, "code": depends_on(pack)["code"], "students": {}}
    for name in names:
        source, folder = made[name].denoiser.path, out / name
        shutil.rmtree(folder, ignore_errors=True)
        save_unet(load_unet(source).half(), folder, read_widths(source))
        shutil.copyfile(source.parent / LOG, folder / LOG)
        weights = f"{STEM}.safetensors"
        facts["students"][name] = {
            "made_from": made[name].parent,
            "teacher_name": made[name].teacher,
            "key": made[name].key,
            "optimiser_steps": made[name].report.get("steps"),
            "sha256_fp32": hash_file(source / weights),
            "sha256": hash_file(folder / weights),
        }
    write_atomic(out / "facts.json", json.dumps(facts, indent=1) + "\n")
    return facts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=demo_folder() / "students")
    options = parser.parse_args()
    print(json.dumps(pack(Store(options.store), options.out), indent=1))
