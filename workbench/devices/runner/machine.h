/* Facts of the device that the runner itself reads: memory, cores, clocks, temperatures. */
#ifndef WB_MACHINE_H
#define WB_MACHINE_H

#include <fcntl.h>
#include <sched.h>

#include "say.h"

#define CPU_WORDS 16 /* 1024 cores */
#define ZONES 64
#define WORD_BITS (8 * (int)sizeof(unsigned long))

/* The beginning of a small file as a string; its length, or -1. */
static int read_text(const char *path, char *out, size_t room) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  ssize_t n = read(file, out, room - 1);
  close(file);
  if (n < 0) return -1;
  out[n] = 0;
  return (int)n;
}

/* A number from a small file, or -1 where it can't be read or is negative (a sensor that is off). */
static long read_number(const char *path) {
  char text[64], *end;
  if (read_text(path, text, sizeof text) <= 0) return -1;
  long value = strtol(text, &end, 10);
  return end == text ? -1 : value;
}

/* "VmRSS:" or "VmHWM:" of this process in kB, or -1. */
static long memory_kb(const char *field) {
  char text[4096];
  if (read_text("/proc/self/status", text, sizeof text) <= 0) return -1;
  const char *found = strstr(text, field);
  return found ? strtol(found + strlen(field), NULL, 10) : -1;
}

static struct {
  unsigned long cpus[CPU_WORDS];
  int zones[ZONES], zone_count;
} machine;

static int has_cpu(int cpu) { return (machine.cpus[cpu / WORD_BITS] >> (cpu % WORD_BITS)) & 1; }

/* Runs on the cores of a hexadecimal mask from here on, with all threads made later; NULL keeps those it has.

   Cores that are offline or forbidden drop out, as long as one is left: the result says which are left. */
static void use_cpus(const char *mask) {
  if (mask) {
    size_t digits = strlen(mask);
    if (!digits || digits > CPU_WORDS * sizeof(long) * 2 || strspn(mask, "0123456789abcdefABCDEF") != digits)
      die(EXIT_USAGE, "--cpu-mask: '%s' is not a hexadecimal mask such as f0", mask);
    for (size_t i = 0; i < digits; i++) {
      char digit[2] = {mask[digits - 1 - i], 0};
      machine.cpus[4 * i / WORD_BITS] |= strtoul(digit, NULL, 16) << (4 * i % WORD_BITS);
    }
    if (sched_setaffinity(0, sizeof machine.cpus, (void *)machine.cpus))
      die(EXIT_AFFINITY, "cores of mask %s aren't available: %s", mask, strerror(errno));
  }
  memset(machine.cpus, 0, sizeof machine.cpus);
  if (sched_getaffinity(0, sizeof machine.cpus, (void *)machine.cpus))
    die(EXIT_AFFINITY, "the cores in use can't be read: %s", strerror(errno));
}

static void find_zones(void) {
  char path[96];
  for (int zone = 0; zone < 2 * ZONES && machine.zone_count < ZONES; zone++) {
    snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/temp", zone);
    if (read_number(path) > 0) machine.zones[machine.zone_count++] = zone;
  }
}

/* Names of the temperature zones that can be read. */
static void add_zones(Text *text) {
  char path[96], type[64];
  add(text, "[");
  for (int i = 0; i < machine.zone_count; i++) {
    snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/type", machine.zones[i]);
    int n = read_text(path, type, sizeof type);
    if (n > 0 && type[n - 1] == '\n') type[n - 1] = 0;
    if (i) add(text, ",");
    add_string(text, n > 0 ? type : NULL);
  }
  add(text, "]");
}

static void add_cpus(Text *text) {
  add(text, "[");
  for (int cpu = 0, n = 0; cpu < CPU_WORDS * WORD_BITS; cpu++)
    if (has_cpu(cpu)) add(text, n++ ? ",%d" : "%d", cpu);
  add(text, "]");
}

static void add_number(Text *text, long value) {
  if (value < 0)
    add(text, "null");
  else
    add(text, "%ld", value);
}

/* Clocks of the cores in use in kHz and temperatures in thousandths of a degree; null where unreadable. */
static void add_reading(Text *text) {
  char path[96];
  add(text, "\"khz\":[");
  for (int cpu = 0, n = 0; cpu < CPU_WORDS * WORD_BITS; cpu++) {
    if (!has_cpu(cpu)) continue;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", cpu);
    if (n++) add(text, ",");
    add_number(text, read_number(path));
  }
  add(text, "],\"millidegrees\":[");
  for (int i = 0; i < machine.zone_count; i++) {
    snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/temp", machine.zones[i]);
    if (i) add(text, ",");
    add_number(text, read_number(path));
  }
  add(text, "]");
}

/* Asks the kernel to forget a file's pages, so that the next load reads the disk; whether it did. */
static int drop_from_cache(const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  fsync(file); /* pages never written out can't be dropped */
  int dropped = !posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  close(file);
  return dropped;
}

#endif
