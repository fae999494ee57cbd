/* Inputs, seeded or read from files, and outputs, written to files: raw bytes, little-endian, in row-major order. */
#ifndef WB_TENSORS_H
#define WB_TENSORS_H

#include "machine.h"
#include "ort.h"

#define RANK 16

typedef struct {
  const char *name;
  int type;
  size_t rank, count, bytes;
  int64_t shape[RANK];
} Tensor;

static const struct {
  const char *name;
  size_t bytes;
} TYPES[] = {
    [1] = {"float32", 4}, [2] = {"uint8", 1},    [3] = {"int8", 1},     [4] = {"uint16", 2}, [5] = {"int16", 2},
    [6] = {"int32", 4},   [7] = {"int64", 8},    [8] = {"string", 0},   [9] = {"bool", 1},   [10] = {"float16", 2},
    [11] = {"float64", 8}, [12] = {"uint32", 4}, [13] = {"uint64", 8}, [16] = {"bfloat16", 2},
};

static const char *type_name(int type) {
  int known = type > 0 && type < (int)(sizeof TYPES / sizeof *TYPES) && TYPES[type].name;
  return known ? TYPES[type].name : "unknown";
}

static void add_tensor(Text *text, const Tensor *tensor) {
  add(text, "\"name\":");
  add_string(text, tensor->name);
  add(text, ",\"type\":\"%s\",\"shape\":[", type_name(tensor->type));
  for (size_t i = 0; i < tensor->rank; i++) add(text, i ? ",%lld" : "%lld", (long long)tensor->shape[i]);
  add(text, "]");
}

/* Elements and bytes of a shape, open sides as none; ends the runner where they are more than memory can hold. */
static void measure(Tensor *tensor, int code) {
  size_t each = strcmp(type_name(tensor->type), "unknown") ? TYPES[tensor->type].bytes : 0;
  int overflow = 0;
  tensor->count = 1;
  for (size_t i = 0; i < tensor->rank; i++) {
    size_t side = tensor->shape[i] > 0 ? (size_t)tensor->shape[i] : 0;
    overflow |= __builtin_mul_overflow(tensor->count, side, &tensor->count);
  }
  overflow |= __builtin_mul_overflow(tensor->count, each ? each : 1, &tensor->bytes) || tensor->bytes > PTRDIFF_MAX;
  if (overflow) die(code, "%s: its shape has more elements than memory can hold", tensor->name);
  if (!each) tensor->bytes = 0;
}

/* Type and shape out of the library's description; unknown sides are -1. */
static void describe(const void *info, Tensor *tensor, int code) {
  check(GetTensorElementType(info, &tensor->type), code, "reading a tensor's type");
  check(GetDimensionsCount(info, &tensor->rank), code, "reading a tensor's shape");
  if (tensor->rank > RANK) die(code, "%s has %zu dimensions; %d are the most", tensor->name, tensor->rank, RANK);
  check(GetDimensions(info, tensor->shape, tensor->rank), code, "reading a tensor's shape");
  measure(tensor, code);
}

/* splitmix64's output function (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

#define GOLDEN 0x9e3779b97f4a7c15u

/* Half-precision bits of k/1024, -1024 <= k < 1024: exact. */
static uint16_t half_of_1024ths(int k) {
  uint16_t sign = k < 0 ? 0x8000 : 0;
  unsigned magnitude = (unsigned)abs(k);
  if (!magnitude) return 0;
  int top = 31 - __builtin_clz(magnitude);
  return (uint16_t)(sign | ((top + 5) << 10) | ((magnitude << (10 - top)) & 0x3ff));
}

/* Fills an input; tests/devices/seeded.py makes the same bits.

   Element j of input i is mix(mix(seed + (i+1)*GOLDEN) + (j+1)*GOLDEN): floats are its upper bits (as many as are
   exact) scaled to [-1, 1), integers its remainder by int_below, booleans its highest bit. */
static void fill_seeded(void *data, const Tensor *tensor, uint64_t seed, uint64_t int_below, size_t index) {
  uint64_t base = mix(seed + (uint64_t)(index + 1) * GOLDEN);
  for (size_t j = 0; j < tensor->count; j++) {
    uint64_t bits = mix(base + (uint64_t)(j + 1) * GOLDEN), whole = bits % int_below;
    switch (tensor->type) {
      case 1: ((float *)data)[j] = (float)(bits >> 40) * 0x1p-23f - 1.0f; break;
      case 11: ((double *)data)[j] = (double)(bits >> 11) * 0x1p-52 - 1.0; break;
      case 10: ((uint16_t *)data)[j] = half_of_1024ths((int)(bits >> 53) - 1024); break;
      case 9: ((uint8_t *)data)[j] = (uint8_t)(bits >> 63); break;
      case 2: case 3: ((uint8_t *)data)[j] = (uint8_t)whole; break;
      case 4: case 5: ((uint16_t *)data)[j] = (uint16_t)whole; break;
      case 6: case 12: ((uint32_t *)data)[j] = (uint32_t)whole; break;
      case 7: case 13: ((uint64_t *)data)[j] = whole; break;
      default:
        die(EXIT_INPUT, "input %s: no values can be made for type %s; give a file", tensor->name,
            type_name(tensor->type));
    }
  }
}

static void read_raw(const char *path, void *data, const Tensor *tensor) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) die(EXIT_INPUT, "input %s: %s: %s", tensor->name, path, strerror(errno));
  off_t size = lseek(file, 0, SEEK_END);
  if (size < 0 || (size_t)size != tensor->bytes)
    die(EXIT_INPUT, "input %s: %s has %lld bytes, its shape and type (%s) need %zu", tensor->name, path,
        (long long)size, type_name(tensor->type), tensor->bytes);
  lseek(file, 0, SEEK_SET);
  for (size_t done = 0; done < tensor->bytes;) {
    ssize_t n = read(file, (char *)data + done, tensor->bytes - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) die(EXIT_INPUT, "input %s: %s can't be read: %s", tensor->name, path, n ? strerror(errno) : "it ends");
    done += (size_t)n;
  }
  close(file);
}

/* Ends the runner before the work where its result could not be written after it. */
static void check_writable(const char *path) {
  char part[4096];
  if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part) die(EXIT_USAGE, "a path is too long");
  int file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) die(EXIT_RESULT, "%s can't be written: %s", path, strerror(errno));
  close(file);
  unlink(part);
}

/* Writes a file that is either wholly there or not there at all: under a temporary name, synced, renamed. */
static void write_whole(const char *path, const void *data, size_t bytes) {
  char part[4096];
  if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part) die(EXIT_USAGE, "a path is too long");
  int file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) die(EXIT_RESULT, "%s can't be written: %s", part, strerror(errno));
  for (size_t done = 0; done < bytes;) {
    ssize_t n = write(file, (const char *)data + done, bytes - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      int why = errno;
      unlink(part);
      die(EXIT_RESULT, "%s can't be written: %s", part, n ? strerror(why) : "no space");
    }
    done += (size_t)n;
  }
  if (fsync(file) || close(file) || rename(part, path)) {
    int why = errno;
    unlink(part);
    die(EXIT_RESULT, "%s can't be written: %s", path, strerror(why));
  }
}

#endif
