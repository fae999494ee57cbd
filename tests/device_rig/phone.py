"""A third device that answers as Android phones do, behind a real adb daemon.

Real are the shell (mksh) and the tools (toybox), which are Android's; ``tr`` is busybox's, as Debian's toybox has none.
Made up are the answers of getprop, dumpsys and cmd, in the formats that phones are seen to give (Android 12 to 15,
Samsung, Xiaomi, Pixel), and the tree of cores under /sys. Their state lies in files that a test may change.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.device_rig.rig import Rig, RigDevice, build_root

PORT = 15604
TOOLS = """
sh cat chmod cp df echo env find grep head id kill ls mkdir mv nproc ps pwd rm sed sha256sum sleep sort stat sync tail
taskset test timeout touch uname wc mount umount
"""
PROPS = """
ro.product.manufacturer=Acme
ro.product.model=Phone 9 Pro
ro.soc.manufacturer=QTI
ro.soc.model=SM8550
ro.board.platform=kalama
ro.hardware=qcom
ro.product.cpu.abi=x86_64
ro.product.cpu.abilist=x86_64
ro.build.version.release=14
ro.build.version.sdk=34
ro.build.fingerprint=acme/phone9/phone9:14/UQ1A.240105.004/11206848:user/release-keys
ro.build.type=user
"""
BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  Dock powered: false
  Max charging current: 500000
  Max charging voltage: 5000000
  Charge counter: 3376000
  status: 2
  health: 2
  present: true
  level: 83
  scale: 100
  voltage: 4211
  temperature: 287
  technology: Li-ion
  Charging state: 0
  Charging policy: 0
  Capacity level: -1
"""
THERMAL = """IsStatusOverride: false
ThermalEventListeners:
	callbacks: 2
	killed: false
	broadcasts count: -1
ThermalStatusListeners:
	callbacks: 5
	killed: false
	broadcasts count: -1
Thermal Status: STATUS
Cached temperatures:
	Temperature{mValue=84.2, mType=1, mName=GPU, mStatus=0}
	Temperature{mValue=83.7, mType=0, mName=CPU0, mStatus=0}
HAL Ready: true
HAL connection:
	ThermalHAL AIDL 1  connected: yes
Current temperatures from HAL:
	Temperature{mValue=41.5, mType=0, mName=CPU0, mStatus=0}
	Temperature{mValue=NaN, mType=9, mName=NPU, mStatus=0}
	Temperature{mValue=33.4, mType=3, mName=VIRTUAL-SKIN, mStatus=0}
	Temperature{mValue=0.0, mType=4, mName=USB, mStatus=0}
	Temperature{mValue=4211.0, mType=6, mName=vbat, mStatus=0}
	Temperature{mValue=97.0, mType=8, mName=soc, mStatus=0}
Current cooling devices from HAL:
	CoolingDevice{mValue=0, mType=2, mName=thermal-cpufreq-0}
Temperature static thresholds from HAL:
	TemperatureThreshold{mType=3, mName=VIRTUAL-SKIN, mHotThrottlingThresholds=[NaN, 39.0, 43.0, 45.0, 55.0]}
"""
GETPROP = r"""#!/system/bin/sh
sed -n "s/^$1=//p" /data/rig/build.prop
"""
DUMPSYS = r"""#!/system/bin/sh
case $1 in
  battery) cat /data/rig/battery ;;
  thermalservice)
    looks=$(cat /data/rig/looks)
    status=0
    if [ "$looks" -gt 0 ]; then status=2; echo $((looks - 1)) > /data/rig/looks; fi
    sed "s/^Thermal Status: STATUS/Thermal Status: $status/" /data/rig/thermal ;;
  *) echo "Can't find service: $1" ;;
esac
"""
CMD = r"""#!/system/bin/sh
echo "$@" >> /data/rig/calls
[ -e /data/rig/refuse ] || exit 0
echo "Failed to set FIXED_PERFORMANCE mode" >&2
echo "This is likely because Power HAL AIDL is not implemented on this device" >&2
exit 255
"""


@dataclass
class Phone:
    """The device, and the folder in which its answers lie."""

    device: RigDevice
    state: Path
    cores: Path

    def calls(self) -> list[str]:
        """What was asked of ``cmd`` since the last evaluation."""
        file = self.state / "calls"
        found = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return found

    def put_cores(self, online: str, khz: dict[int, int]) -> None:
        """Cores with their greatest frequencies, all of them at that now."""
        (self.cores / "online").write_text(f"{online}\n")
        (self.cores / "possible").write_text(f"{online}\n")
        for core, most in khz.items():
            clock = self.cores / f"cpu{core}" / "cpufreq"
            clock.mkdir(parents=True, exist_ok=True)
            for name in ("cpuinfo_max_freq", "scaling_cur_freq"):
                (clock / name).write_text(f"{most}\n")
            (clock / "scaling_governor").write_text("walt\n")


def plug_phone(up: Rig) -> Phone:
    """The phone, plugged in and connected."""
    root = build_root("amd64", up.folder, "phone", ("mksh", "toybox"))
    for tool in TOOLS.split():
        link = root / "system/bin" / tool
        link.unlink(missing_ok=True)
        link.symlink_to("/usr/bin/mksh" if tool == "sh" else "/usr/bin/toybox")
    shell = root / "usr/bin/sh"
    shell.unlink(missing_ok=True)
    shell.symlink_to("mksh")
    for name, text in (("getprop", GETPROP), ("dumpsys", DUMPSYS), ("cmd", CMD)):
        (root / "system/bin" / name).write_text(text)
        (root / "system/bin" / name).chmod(0o755)
    cores = up.run / "phone-cores"
    mounts = f"mount --bind {shlex.quote(str(cores))} {shlex.quote(str(root))}/sys/devices/system/cpu"
    device = RigDevice("amd64", root, PORT, mounts)
    state = up.data(device) / "rig"
    for folder in (state, cores):
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("build.prop", PROPS), ("battery", BATTERY), ("thermal", THERMAL), ("looks", "0\n")):
        (state / name).write_text(text)
    phone = Phone(device, state, cores)
    phone.put_cores("0-7", {**dict.fromkeys(range(4), 2016000), **dict.fromkeys(range(4, 7), 2803200), 7: 3187200})
    up.plug(phone.device)
    up.connect(phone.device)
    return phone
