/* wbrun: runs ONNX models on the device it lies on and reports what it measured.

   ONNX Runtime is loaded at run time (--lib), so one binary serves every build of it. JSON lines on standard output
   report progress; the result goes to --out. Exit codes: say.h. Options, each followed by its value:

     --job FILE             more options from a file, one argument per line (needs no shell quoting)
     --lib FILE             the ONNX Runtime library
     --model FILE           an ONNX model; what follows belongs to it. Several only with the phase memory
       --data FILE          external data of the model (only to forget its cached pages before the cold load)
       --input NAME=FILE    raw values of an input; without it they are seeded
       --shape NAME=1x4x8   shape of an input, where the model leaves sides open
     --out FILE             the result (JSON)
     --phases LIST          time,outputs,profile (any of them) or memory (alone, so that nothing else is counted)
     --threads N            threads inside an operator [1]; operators run one after the other
     --optimization LEVEL   none, basic or all [all]
     --config KEY=VALUE     session configuration entry
     --provider NAME        cpu, xnnpack, nnapi, qnn, or the library's own name of one
       --provider-option KEY=VALUE   option of that provider
     --cpu-mask HEX         cores to run on, as taskset takes them
     --warmup N             unmeasured passes [5]
     --iterations N         least number of measured passes [20]
     --min-seconds S        least sum of measured passes [0]
     --max-seconds S        stop measuring after this much wall time, even if there are too few passes [none]
     --profile-prefix PATH  how the profile's file name begins
     --executed FILE        where the graph that is really executed goes (phase profile)
     --profile-warmup N, --profile-passes N   passes with profiling on [3, 20]
     --outputs FOLDER       where output tensors go, as 0.bin, 1.bin, ... (phase outputs)
     --seed N, --int-below N   of seeded inputs [0, 8]; tensors.h says how they are made
     --progress-ms N        time between progress lines [1000]
     --timeout S            the watchdog [none]
     --pid-file FILE        holds the process id while it runs
   To provoke faults, after the warm-up: --hang S, --crash 1, --oom-mb N. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sys/utsname.h>

#include "models.h"

/* ---- faults ---- */

/* What the tests provoke; nothing of it happens unasked. */
static void misbehave(void) {
  if (ask.crash) {
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
  }
  for (long mb = 0; mb < ask.oom_mb; mb++) {
    char *block = malloc(1 << 20);
    if (!block) die(EXIT_MEMORY, "no memory after %ld MB", mb);
    for (size_t i = 0; i < 1 << 20; i += 4096) ((volatile char *)block)[i] = 1;
  }
  int64_t end = now_ns() + (int64_t)(ask.hang * 1e9);
  while (now_ns() < end) usleep(100000);
}

/* ---- phases ---- */

static Text result, line, readings;
static int reading_count;

static void say_phase(const char *phase) {
  begin(&line, "phase");
  add(&line, ",\"phase\":\"%s\"", phase);
  say(&line);
}

/* How far it is, with clocks and temperatures; the same reading goes into the result. */
static void say_progress(const char *phase, long done, long total) {
  Text reading = {0};
  add_reading(&reading);
  add(&readings, "%s{\"ms\":%lld,%s}", reading_count++ ? "," : "", (long long)((now_ns() - mouth.start) / 1000000),
      reading.at);
  begin(&line, "progress");
  add(&line, ",\"phase\":\"%s\",\"done\":%ld,\"total\":%ld,%s", phase, done, total, reading.at);
  say(&line);
  free(reading.at);
}

static void time_passes(Model *model) {
  say_phase("time");
  int dropped = drop_from_cache(model->path);
  for (int i = 0; i < model->data_count; i++) dropped &= drop_from_cache(model->data[i]);
  int64_t cold = load(model);
  unload(model);
  int64_t warm = load(model);
  make_inputs(model);
  int64_t first = pass(model, NULL);
  for (long i = 0; i < ask.warmup; i++) pass(model, NULL);
  misbehave();
  add(&result, ",\"time\":{\"load_cold_ns\":%lld,\"cache_dropped\":%s,\"load_warm_ns\":%lld,\"first_call_ns\":%lld",
      (long long)cold, dropped ? "true" : "false", (long long)warm, (long long)first);
  add(&result, ",\"warmup\":%ld,\"samples_ns\":[", ask.warmup);
  int64_t start = now_ns(), reported = start, sum = 0;
  long n = 0;
  int cut = 0;
  say_progress("time", 0, ask.iterations);
  while (n < ask.iterations || (double)sum < ask.min_seconds * 1e9) {
    int64_t sample = pass(model, NULL), now = now_ns();
    sum += sample;
    add(&result, n++ ? ",%lld" : "%lld", (long long)sample);
    cut = ask.max_seconds > 0 && (double)(now - start) > ask.max_seconds * 1e9;
    if (cut) break;
    if (now - reported > ask.progress_ms * 1000000) {
      say_progress("time", n, ask.iterations > n ? ask.iterations : n);
      reported = now_ns();
    }
  }
  say_progress("time", n, n);
  add(&result, "],\"cut\":%s}", cut ? "true" : "false");
}

static void write_outputs(Model *model) {
  say_phase("outputs");
  if (!model->session) {
    load(model);
    make_inputs(model);
  }
  void *outputs[TENSORS];
  pass(model, outputs);
  add(&result, ",\"outputs\":[");
  for (size_t i = 0; i < model->output_count; i++) {
    Tensor tensor = {.name = model->output_names[i]};
    void *info = NULL, *data = NULL;
    int is_tensor = 0;
    if (outputs[i]) check(IsTensor(outputs[i], &is_tensor), EXIT_RUN, "reading an output");
    if (!is_tensor) die(EXIT_RUN, "output %s is not a tensor", tensor.name);
    check(GetTensorTypeAndShape(outputs[i], &info), EXIT_RUN, "reading an output");
    describe(info, &tensor, EXIT_RUN);
    ReleaseTensorTypeAndShapeInfo(info);
    if (tensor.count && !tensor.bytes)
      die(EXIT_RUN, "output %s: type %s can't be written", tensor.name, type_name(tensor.type));
    check(GetTensorMutableData(outputs[i], &data), EXIT_RUN, "reading an output");
    char path[4096];
    snprintf(path, sizeof path, "%s/%zu.bin", ask.outputs, i);
    write_whole(path, data, tensor.bytes);
    add(&result, i ? ",{" : "{");
    add_tensor(&result, &tensor);
    add(&result, ",\"file\":\"%zu.bin\"}", i);
    ReleaseValue(outputs[i]);
  }
  add(&result, "]");
}

static void profile_passes(Model *model) {
  say_phase("profile");
  if (model->session) unload(model);
  const char *executed = ask.executed;
  char why[1024] = "";
  Status *status = create_session(model, ask.prefix, executed);
  if (status && executed && ask.provider_count) { /* a graph compiled by a provider can't be written down */
    snprintf(why, sizeof why, "%s", GetErrorMessage(status));
    ReleaseStatus(status);
    executed = NULL;
    status = create_session(model, ask.prefix, NULL);
  }
  check(status, EXIT_MODEL, model->path);
  if (!model->input_count) make_inputs(model);
  for (long i = 0; i < ask.profile_warmup; i++) pass(model, NULL);
  if (!(ask.phases & TIME)) misbehave();
  int64_t reported = now_ns();
  for (long i = 0; i < ask.profile_passes; i++) {
    pass(model, NULL);
    if (now_ns() - reported > ask.progress_ms * 1000000) {
      say_progress("profile", i + 1, ask.profile_passes);
      reported = now_ns();
    }
  }
  char *file = NULL;
  check(SessionEndProfiling(model->session, ort.allocator, &file), EXIT_RESULT, "writing the profile");
  add(&result, ",\"profile\":{\"file\":");
  add_string(&result, file);
  add(&result, ",\"executed\":");
  add_string(&result, executed);
  add(&result, ",\"executed_reason\":");
  add_string(&result, *why ? why : NULL);
  add(&result, ",\"warmup\":%ld,\"passes\":%ld}", ask.profile_warmup, ask.profile_passes);
}

/* All models loaded together, one pass of each: what a pipeline takes. */
static void measure_memory(long start, long library) {
  say_phase("memory");
  for (int i = 0; i < ask.model_count; i++) {
    load(&models[i]);
    make_inputs(&models[i]);
  }
  long loaded = memory_kb("VmRSS:");
  for (int i = 0; i < ask.model_count; i++) pass(&models[i], NULL);
  misbehave();
  add(&result, ",\"memory\":{\"start_kb\":");
  add_number(&result, start);
  add(&result, ",\"library_kb\":");
  add_number(&result, library);
  add(&result, ",\"loaded_kb\":");
  add_number(&result, loaded);
  add(&result, ",\"end_kb\":");
  add_number(&result, memory_kb("VmRSS:"));
  add(&result, ",\"peak_kb\":");
  add_number(&result, memory_kb("VmHWM:"));
  add(&result, "}");
}

/* ---- the whole ---- */

static void add_pairs(Text *text, const Pairs *pairs) {
  add(text, "{");
  for (int i = 0; i < pairs->count; i++) {
    if (i) add(text, ",");
    add_string(text, pairs->at[i].key);
    add(text, ":");
    add_string(text, pairs->at[i].value);
  }
  add(text, "}");
}

/* What ran, on what, how: the same in the first event and in the result. */
static void add_setting(Text *text) {
  struct utsname system;
  uname(&system);
  add(text, ",\"schema\":1,\"library\":{\"version\":");
  add_string(text, ort.version);
  add(text, ",\"api\":%u,\"providers\":[", ort.api);
  for (int i = 0; i < ort.provider_count; i++) {
    if (i) add(text, ",");
    add_string(text, ort.providers[i]);
  }
  add(text, "]},\"machine\":");
  add_string(text, system.machine);
  add(text, ",\"release\":");
  add_string(text, system.release);
  add(text, ",\"cpus\":");
  add_cpus(text);
  add(text, ",\"threads\":%ld,\"optimization\":", ask.threads);
  add_string(text, ask.optimization);
  add(text, ",\"config\":");
  add_pairs(text, &config);
  add(text, ",\"providers\":[");
  for (int i = 0; i < ask.provider_count; i++) {
    add(text, i ? ",{\"name\":" : "{\"name\":");
    add_string(text, providers[i].name);
    add(text, ",\"options\":");
    add_pairs(text, &providers[i].options);
    add(text, "}");
  }
  add(text, "],\"thermal_zones\":");
  add_zones(text);
}

static void add_inputs(Text *text) {
  add(text, ",\"inputs\":[");
  for (int m = 0, n = 0; m < ask.model_count; m++)
    for (size_t i = 0; i < models[m].input_count; i++) {
      const Tensor *tensor = &models[m].inputs[i];
      add(text, n++ ? ",{\"model\":%d," : "{\"model\":%d,", m);
      add_tensor(text, tensor);
      add(text, ",\"seeded\":%s}", find(&models[m].files, tensor->name) ? "false" : "true");
    }
  add(text, "]");
}

int main(int count, char **arguments) {
  mouth.start = mouth.last = now_ns();
  signal(SIGPIPE, SIG_IGN);
  read_options(count, arguments);
  optimization_level(); /* refused before the work, not after */
  start_watchdog(ask.timeout);
  if (mouth.pid_file) {
    char text[32];
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    write_whole(mouth.pid_file, text, (size_t)length);
  }
  unlink(ask.out); /* an old result must never be taken for this one's */
  check_writable(ask.out);
  use_cpus(ask.mask);
  find_zones();
  long before = memory_kb("VmRSS:");
  open_library(ask.library);
  long library = memory_kb("VmRSS:");
  begin(&line, "start");
  add(&line, ",\"pid\":%ld", (long)getpid());
  add_setting(&line);
  say(&line);

  add(&result, "{\"runner\":\"wbrun\"");
  add_setting(&result);
  Model *model = &models[0];
  if (ask.phases & TIME) time_passes(model);
  if (ask.phases & OUTPUTS) write_outputs(model);
  if (ask.phases & PROFILE) profile_passes(model);
  if (ask.phases & MEMORY) measure_memory(before, library);
  add_inputs(&result);
  add(&result, ",\"readings\":[%s],\"wall_ms\":%lld}\n", readings.at ? readings.at : "",
      (long long)((now_ns() - mouth.start) / 1000000));
  write_whole(ask.out, result.at, result.length);
  begin(&line, "done");
  add(&line, ",\"out\":");
  add_string(&line, ask.out);
  say(&line);
  leave(EXIT_DONE);
}
