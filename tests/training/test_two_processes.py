"""Two processes that train together: one set of weights, one log, and the steps of a single process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

SCRIPT = """
import os, sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from workbench.errors import InputError
from workbench.training.features import Taps
from workbench.training.loop import Schedule, own_part, train

def network():
    torch.manual_seed(int(os.environ.get("RANK", 0)))  # what each of them begins with must not matter
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))

def trained(folder, steps, save_every=3):
    network_ = network()
    taps = Taps(network_, ["1"])
    def loss_of(model, step, rng):
        x = torch.from_numpy(rng.standard_normal((8, 4), dtype="float32"))[own_part(8)]
        task = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
        feature = taps.outputs["1"].pow(2).mean()
        return {"loss": task + feature, "feature": feature}
    schedule = Schedule(steps=steps, lr=0.01, seed=7, ema=0.9, save_every=save_every)
    return train(network_, loss_of, schedule, folder).state_dict()

out, rank = Path(sys.argv[1]), os.environ.get("RANK")
if rank is None:
    save_file(trained(out / "single", 6), out / "single.safetensors")
else:
    try:
        own_part(7)
    except InputError as error:
        (out / f"refused{rank}").write_text(error.message)
    save_file(trained(out / "both", 6), out / f"both{rank}.safetensors")
    trained(out / "cut", 3)
    save_file(trained(out / "cut", 6), out / f"cut{rank}.safetensors")
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """What a single process and a group of two left behind; the variables are those that every launcher sets."""
    out = tmp_path_factory.mktemp("processes")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    group = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [{**group, "RANK": rank, "LOCAL_RANK": rank} for rank in "01"]
    usual = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    started = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, str(out)], env=usual | env, stderr=subprocess.PIPE, text=True)
        for env in ({}, *ranks)
    ]
    for process in started:
        _, said = process.communicate(timeout=600)
        assert process.returncode == 0, said
    return out


def weights(file: Path):
    from safetensors.torch import load_file

    return load_file(file)


def equal(a, b) -> bool:
    return all(a[name].equal(b[name]) for name in a) and a.keys() == b.keys()


def test_both_end_with_the_same_weights_which_are_those_of_a_single_process(made):
    first, second, single = (weights(made / f"{name}.safetensors") for name in ("both0", "both1", "single"))
    assert equal(first, second)
    assert all(first[name].allclose(single[name], atol=1e-5) for name in single)


def test_the_log_has_every_step_once_and_the_loss_of_the_whole_batch(made):
    both, single = (
        [json.loads(line) for line in (made / name / "loss.jsonl").read_text().splitlines()]
        for name in ("both", "single")
    )
    assert [row["step"] for row in both] == list(range(6))
    for name in ("loss", "feature"):
        assert [row[name] for row in both] == pytest.approx([row[name] for row in single], rel=1e-4)


def test_a_batch_that_cannot_be_parted_evenly_is_refused(made):
    assert (made / "refused0").read_text() == "batch: found 7, which 2 processes can't share evenly"


def test_stopped_and_started_again_they_end_with_the_same_weights(made):
    whole = weights(made / "both0.safetensors")
    assert equal(whole, weights(made / "cut0.safetensors")) and equal(whole, weights(made / "cut1.safetensors"))
