"""What a run has to leave behind, whatever its recipe."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any


def host_rows(place: Path, name: str, outcome: dict[str, Any]) -> list[dict[str, str]]:
    """Candidates as measured on the host, after the checks of report, table and profiles."""
    listed = list(csv.DictReader((place / "reports" / f"{name}.csv").open()))
    rows = [row for row in listed if row["latency_ms"]]  # a candidate in another runtime's format isn't measured here
    host = [row for row in rows if row["target"] == "host"]
    assert len(host) >= 3 and host[0]["candidate"] == "base"
    assert all(float(row["latency_ms"]) > 0 and float(row["peak_rss_bytes"]) > 1e7 for row in host)
    sizes, macs = ([int(float(row[key])) for row in host] for key in ("size_bytes", "macs"))
    # A teacher is as large as the model that it was trained from or beside; all others are smaller.
    smaller = [i for i, row in enumerate(host) if row["candidate"] not in ("base", "teacher")]
    assert all(sizes[i] < sizes[0] and macs[i] < macs[0] for i in smaller)
    floats = [size for size, row in zip(sizes, host, strict=True) if row["scheme"] == "fp32"]
    assert any(size < min(floats) for size in sizes), "no scheme made the files smaller"
    assert outcome["chosen"]["candidate"] in {row["candidate"] for row in listed}
    page = (place / "reports" / f"{name}.html").read_text()
    assert len(page.encode()) <= 2_000_000
    for row in rows:
        profile = json.loads((place / "profiles" / name / f"{row['candidate']}@{row['target']}.json").read_text())
        assert profile["pipeline"]["latency_ms"]["n"] >= 3
        if row["target"] == "host":
            assert profile["components"]["unet"]["unmapped_share"] <= 0.02
    return host
