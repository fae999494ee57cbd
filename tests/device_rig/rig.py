"""Two devices without a phone: real adb daemons (Debian's adbd) in private namespaces, x86-64 and arm64 by emulation.

As a program: ``python tests/device_rig/rig.py run COMMAND…`` brings both up, runs the command with the adb server's
address in its environment, and takes everything down again. Needs root, and a Debian whose archive has adbd (trixie).
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SUITE = "trixie"
PACKAGES = ("adbd", "base-files", "busybox-static", "dash", "libstdc++6", "libgcc-s1")
TOOLS = {"adb": "adb", "mmdebstrap": "mmdebstrap", "qemu-aarch64-static": "qemu-user-static", "ip": "iproute2"}
PORTS = {"amd64": 15600, "arm64": 15602}
"""Outside 5555–5585, which a starting adb server scans: it would list the same daemon a second time."""
BINFMT = Path("/proc/sys/fs/binfmt_misc")
QEMU_RULE = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
ARM_FEATURES = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
ARM_CORE = {"implementer": "0x41", "architecture": "8", "variant": "0x3", "part": "0xd0c", "revision": "1"}
UP_S = 20.0

START = """set -e
mount --make-rprivate /
mount -t proc proc {root}/proc
mount -t sysfs -o ro sysfs {root}/sys
mount --rbind /dev {root}/dev
mount --bind {data} {root}/data
{extra}
exec env -i PATH=/system/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/ ADBD_PORT={port} chroot {root} /usr/sbin/adbd
"""


class CannotRun(Exception):
    """Why the rig can't be brought up here, in one sentence."""


def why_not() -> str | None:
    """What stands in the way of the rig on this machine; None when nothing does."""
    if os.geteuid() != 0:
        return "it needs root (namespaces, mounts)"
    absent = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
    if absent:
        return f"packages are missing: apt install {' '.join(absent)}"
    if not _sources():
        return "no Debian archive is configured on this machine (adbd comes from there)"
    try:
        subprocess.run(["unshare", "--mount", "--pid", "--net", "--fork", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return "namespaces can't be made here (unshare is refused)"
    return None


def _sources() -> tuple[str, str] | None:
    """Address and key of the Debian archive that this machine's apt uses."""
    for file in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        for stanza in file.read_text().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != "#")
            suites = fields.get("Suites", "")
            if "main" in fields.get("Components", "").split() and "-security" not in suites and "Signed-By" in fields:
                return fields["URIs"].split()[0], fields["Signed-By"]
    listed = Path("/etc/apt/sources.list")
    for line in listed.read_text().splitlines() if listed.is_file() else ():
        words = [word for word in line.split() if not word.startswith("[")]
        if len(words) > 3 and words[0] == "deb" and "main" in words[3:] and "-security" not in words[2]:
            return words[1], "/usr/share/keyrings/debian-archive-keyring.gpg"
    return None


def build_root(architecture: str, folder: Path, name: str = "", more: tuple[str, ...] = ()) -> Path:
    """The device's files, made once: packages unpacked without running their scripts (4 s, 30–70 MB)."""
    root, done = folder / (name or architecture), folder / f"{name or architecture}.done"
    if done.is_file():
        return root
    shutil.rmtree(root, ignore_errors=True)
    found = _sources()
    assert found is not None, "why_not() was not asked"
    address, key = found
    command = ["mmdebstrap", "--quiet", f"--architectures={architecture}", "--variant=extract"]
    command += [
        f"--include={','.join((*PACKAGES, *more))}",
        SUITE,
        str(root),
        f"deb [signed-by={key}] {address} {SUITE} main",
    ]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        said = (made.stderr.strip().splitlines() or ["no message"])[-1]
        raise CannotRun(f"mmdebstrap can't make the {architecture} device: {said}")
    for name in ("bin", "sbin", "lib", "lib64"):
        if (root / "usr" / name).exists() and not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for name in ("proc", "sys", "dev", "data", "system/bin", "tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    _busybox(root)
    done.write_text("")
    return root


def _busybox(root: Path) -> None:
    """busybox's tools under /system/bin, as Android has toybox's; not the name busybox itself, which would loop."""
    program = next(p for p in (root / "usr/bin/busybox", root / "bin/busybox") if p.is_file())
    wanted = (
        "sh cat cp df echo env grep head id kill ls mkdir mv nproc pidof ps rm sed sha256sum sleep sort stat sync "
        "tail taskset timeout touch tr uname wc awk dd chmod mount umount test find"
    )
    for tool in wanted.split():
        link = root / "system/bin" / tool
        if not link.exists():
            link.symlink_to("/" + str(program.relative_to(root)))


def register_arm64() -> None:
    """Makes the kernel run arm64 programs by qemu-user, unless it does already."""
    if not (BINFMT / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT)], check=False, capture_output=True)
    if (BINFMT / "qemu-aarch64").exists():
        return
    if not (BINFMT / "register").exists() or not QEMU_RULE.is_file():
        raise CannotRun("this kernel doesn't let arm64 programs be registered (binfmt_misc)")
    rule = next(line for line in QEMU_RULE.read_text().splitlines() if line and not line.startswith("#"))
    (BINFMT / "register").write_text(rule)


def arm_cpuinfo(cores: int) -> str:
    """A /proc/cpuinfo as an arm64 kernel writes it: qemu-user 7 shows the host's, on which ONNX Runtime crashes."""
    lines = [f"CPU {name}\t: {value}" for name, value in ARM_CORE.items()]
    one = "\n".join(["BogoMIPS\t: 50.00", f"Features\t: {ARM_FEATURES}", *lines])
    return "".join(f"processor\t: {i}\n{one}\n\n" for i in range(cores))


@dataclass
class RigDevice:
    """One device: where its files lie, its port, what is mounted there, and the process that is all of it."""

    architecture: str
    root: Path
    port: int
    mounts: str = ":"
    process: subprocess.Popen[bytes] | None = None

    @property
    def serial(self) -> str:
        """What adb calls it."""
        return f"127.0.0.1:{self.port}"


class Rig:
    """Both devices and their adb server, in a network namespace of their own: nothing listens on this machine."""

    def __init__(self, folder: Path, architectures: tuple[str, ...] = ("amd64", "arm64")) -> None:
        self.folder, self.run = folder, Path(tempfile.mkdtemp(prefix="rig-"))
        self.devices = {a: RigDevice(a, folder / a, PORTS[a]) for a in architectures}
        self._holder: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self.seconds = 0.0

    @property
    def env(self) -> Mapping[str, str]:
        """The environment in which ``adb`` finds the rig's server."""
        return {**os.environ, "ADB_SERVER_SOCKET": f"localfilesystem:{self.run}/adb.sock"}

    def inside(self, *words: str) -> list[str]:
        """A command that runs in the rig's network namespace."""
        assert self._holder is not None
        return ["nsenter", "-t", str(self._holder.pid), "-n", *words]

    def up(self) -> None:
        """Builds what is missing and starts everything; ``seconds`` says how long that took."""
        start = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        if "arm64" in self.devices:
            register_arm64()
        for device in self.devices.values():
            device.root = build_root(device.architecture, self.folder)
        ready = self.run / "ready"
        hold = f"ip link set lo up && touch {shlex.quote(str(ready))} && exec sleep infinity"
        self._holder = subprocess.Popen(["unshare", "--net", "sh", "-c", hold])
        _wait(ready.exists, "the rig's network")
        self.start_server()
        for device in self.devices.values():
            self.plug(device)
        for device in self.devices.values():
            self.connect(device)
        self.seconds = time.monotonic() - start

    def start_server(self) -> None:
        """Starts the adb server, or another one in its place, which knows no devices.

        At every moment some server listens: a client that finds none starts one, outside the rig's network.
        """
        old, fresh = self._server, self.run / "fresh.sock"
        command = self.inside("adb", "-L", f"localfilesystem:{fresh}", "server", "nodaemon")
        env = {**os.environ, "HOME": str(self.run), "ADB_MDNS": "0"}
        self._server = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait(fresh.exists, "the adb server")
        fresh.rename(self.run / "adb.sock")
        if old is not None:
            old.kill()
            old.wait()

    def data(self, device: RigDevice) -> Path:
        """What the device has at /data: its own, new with every rig, gone with it; its root is only read."""
        return self.run / f"data-{device.port}"

    def plug(self, device: RigDevice) -> None:
        """Starts a device."""
        if device.architecture == "arm64":
            info = self.run / "cpuinfo"
            info.write_text(arm_cpuinfo(os.cpu_count() or 1))
            device.mounts = f"mount --bind {shlex.quote(str(info))} {shlex.quote(str(device.root))}/proc/cpuinfo"
        data = self.data(device)
        (data / "local/tmp").mkdir(parents=True, exist_ok=True)
        (data / "local/tmp").chmod(0o777)
        names = {"root": shlex.quote(str(device.root)), "data": shlex.quote(str(data))}
        script = START.format(**names, port=device.port, extra=device.mounts)
        command = self.inside("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script)
        device.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def connect(self, device: RigDevice) -> None:
        """Lets the adb server find a device that was started; its exit code says nothing, its words do."""

        def connected() -> bool:
            self.adb("disconnect", device.serial)
            said = self.adb("connect", device.serial).stdout
            return said.startswith(("connected", "already"))

        _wait(connected, device.serial)
        _wait(lambda: self.adb("-s", device.serial, "get-state").stdout.strip() == "device", device.serial)

    def heal(self, device: RigDevice) -> None:
        """The device as it was: plugged in and connected, whatever happened to it."""
        if device.process is None or device.process.poll() is not None:
            self.plug(device)
            self.connect(device)
        if self.adb("-s", device.serial, "get-state").stdout.strip() != "device":
            self.connect(device)

    def unplug(self, device: RigDevice) -> None:
        """Takes a device away with all that runs on it, as a pulled cable and an empty battery would."""
        if device.process is not None:
            device.process.kill()
            device.process.wait()
            device.process = None

    def daemon_pid(self, device: RigDevice) -> int:
        """The process id, on this machine, of a device's adbd."""
        assert device.process is not None
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                text = status.read_text()
            except OSError:
                continue
            if f"PPid:\t{device.process.pid}\n" in text:
                return int(status.parent.name)
        raise LookupError(f"{device.serial}: no daemon")

    def signal(self, device: RigDevice, number: signal.Signals) -> None:
        """Sends a signal to a device's daemon."""
        os.kill(self.daemon_pid(device), number)

    def adb(self, *words: str, deadline_s: float = 20.0) -> subprocess.CompletedProcess[str]:
        """One call of the adb client."""
        return subprocess.run(
            ["adb", *words], env=dict(self.env), capture_output=True, text=True, timeout=deadline_s, check=False
        )

    def processes(self, device: RigDevice) -> list[str]:
        """Command lines of the runners on a device; not of ended ones that nobody has waited for (state Z)."""
        lines = self.adb("-s", device.serial, "shell", "ps -o stat,args").stdout.splitlines()
        split = (line.split(None, 1) for line in lines)
        return [words[1] for words in split if len(words) == 2 and words[0][0] != "Z" and "/wbrun --job " in words[1]]

    def down(self) -> None:
        """Takes everything down; the devices' files stay for the next time."""
        for device in self.devices.values():
            self.unplug(device)
        for process in (self._server, self._holder):
            if process is not None:
                process.kill()
                process.wait()
        shutil.rmtree(self.run, ignore_errors=True)


def _wait(ready: object, what: str, limit_s: float = UP_S) -> None:
    end = time.monotonic() + limit_s
    assert callable(ready)
    while not ready():
        if time.monotonic() > end:
            raise CannotRun(f"{what} did not come up in {limit_s:g} s")
        time.sleep(0.05)


@contextmanager
def rig(folder: Path, architectures: tuple[str, ...] = ("amd64", "arm64")) -> Iterator[Rig]:
    """A rig that is up, and down again whatever happens."""
    reason = why_not()
    if reason:
        raise CannotRun(reason)
    made = Rig(folder, architectures)
    try:
        made.up()
        yield made
    finally:
        made.down()


def main() -> int:
    """``check`` (up and down again) or ``run COMMAND…`` (its exit code); 3 and a sentence where that can't be."""
    checking = sys.argv[1:] == ["check"]
    if not checking and (len(sys.argv) < 3 or sys.argv[1] != "run"):
        print("usage: rig.py check | rig.py run COMMAND…", file=sys.stderr)
        return 2
    folder = Path(os.environ.get("WORKBENCH_RIG_FOLDER", tempfile.gettempdir() + "/edge-workbench-rig"))
    try:
        with rig(folder) as up:
            print(
                f"two devices up in {up.seconds:.1f} s: {', '.join(d.serial for d in up.devices.values())}", flush=True
            )
            return 0 if checking else subprocess.run(sys.argv[2:], env=dict(up.env), check=False).returncode
    except CannotRun as error:
        print(f"the device rig can't run here: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
