"""Our folder on a device: files under the hash of their content, pushed once; and the runner that works there."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.devices.adb import Device, DeviceError, Done
from workbench.devices.job import Job, Stream, failure
from workbench.devices.result import Result, read_result
from workbench.errors import RunError
from workbench.store.files import hash_file

FOLDER = "/data/local/tmp/edge-workbench"
"""The one folder that adb's shell may write to and run programs from, on every Android; ours inside it."""
GRACE_S = 30.0
"""How much longer than the runner's own time limit adb is given."""
SPARE = 20_000_000
"""Bytes that are left free on the device."""

_KILL = f"""
for f in {FOLDER}/jobs/*/pid; do
  [ -r "$f" ] || continue
  p=$(cat "$f"); case "$(cat /proc/$p/cmdline 2>/dev/null | tr '\\000' ' ')" in *wbrun*) kill -9 $p;; esac
done
"""
_ORPHANS = f"""{_KILL}
rm -rf {FOLDER}/jobs {FOLDER}/files/*/*.part; mkdir -p {FOLDER}/files {FOLDER}/jobs && echo READY
"""
_CLEAN = f"""{_KILL}
rm -rf {FOLDER}; [ -e {FOLDER} ] || echo GONE
"""


class DeviceFolder:
    """Our folder on one device, made ready: no runner of an earlier call is left, no job's files either."""

    def __init__(self, device: Device, space_bytes: int | None) -> None:
        self.device, self._space = device, space_bytes
        done = device.script(_ORPHANS)
        if "READY" not in done.out:
            raise DeviceError(
                device.name, f"can't write to {FOLDER}: {done.message}", "is its storage full or read-only?"
            )
        listed = device.script(f'for f in {FOLDER}/files/*/*; do [ -f "$f" ] && wc -c "$f"; done')
        self._there = {
            name: int(size)
            for size, _, name in (line.strip().partition(" ") for line in listed.out.splitlines())
            if size.isdecimal()
        }

    def put(self, files: Sequence[Path], names: Sequence[str]) -> list[str]:
        """Paths there of files side by side in a folder named by their content, pushed unless they are there.

        A file gets its name only when all of it has arrived, so a name that is there means the content is.

        Raises:
            DeviceError: there is too little space, or the transfer failed.
        """
        digest = hashlib.sha256("\n".join(hash_file(file) for file in files).encode()).hexdigest()
        folder = f"{FOLDER}/files/{digest[:20]}"
        sizes = {f"{folder}/{name}": file.stat().st_size for file, name in zip(files, names, strict=True)}
        missing = {path: file for path, file in zip(sizes, files, strict=True) if self._there.get(path) != sizes[path]}
        need = sum(sizes[path] for path in missing)
        if missing and self._space is not None and need + SPARE > self._space:
            raise DeviceError(
                self.device.name,
                f"needs {need / 1e6:.0f} MB more in {FOLDER}, {self._space / 1e6:.0f} MB are free",
                "make room on the device, or clean our folder: workbench devices clean",
            )
        if missing:
            self.device.shell("mkdir", "-p", folder)
        for path, file in missing.items():
            self.device.push(file, f"{path}.part")
            self._finish(path, sizes[path])
            self._there[path] = sizes[path]
            self._space = None if self._space is None else self._space - sizes[path]
        return list(sizes)

    def _finish(self, target: str, size: int) -> None:
        part = f"{target}.part"
        done = self.device.script(
            f's=$(wc -c < {shlex.quote(part)}) && [ "$s" -eq {size} ] && chmod 755 {shlex.quote(part)} '
            f"&& mv {shlex.quote(part)} {shlex.quote(target)} && echo WHOLE"
        )
        if "WHOLE" not in done.out:
            raise DeviceError(
                self.device.name, f"{target} did not arrive whole: {done.message}", "give the command again"
            )

    def job_folder(self, name: str) -> str:
        """A fresh folder for one call of the runner."""
        folder = f"{FOLDER}/jobs/{name}"
        done = self.device.script(f"rm -rf {shlex.quote(folder)}; mkdir -p {shlex.quote(folder)}/outputs && echo MADE")
        if "MADE" not in done.out:
            raise DeviceError(self.device.name, f"can't write to {folder}: {done.message}")
        return folder

    def run(
        self, runner: str, job: Job, scratch: Path, on_event: Callable[[dict[str, Any]], None] | None = None
    ) -> Result:
        """Runs the runner and gives its result; it counts only when the runner said so and its file could be read.

        ``scratch``: a folder here, in which the result's file is left as ``result.json``.

        Raises:
            DeviceError: it failed, hung, crashed, or the device went away; nothing is left running there.
        """
        job_file, remote = scratch / "job.txt", f"{job.out.rpartition('/')[0]}/job.txt"
        job_file.write_text(job.text())
        self.device.push(job_file, remote)
        stream = Stream(on_event)
        words = ["env", f"LD_LIBRARY_PATH={job.library.rpartition('/')[0]}", "ORT_DISABLE_TELEMETRY=1"]
        limit = (job.timeout or 0.0) + GRACE_S
        try:
            done = self.device.stream([*words, runner, "--job", remote], limit, stream.feed)
        except BaseException:  # Ctrl-C, too, must leave no runner there
            self.close()
            raise
        error = failure(stream, done.code, done.err)
        if error is not None:
            self.close()
            raise self._named(error, done)
        local = scratch / "result.json"
        self.device.pull(job.out, local)
        try:
            return read_result(local.read_text())
        except RunError as damaged:
            raise DeviceError(self.device.name, damaged.message, damaged.hint) from damaged

    def _named(self, error: RunError, done: Done) -> DeviceError:
        """The failure with the device's name, and with the state in which adb sees it where the connection ended."""
        if done.code < 0:  # adb itself, on this computer: what runs on the device can't end like that
            return DeviceError(self.device.name, "adb was killed on this computer", "give the same command again")
        if done.code in (0, 255) and "connection ended" in error.message:
            return self.device.gone("the connection ended before the runner did")
        return DeviceError(self.device.name, error.message, error.hint)

    def close(self) -> None:
        """Kills what may still run and removes the jobs' files; a device that is away is cleared when it is used next.

        What is named by content stays for the next time.
        """
        with suppress(DeviceError):
            self.device.script(_ORPHANS)


def clean(device: Device) -> bool:
    """Removes our folder and what still runs in it; whether it is gone."""
    return "GONE" in device.script(_CLEAN).out
