"""Which files of a model on the Hub are fetched, from a Hub of our own on this machine."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.fixtures.command import environment, process
from workbench.models.intake.locate import wanted
from workbench.models.intake.model import Model

UNET = "unet/diffusion_pytorch_model"
PLAIN = [f"{name}.safetensors" for name in (UNET, "vae/diffusion_pytorch_model", "text_encoder/model")]
FP16 = [name.replace(".safetensors", ".fp16.safetensors") for name in PLAIN]
PICKLED = [f"{name}.bin" for name in (UNET, "vae/diffusion_pytorch_model", "text_encoder/pytorch_model")]
READ = ["model_index.json", "unet/config.json", "scheduler/scheduler_config.json", "tokenizer/merges.txt"]
REST = ["v1-5.ckpt", "v1-5.safetensors", "safety_checker/model.safetensors", "README.md", f"{UNET}.non_ema.safetensors"]
SHARDS = [f"unet/diffusion_pytorch_model-0000{i}-of-00002.safetensors" for i in (1, 2)]
SHARDS_FP16 = [f"unet/diffusion_pytorch_model.fp16-0000{i}-of-00002.safetensors" for i in (1, 2)]
CASES = {
    "plain and variant": ([*PLAIN, *FP16], {}, PLAIN),
    "variant alone": (FP16, {}, FP16),
    "variant of one": ([*PLAIN[1:], FP16[0]], {}, [*PLAIN[1:], FP16[0]]),
    "variant asked for": ([*PLAIN, *FP16], {"variant": "fp16"}, FP16),
    "shards": ([*SHARDS, *SHARDS_FP16, *PLAIN[1:]], {}, [*SHARDS, *PLAIN[1:]]),
    "shards of a variant": ([*SHARDS_FP16, *FP16[1:]], {}, [*SHARDS_FP16, *FP16[1:]]),
    "pickles beside": ([*PLAIN, *PICKLED], {"allow_pickle": True}, PLAIN),
    "pickles alone": (PICKLED, {}, []),
    "pickles allowed": (PICKLED, {"allow_pickle": True}, PICKLED),
}


@pytest.mark.parametrize(("weights", "asked", "fetched"), CASES.values(), ids=CASES)
def test_one_variant_of_each_network_is_fetched_and_nothing_that_is_not_read(weights, asked, fetched):
    names = [*READ, *REST, *weights]
    assert sorted(wanted(Model(path="hub:a/b", **asked), names)) == sorted([*READ, *fetched])


@pytest.fixture
def hub(own_tiny) -> Iterator[str]:
    """A Hub with one model, ``own/tiny``, whose U-Net is there in half precision only."""
    source, commit = own_tiny.source, "0" * 40
    unet = source / "unet" / "diffusion_pytorch_model.safetensors"
    unet.rename(unet.with_name("diffusion_pytorch_model.fp16.safetensors"))
    (source / "README.md").write_text("a page")
    names = sorted(str(file.relative_to(source)) for file in source.rglob("*") if file.is_file())

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.partition("?")[0]
            if name.startswith("/api/models/own/tiny"):
                listed = [{"rfilename": name} for name in names]
                tree = [{"type": "file", "path": n, "size": (source / n).stat().st_size, "oid": "0"} for n in names]
                self.answer(
                    json.dumps(
                        tree if "/tree/" in name else {"id": "own/tiny", "sha": commit, "siblings": listed}
                    ).encode()
                )
            elif name.startswith("/own/tiny/resolve/"):
                self.answer((source / name.split("/", 5)[5]).read_bytes())
            else:
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound")
                self.end_headers()

        do_HEAD = do_GET

        def answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("X-Repo-Commit", commit)
            self.send_header("ETag", f'"{len(body)}-{hash(body) & 0xFFFFFF}"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


SHOW = """
import sys
from workbench.errors import WorkbenchError
from workbench.models.sources import resolve
for model in sys.argv[1:]:
    try:
        folder = resolve(model)
        print(*sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()))
    except WorkbenchError as error:
        print(f"{type(error).__name__}: {error.line}")
"""


def test_a_model_is_fetched_once_and_then_found_without_the_hub(hub, tmp_path):
    def resolved(endpoint: str) -> list[str]:
        more = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
        more |= {"HF_HUB_OFFLINE": "0"}  # whatever another test of this process has set
        command = [sys.executable, "-c", SHOW, "hub:own/tiny", "hub:own/absent"]
        return process(command, cwd=tmp_path, env=environment(**more)).stdout.splitlines()

    fetched, told = resolved(hub)
    assert f"{UNET}.fp16.safetensors" in fetched and "vae/diffusion_pytorch_model.safetensors" in fetched
    assert "README.md" not in fetched and "data/" not in fetched
    assert told == "InputError: found hub:own/absent; there is no such model on the Hub, or it is private"
    again, told = resolved("http://127.0.0.1:9")
    assert again == fetched
    assert told.startswith("RunError: hub:own/absent: can't be fetched") and "name a local folder" in told
