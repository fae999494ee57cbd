/* Models: their sessions, inputs and passes. */
#ifndef WB_MODELS_H
#define WB_MODELS_H

#include "options.h"

static int optimization_level(void) {
  if (!strcmp(ask.optimization, "none")) return 0;
  if (!strcmp(ask.optimization, "basic")) return 1;
  if (!strcmp(ask.optimization, "all")) return 99;
  die(EXIT_USAGE, "--optimization: '%s' is not none, basic or all", ask.optimization);
}

static int same_word(const char *a, const char *b) {
  for (; *a && *b; a++, b++)
    if ((*a | 32) != (*b | 32)) return 0;
  return !*a && !*b;
}

/* Asks for an execution provider; one that this library doesn't have ends the runner. */
static void append_provider(void *options, const Provider *provider) {
  static const struct {
    const char *name, *append, *listed;
  } known[] = {
      {"cpu", NULL, "CPUExecutionProvider"},
      {"xnnpack", "XNNPACK", "XnnpackExecutionProvider"},
      {"nnapi", NULL, "NnapiExecutionProvider"},
      {"qnn", "QNN", "QNNExecutionProvider"},
  };
  const char *append = provider->name, *listed = NULL;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (same_word(provider->name, known[i].name)) append = known[i].append, listed = known[i].listed;
  Text have = {0};
  int found = !listed;
  for (int i = 0; i < ort.provider_count; i++) {
    add(&have, "%s%s", i ? ", " : "", ort.providers[i]);
    found |= listed && !strcmp(ort.providers[i], listed);
  }
  if (!found)
    die(EXIT_PROVIDER, "provider %s is not in this library (ONNX Runtime %s has %s)", provider->name, ort.version,
        have.at);
  free(have.at);
  if (listed && !strcmp(listed, "CPUExecutionProvider")) return; /* always the last resort of a session */
  if (listed && !append) { /* NNAPI has no place in the table: a function of its own, with flags for options */
    Status *(*nnapi)(void *, uint32_t);
    *(void **)&nnapi = dlsym(ort.handle, "OrtSessionOptionsAppendExecutionProvider_Nnapi");
    if (!nnapi) die(EXIT_PROVIDER, "provider nnapi: the library doesn't export it");
    const char *flags = find(&provider->options, "flags");
    if (provider->options.count > (flags ? 1 : 0))
      die(EXIT_PROVIDER, "provider nnapi: its only option is flags, a sum of 1 (fp16), 2 (NCHW), 4 (no CPU), 8 (CPU only)");
    check(nnapi(options, flags ? (uint32_t)whole("flags", flags, 0) : 0), EXIT_PROVIDER, "asking for provider nnapi");
    return;
  }
  if (!AppendExecutionProvider) die(EXIT_PROVIDER, "ONNX Runtime %s is too old for providers by name", ort.version);
  const char *keys[PAIRS], *values[PAIRS];
  for (int i = 0; i < provider->options.count; i++)
    keys[i] = provider->options.at[i].key, values[i] = provider->options.at[i].value;
  char doing[128];
  snprintf(doing, sizeof doing, "asking for provider %s", provider->name);
  check(AppendExecutionProvider(options, append, keys, values, (size_t)provider->options.count), EXIT_PROVIDER, doing);
}

/* A session as workbench/runtimes/onnxruntime/session.py makes it: one operator at a time. */
static Status *create_session(Model *model, const char *prefix, const char *executed) {
  void *options = NULL;
  const char *doing = "setting the session up";
  check(CreateSessionOptions(&options), EXIT_LIBRARY, doing);
  check(SetSessionLogSeverityLevel(options, ORT_LOG_ERROR), EXIT_LIBRARY, doing);
  check(SetIntraOpNumThreads(options, (int)ask.threads), EXIT_LIBRARY, doing);
  check(SetInterOpNumThreads(options, 1), EXIT_LIBRARY, doing);
  check(SetSessionExecutionMode(options, ORT_SEQUENTIAL), EXIT_LIBRARY, doing);
  check(SetSessionGraphOptimizationLevel(options, optimization_level()), EXIT_LIBRARY, doing);
  for (int i = 0; i < config.count; i++)
    check(AddSessionConfigEntry(options, config.at[i].key, config.at[i].value), EXIT_LIBRARY, doing);
  for (int i = 0; i < ask.provider_count; i++) append_provider(options, &providers[i]);
  if (prefix) check(EnableProfiling(options, prefix), EXIT_LIBRARY, doing);
  if (executed) check(SetOptimizedModelFilePath(options, executed), EXIT_LIBRARY, doing);
  Status *status = CreateSession(ort.env, model->path, options, &model->session);
  ReleaseSessionOptions(options);
  return status;
}

static int64_t load(Model *model) {
  int64_t start = now_ns();
  check(create_session(model, NULL, NULL), EXIT_MODEL, model->path);
  return now_ns() - start;
}

static void unload(Model *model) {
  ReleaseSession(model->session);
  model->session = NULL;
}

/* Sides that the model leaves open come from --shape; those that it fixes must agree with it. */
static void resolve_shape(const Model *model, Tensor *tensor) {
  const char *given = find(&model->shapes, tensor->name);
  if (given) {
    size_t rank = 0;
    for (const char *at = given; *at; rank++) {
      char *end;
      errno = 0;
      long side = strtol(at, &end, 10);
      if (errno || end == at || side < 0 || (*end && *end != 'x')) die(EXIT_USAGE, "--shape: '%s' is not like 1x4x8", given);
      if (rank >= tensor->rank || (tensor->shape[rank] >= 0 && tensor->shape[rank] != side)) {
        rank = RANK + 1;
        break;
      }
      tensor->shape[rank] = side;
      at = *end ? end + 1 : end;
    }
    if (rank != tensor->rank) die(EXIT_INPUT, "input %s: shape %s isn't one that the model takes", tensor->name, given);
  }
  for (size_t i = 0; i < tensor->rank; i++)
    if (tensor->shape[i] < 0) die(EXIT_INPUT, "input %s: its shape is open; give it with --shape", tensor->name);
  measure(tensor, EXIT_INPUT);
}

/* Names and inputs, once a session knows them. They are kept for later sessions of the model. */
static void make_inputs(Model *model) {
  const char *doing = "reading the model's inputs";
  check(SessionGetInputCount(model->session, &model->input_count), EXIT_MODEL, doing);
  check(SessionGetOutputCount(model->session, &model->output_count), EXIT_MODEL, doing);
  if (model->input_count > TENSORS || model->output_count > TENSORS)
    die(EXIT_MODEL, "%s: more than %d inputs or outputs", model->path, TENSORS);
  for (size_t i = 0; i < model->output_count; i++)
    check(SessionGetOutputName(model->session, i, ort.allocator, (char **)&model->output_names[i]), EXIT_MODEL, doing);
  for (size_t i = 0; i < model->input_count; i++) {
    Tensor *tensor = &model->inputs[i];
    void *type = NULL;
    const void *info = NULL;
    check(SessionGetInputName(model->session, i, ort.allocator, (char **)&tensor->name), EXIT_MODEL, doing);
    model->input_names[i] = tensor->name;
    check(SessionGetInputTypeInfo(model->session, i, &type), EXIT_MODEL, doing);
    check(CastTypeInfoToTensorInfo(type, &info), EXIT_MODEL, doing);
    if (!info) die(EXIT_INPUT, "input %s is not a tensor", tensor->name);
    describe(info, tensor, EXIT_MODEL);
    ReleaseTypeInfo(type);
    resolve_shape(model, tensor);
    const char *file = find(&model->files, tensor->name);
    if (file && tensor->count && !tensor->bytes)
      die(EXIT_INPUT, "input %s: type %s can't be read from a file", tensor->name, type_name(tensor->type));
    void *data = malloc(tensor->bytes + 1);
    if (!data) die(EXIT_MEMORY, "no memory for the inputs");
    if (file)
      read_raw(file, data, tensor);
    else
      fill_seeded(data, tensor, (uint64_t)ask.seed, (uint64_t)ask.int_below, i);
    check(CreateTensorWithDataAsOrtValue(ort.memory, data, tensor->bytes, tensor->shape, tensor->rank, tensor->type,
                                         (void **)&model->values[i]),
          EXIT_INPUT, "making an input");
  }
  for (int i = 0; i < model->files.count + model->shapes.count; i++) {
    const char *name = i < model->files.count ? model->files.at[i].key : model->shapes.at[i - model->files.count].key;
    size_t j = 0;
    while (j < model->input_count && strcmp(model->input_names[j], name)) j++;
    if (j == model->input_count) die(EXIT_INPUT, "the model has no input %s", name);
  }
}

/* One pass in ns; its outputs are kept where asked for, else freed after the clock has stopped. */
static int64_t pass(Model *model, void **kept) {
  void *outputs[TENSORS] = {0};
  int64_t start = now_ns();
  Status *status = Run(model->session, NULL, model->input_names, model->values, model->input_count,
                       model->output_names, model->output_count, outputs);
  int64_t duration = now_ns() - start;
  check(status, EXIT_RUN, "running the model");
  for (size_t i = 0; i < model->output_count; i++)
    if (kept)
      kept[i] = outputs[i];
    else if (outputs[i])
      ReleaseValue(outputs[i]);
  return duration;
}

#endif
