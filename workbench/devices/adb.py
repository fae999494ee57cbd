"""The adb command line, driven with argument lists, a serial and a deadline on every call.

Exit code 0 of adb proves nothing: version 29 returns it when the device vanishes in mid-command, and every version
returns it from a failed ``connect``. So callers look for the text or file that the command should have left.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.devices.listing import AUTHORIZE, REPLUG, Listed, meaning, read_listing
from workbench.errors import InputError, RunError

SHORT_S, PUSH_S = 20.0, 600.0
"""Deadlines: of a command that should answer at once, and of a transfer (27 MB at a slow cable's 1 MB/s, with room)."""
REPLACED = "doesn't match this client"
"""What the client prints when it finds a server of another version, which it then ends."""


class DeviceError(RunError):
    """Something went wrong with one device; the message names it, the hint says what to do."""

    def __init__(self, name: str, what: str, hint: str | None = None) -> None:
        super().__init__(f"device {name}: {what}", hint=hint)


@dataclass(frozen=True)
class Done:
    """What a finished command left: exit code and both streams as text."""

    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """What a tool says when it fails: the last line with an error in it, else the last line."""
        lines = [line.strip() for line in (self.err.strip() or self.out.strip()).splitlines() if line.strip()]
        errors = [line for line in lines if "error:" in line]  # a transfer's figures may follow
        return (errors or lines or ["no message"])[-1].removeprefix("adb: error: ")


def find_adb(given: Path | None = None) -> Path:
    """The adb to use: the one given, ``$WORKBENCH_ADB``, the Android SDK's, or that on PATH.

    Raises:
        InputError: there is none, or the one given can't be run.
    """
    named = given or Path(os.environ.get("WORKBENCH_ADB") or "")
    if named != Path():
        if not os.access(named, os.X_OK) or named.is_dir():
            raise InputError(f"adb: {named} can't be run", hint="name the adb program in $WORKBENCH_ADB")
        return named
    for variable in ("ANDROID_HOME", "ANDROID_SDK_ROOT"):
        there = Path(os.environ.get(variable, "")) / "platform-tools" / "adb"
        if os.environ.get(variable) and os.access(there, os.X_OK):
            return there
    if on_path := shutil.which("adb"):
        return Path(on_path)
    raise InputError(
        "adb: not found on PATH or in $ANDROID_HOME",
        hint="install it (Debian: apt install adb; else Android's platform-tools) or name it in $WORKBENCH_ADB",
    )


@dataclass(frozen=True)
class Adb:
    """An adb client; every call is one process that is killed at its deadline."""

    path: Path
    answer_s: float = SHORT_S
    """Deadline of a call that has none of its own."""

    def call(self, words: Sequence[str], deadline_s: float | None = None) -> Done:
        """Runs ``adb words…``.

        Raises:
            TimeoutError: it was not done by the deadline.
            RunError: adb itself can't be run.
        """
        try:
            done = subprocess.run(
                [str(self.path), *words],
                capture_output=True,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                timeout=deadline_s or self.answer_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"adb {words[0]}: no answer in {deadline_s or self.answer_s:g} s") from None
        except OSError as error:
            raise RunError(f"{self.path}: can't be run ({error.strerror})") from error
        return Done(done.returncode, done.stdout, done.stderr)

    def devices(self) -> list[Listed]:
        """All devices that the adb server knows, whatever their state.

        Raises:
            RunError: the server can't be reached or started.
        """
        try:
            done = self.call(["devices", "-l"])
        except TimeoutError as error:
            raise RunError(str(error), hint=_server_hint()) from None
        if done.code:
            raise RunError(f"adb devices: {done.message}", hint=_server_hint())
        listed = read_listing(done.out)
        mismatch = next((line for line in (done.err + done.out).splitlines() if REPLACED in line), None)
        if mismatch and not listed:
            raise RunError(
                f"adb: a server of another version ran and was replaced: {mismatch.partition(';')[0]}",
                hint=f"it has forgotten its devices: reconnect them, use one adb for all tools (this is {self.path}; "
                "$WORKBENCH_ADB names another), then give the same command again",
            )
        return listed

    def on(self, listed: Listed) -> Device:
        """The device that was listed."""
        return Device(self, listed)


@dataclass(frozen=True)
class Device:
    """One device, whatever its state."""

    adb: Adb
    listed: Listed

    @property
    def name(self) -> str:
        """What it is called: its serial, where no other device has that."""
        return self.listed.name

    def call(self, words: Sequence[str], deadline_s: float | None = None) -> Done:
        """``adb -s SERIAL words…``; DeviceError when it doesn't answer or isn't there."""
        try:
            done = self.adb.call([*self.listed.address, *words], deadline_s)
        except TimeoutError:
            raise self.gone(f"no answer to adb {words[0]} in {deadline_s or self.adb.answer_s:g} s") from None
        # Only adb's own words: a shell there, too, says "not found".
        words_of_adb = [line for line in done.err.splitlines() if line.startswith(("error:", "adb:", "*"))]
        for sign, (what, hint) in _ABSENT.items():
            if done.code and any(sign in line for line in words_of_adb):
                raise DeviceError(self.name, what, hint)
        return done

    def shell(self, *words: str) -> Done:
        """Runs one command on the device; every word is quoted for its shell."""
        return self.script(shlex.join(words))

    def script(self, text: str) -> Done:
        """Runs a script of this package on the device: never one that was put together from input."""
        return self.call(["shell", text])

    def stream(self, words: Sequence[str], deadline_s: float, on_line: Callable[[str], None]) -> Done:
        """Runs a command on the device and gives every line of its output to ``on_line`` as it comes.

        Raises:
            DeviceError: it was not done by the deadline; the client is killed then, the command may still run.
        """
        start = time.monotonic()
        with (
            tempfile.TemporaryFile("w+", errors="replace") as errors,
            subprocess.Popen(
                [str(self.adb.path), *self.listed.address, "shell", shlex.join(words)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                errors="replace",
            ) as process,
        ):
            timer = threading.Timer(deadline_s, process.kill)
            timer.start()
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    on_line(line.rstrip("\r\n"))
                process.wait()
            finally:
                timer.cancel()
                process.kill()
            if time.monotonic() - start >= deadline_s:
                raise self.gone(f"not done in {deadline_s:g} s")
            errors.seek(0)
            return Done(process.returncode, "", errors.read())

    def push(self, local: Path, remote: str) -> None:
        """Copies a file to the device. DeviceError with adb's words when it can't."""
        done = self.call(["push", str(local.absolute()), remote], PUSH_S)
        if done.code == 0 and "error:" not in done.err:
            return
        for sign, hint in _FULL.items():
            if sign in done.err + done.out:
                raise DeviceError(self.name, f"can't write {remote}: {sign}", hint)
        reason = done.message.rpartition("': ")[2]  # before it stand both names again
        raise self.gone(f"can't write {remote}: {reason}")

    def pull(self, remote: str, local: Path) -> None:
        """Copies a file from the device. DeviceError when it isn't there afterwards."""
        local.unlink(missing_ok=True)
        done = self.call(["pull", remote, str(local.absolute())], PUSH_S)
        if done.code or not local.is_file():
            raise self.gone(f"can't read {remote}: {done.message}")

    def state(self) -> str:
        """``device`` when it is ready, else what adb says of it (``offline``, ``unauthorized``, ``absent``)."""
        return next((d.state for d in self.adb.devices() if self.name in d.names), "absent")

    def gone(self, what: str) -> DeviceError:
        """An error that says what happened and in which state adb sees the device now."""
        try:
            state = self.state()
        except RunError:
            state = "unknown: the adb server doesn't answer"
        return DeviceError(self.name, f"{what} (adb says: {state})", meaning(state)[1])


def _server_hint() -> str:
    named = os.environ.get("ADB_SERVER_SOCKET")
    return f"is ADB_SERVER_SOCKET ({named}) right?" if named else "restart the server: adb kill-server"


_FULL = {
    "No space left on device": "make room on the device, or clean our folder: workbench devices clean",
    "Read-only file system": "is its storage damaged? a restart of the device may help",
    "Permission denied": "is the folder another user's? remove /data/local/tmp/edge-workbench on the device",
}
"""What adb writes when the device refuses a file, with what would help."""
_ABSENT = {
    "unauthorized": ("this computer is not authorized there", AUTHORIZE),
    "device offline": ("offline", REPLUG),
    "not found": ("not connected", REPLUG),
    "no device": ("not connected", REPLUG),
    "more than one device": ("another device of this serial was attached meanwhile", "see: workbench devices"),
    "device still authorizing": ("still authorizing", "wait a moment and try again"),
    "cannot connect to daemon": ("the adb server can't be reached", "restart it: adb kill-server"),
    "cannot start server": ("the adb server can't be started", "check ADB_SERVER_SOCKET"),
}
"""What adb writes when it can't get to the device, with what it means and what to do."""
