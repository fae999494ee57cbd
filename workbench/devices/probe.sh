# Facts of a device, in one go, for POSIX sh with toybox or busybox. Every section starts with @@NAME; a section that
# can't be read holds what the tool said. Nothing is written. (Short names are aliases in Android's shell: r, for one.)
section() { echo "@@$1"; shift; "$@" 2>&1; }
files() { for f in "$@"; do [ -r "$f" ] && echo "$f=$(cat "$f" 2>/dev/null)"; done; return 0; }
section machine uname -m
section kernel uname -sr
section user id -u
echo @@os; files /etc/os-release | tr ';' '\n'
echo @@props
if command -v getprop >/dev/null 2>&1; then
  for p in ro.product.manufacturer ro.product.model ro.soc.manufacturer ro.soc.model ro.board.platform ro.hardware \
    ro.product.cpu.abi ro.product.cpu.abilist ro.build.version.release ro.build.version.sdk ro.build.fingerprint \
    ro.build.type; do echo "$p=$(getprop $p)"; done
else echo "!getprop: not there"; fi
echo @@cpuinfo; grep -E '^(model name|Hardware|CPU implementer|CPU part|Features|flags|processor)' /proc/cpuinfo 2>&1
echo @@online; files /sys/devices/system/cpu/online /sys/devices/system/cpu/possible
echo @@cores; files /sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq /sys/devices/system/cpu/cpu[0-9]*/cpu_capacity
echo @@clocks; files /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq \
  /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor
echo @@memory; grep -E '^(MemTotal|MemAvailable):' /proc/meminfo 2>&1
echo @@zones; files /sys/class/thermal/thermal_zone*/type /sys/class/thermal/thermal_zone*/temp
echo @@thermalservice
if command -v dumpsys >/dev/null 2>&1; then dumpsys thermalservice 2>&1; else echo "!dumpsys: not there"; fi
echo @@battery
if command -v dumpsys >/dev/null 2>&1; then dumpsys battery 2>&1; else echo "!dumpsys: not there"; fi
echo @@emulation
command -v getprop >/dev/null 2>&1 && for p in ro.boot.qemu ro.kernel.qemu; do echo "$p=$(getprop $p)"; done
# A user-mode emulator shows a program its own command line as it should be, but not that of its parent: the program
# is then the emulator. Only the program's name is looked at.
for p in $$ 1; do tr '\000' '\n' < /proc/$p/cmdline 2>/dev/null | head -n 1; done
echo @@tools
for t in taskset timeout sha256sum df cmd kill; do command -v $t >/dev/null 2>&1 && echo $t; done
echo @@space; df -k /data/local/tmp 2>&1
echo @@end
