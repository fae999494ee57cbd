/* The part of ONNX Runtime's C interface that the runner calls, by its place in the function table.

   The table only ever grows at its end, so a place holds for every library that has it. Places checked with offsetof
   against onnxruntime_c_api.h of API 21 (Debian 13); no header of theirs is needed to build this. */
#ifndef WB_ORT_H
#define WB_ORT_H

#include <dlfcn.h>
#include <stdint.h>

#include "say.h"

#define OLDEST_API 11
#define NEWEST_API 64 /* only where a library's version can't be read */
#define API_WITH_PROVIDERS 12

enum { ORT_LOG_ERROR = 3, ORT_SEQUENTIAL = 0, ORT_DEVICE_ALLOCATOR = 0, ORT_MEMORY_DEFAULT = 0 };

typedef struct Status Status;

#define ORT_FUNCTIONS(F)                                                                               \
  F(2, const char *, GetErrorMessage, const Status *)                                                  \
  F(3, Status *, CreateEnv, int level, const char *name, void **env)                                   \
  F(6, Status *, DisableTelemetryEvents, const void *env)                                              \
  F(7, Status *, CreateSession, const void *env, const char *path, const void *options, void **out)    \
  F(9, Status *, Run, void *session, const void *run_options, const char *const *input_names,          \
    const void *const *inputs, size_t n, const char *const *output_names, size_t m, void **outputs)    \
  F(10, Status *, CreateSessionOptions, void **out)                                                    \
  F(11, Status *, SetOptimizedModelFilePath, void *options, const char *path)                          \
  F(13, Status *, SetSessionExecutionMode, void *options, int mode)                                    \
  F(14, Status *, EnableProfiling, void *options, const char *prefix)                                  \
  F(22, Status *, SetSessionLogSeverityLevel, void *options, int level)                                \
  F(23, Status *, SetSessionGraphOptimizationLevel, void *options, int level)                          \
  F(24, Status *, SetIntraOpNumThreads, void *options, int threads)                                    \
  F(25, Status *, SetInterOpNumThreads, void *options, int threads)                                    \
  F(30, Status *, SessionGetInputCount, const void *session, size_t *out)                              \
  F(31, Status *, SessionGetOutputCount, const void *session, size_t *out)                             \
  F(33, Status *, SessionGetInputTypeInfo, const void *session, size_t index, void **out)              \
  F(36, Status *, SessionGetInputName, const void *session, size_t index, void *allocator, char **out) \
  F(37, Status *, SessionGetOutputName, const void *session, size_t index, void *allocator, char **out) \
  F(49, Status *, CreateTensorWithDataAsOrtValue, const void *memory, void *data, size_t bytes,        \
    const int64_t *shape, size_t rank, int type, void **out)                                           \
  F(50, Status *, IsTensor, const void *value, int *out)                                               \
  F(51, Status *, GetTensorMutableData, void *value, void **out)                                       \
  F(55, Status *, CastTypeInfoToTensorInfo, const void *type, const void **out)                        \
  F(60, Status *, GetTensorElementType, const void *info, int *out)                                    \
  F(61, Status *, GetDimensionsCount, const void *info, size_t *out)                                   \
  F(62, Status *, GetDimensions, const void *info, int64_t *dimensions, size_t rank)                   \
  F(65, Status *, GetTensorTypeAndShape, const void *value, void **out)                                \
  F(69, Status *, CreateCpuMemoryInfo, int allocator, int type, void **out)                            \
  F(78, Status *, GetAllocatorWithDefaultOptions, void **out)                                          \
  F(93, void, ReleaseStatus, Status *)                                                                 \
  F(95, void, ReleaseSession, void *)                                                                  \
  F(96, void, ReleaseValue, void *)                                                                    \
  F(98, void, ReleaseTypeInfo, void *)                                                                 \
  F(99, void, ReleaseTensorTypeAndShapeInfo, void *)                                                   \
  F(100, void, ReleaseSessionOptions, void *)                                                          \
  F(110, Status *, SessionEndProfiling, void *session, void *allocator, char **path)                   \
  F(125, Status *, GetAvailableProviders, char ***names, int *count)                                   \
  F(130, Status *, AddSessionConfigEntry, void *options, const char *key, const char *value)

#define DECLARE(place, result, name, ...) static result (*name)(__VA_ARGS__);
ORT_FUNCTIONS(DECLARE)
static Status *(*AppendExecutionProvider)(void *options, const char *name, const char *const *keys,
                                          const char *const *values, size_t n);

static struct {
  void *handle, *env, *allocator, *memory;
  const char *version;
  unsigned api;
  char **providers;
  int provider_count;
} ort;

/* Ends the runner with the library's own message where a call failed. */
static void check(Status *status, int code, const char *doing) {
  if (!status) return;
  char message[2048];
  snprintf(message, sizeof message, "%s", GetErrorMessage(status));
  ReleaseStatus(status);
  message[strcspn(message, "\n")] = 0;
  if (strstr(message, "bad_alloc") || strstr(message, "Failed to allocate memory"))
    die(EXIT_MEMORY, "not enough memory while %s", doing);
  die(code, "%s: %s", doing, message);
}

static void open_library(const char *path) {
  /* The full opt-out of the official builds' uploads; it must be set before the library's constructors run. */
  setenv("ORT_DISABLE_TELEMETRY", "1", 1);
  ort.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!ort.handle) die(EXIT_LIBRARY, "%s", dlerror());
  typedef struct {
    const void *const *(*GetApi)(uint32_t);
    const char *(*GetVersionString)(void);
  } Base;
  const Base *(*get_base)(void) = (const Base *(*)(void))dlsym(ort.handle, "OrtGetApiBase");
  if (!get_base) die(EXIT_LIBRARY, "%s: not an ONNX Runtime library (it has no OrtGetApiBase)", path);
  const Base *base = get_base();
  ort.version = base->GetVersionString();
  /* Version 1.N has interface N; asking for a higher one makes the library complain on standard error. */
  const char *dot = strchr(ort.version, '.');
  int newest = dot ? atoi(dot + 1) : 0;
  const void *const *api = NULL;
  for (ort.api = newest >= OLDEST_API ? (unsigned)newest : NEWEST_API; ort.api >= OLDEST_API; ort.api--)
    if ((api = base->GetApi(ort.api))) break;
  if (!api) die(EXIT_LIBRARY, "ONNX Runtime %s is too old: 1.%d is the oldest that works", ort.version, OLDEST_API);
#define LOAD(place, result, name, ...) name = (result (*)(__VA_ARGS__))api[place];
  ORT_FUNCTIONS(LOAD)
  if (ort.api >= API_WITH_PROVIDERS) *(const void **)&AppendExecutionProvider = api[216];
  check(CreateEnv(ORT_LOG_ERROR, "wbrun", &ort.env), EXIT_LIBRARY, "starting the library");
  check(DisableTelemetryEvents(ort.env), EXIT_LIBRARY, "starting the library");
  check(GetAllocatorWithDefaultOptions(&ort.allocator), EXIT_LIBRARY, "starting the library");
  check(CreateCpuMemoryInfo(ORT_DEVICE_ALLOCATOR, ORT_MEMORY_DEFAULT, &ort.memory), EXIT_LIBRARY, "starting the library");
  check(GetAvailableProviders(&ort.providers, &ort.provider_count), EXIT_LIBRARY, "starting the library");
}

#endif
