/* What the runner is asked: options and job files. wbrun.c lists them. */
#ifndef WB_OPTIONS_H
#define WB_OPTIONS_H

#include <limits.h>

#include "tensors.h"

#define MODELS 16
#define TENSORS 64
#define PAIRS 64
#define PROVIDERS 8

typedef struct {
  const char *key, *value;
} Pair;

typedef struct {
  Pair at[PAIRS];
  int count;
} Pairs;

typedef struct {
  const char *path;
  const char *data[PAIRS];
  int data_count;
  Pairs files, shapes;
  void *session;
  Tensor inputs[TENSORS];
  size_t input_count, output_count;
  const void *values[TENSORS];
  const char *input_names[TENSORS], *output_names[TENSORS];
} Model;

typedef struct {
  const char *name;
  Pairs options;
} Provider;

enum { TIME = 1, OUTPUTS = 2, PROFILE = 4, MEMORY = 8 };

static struct {
  const char *library, *out, *mask, *prefix, *executed, *outputs, *phase_list, *optimization;
  int phases, model_count, provider_count;
  long threads, warmup, iterations, profile_warmup, profile_passes, seed, int_below, progress_ms, crash, oom_mb;
  double min_seconds, max_seconds, timeout, hang;
} ask = {
    .optimization = "all", .threads = 1, .warmup = 5, .iterations = 20, .profile_warmup = 3, .profile_passes = 20,
    .int_below = 8, .progress_ms = 1000,
};
static Pairs config;
static Provider providers[PROVIDERS];
static Model models[MODELS];

static long whole(const char *option, const char *text, long least) {
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (errno || end == text || *end || value < least || value > INT_MAX)
    die(EXIT_USAGE, "%s: '%s' is not a whole number from %ld to %d", option, text, least, INT_MAX);
  return value;
}

static double seconds(const char *option, const char *text) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end || !(value >= 0 && value <= INT_MAX)) /* as ns it must fit 64 bits */
    die(EXIT_USAGE, "%s: '%s' is not a number of seconds from 0 to %d", option, text, INT_MAX);
  return value;
}

/* "key=value", split at the last '=' for names of tensors, which may hold one, else at the first. */
static void add_pair(Pairs *pairs, const char *option, char *text, int last) {
  char *split = last ? strrchr(text, '=') : strchr(text, '=');
  if (!split || split == text) die(EXIT_USAGE, "%s: '%s' is not NAME=VALUE", option, text);
  if (pairs->count == PAIRS) die(EXIT_USAGE, "%s: more than %d", option, PAIRS);
  *split = 0;
  pairs->at[pairs->count++] = (Pair){text, split + 1};
}

static const char *find(const Pairs *pairs, const char *key) {
  for (int i = 0; i < pairs->count; i++)
    if (!strcmp(pairs->at[i].key, key)) return pairs->at[i].value;
  return NULL;
}

static Model *latest_model(const char *option) {
  if (!ask.model_count) die(EXIT_USAGE, "%s: it must follow a --model", option);
  return &models[ask.model_count - 1];
}

static void read_job(const char *path);

static void take(const char *option, char *value) {
  static const struct {
    const char *name;
    const char **into;
  } texts[] = {
      {"--lib", &ask.library}, {"--out", &ask.out}, {"--cpu-mask", &ask.mask}, {"--profile-prefix", &ask.prefix},
      {"--executed", &ask.executed}, {"--outputs", &ask.outputs}, {"--phases", &ask.phase_list},
      {"--optimization", &ask.optimization}, {"--pid-file", &mouth.pid_file},
  };
  static const struct {
    const char *name;
    long *into, least;
  } numbers[] = {
      {"--threads", &ask.threads, 1}, {"--warmup", &ask.warmup, 0}, {"--iterations", &ask.iterations, 1},
      {"--profile-warmup", &ask.profile_warmup, 0}, {"--profile-passes", &ask.profile_passes, 1},
      {"--seed", &ask.seed, 0}, {"--int-below", &ask.int_below, 1}, {"--progress-ms", &ask.progress_ms, 1},
      {"--crash", &ask.crash, 0}, {"--oom-mb", &ask.oom_mb, 0},
  };
  static const struct {
    const char *name;
    double *into;
  } times[] = {
      {"--min-seconds", &ask.min_seconds}, {"--max-seconds", &ask.max_seconds}, {"--timeout", &ask.timeout},
      {"--hang", &ask.hang},
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    if (!strcmp(option, texts[i].name)) {
      *texts[i].into = value;
      return;
    }
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (!strcmp(option, numbers[i].name)) {
      *numbers[i].into = whole(option, value, numbers[i].least);
      return;
    }
  for (size_t i = 0; i < sizeof times / sizeof *times; i++)
    if (!strcmp(option, times[i].name)) {
      *times[i].into = seconds(option, value);
      return;
    }
  if (!strcmp(option, "--job")) {
    read_job(value);
  } else if (!strcmp(option, "--model")) {
    if (ask.model_count == MODELS) die(EXIT_USAGE, "--model: more than %d", MODELS);
    models[ask.model_count++].path = value;
  } else if (!strcmp(option, "--data")) {
    Model *model = latest_model(option);
    if (model->data_count == PAIRS) die(EXIT_USAGE, "--data: more than %d", PAIRS);
    model->data[model->data_count++] = value;
  } else if (!strcmp(option, "--input")) {
    add_pair(&latest_model(option)->files, option, value, 1);
  } else if (!strcmp(option, "--shape")) {
    add_pair(&latest_model(option)->shapes, option, value, 1);
  } else if (!strcmp(option, "--config")) {
    add_pair(&config, option, value, 0);
  } else if (!strcmp(option, "--provider")) {
    if (ask.provider_count == PROVIDERS) die(EXIT_USAGE, "--provider: more than %d", PROVIDERS);
    providers[ask.provider_count++].name = value;
  } else if (!strcmp(option, "--provider-option")) {
    if (!ask.provider_count) die(EXIT_USAGE, "--provider-option: it must follow a --provider");
    add_pair(&providers[ask.provider_count - 1].options, option, value, 0);
  } else {
    die(EXIT_USAGE, "option %s is not known", option);
  }
}

static void read_job(const char *path) {
  static int reading;
  if (reading++) die(EXIT_USAGE, "--job: %s: a job file can't name another", path);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  off_t size = file < 0 ? -1 : lseek(file, 0, SEEK_END);
  if (size < 0) die(EXIT_USAGE, "--job: %s: %s", path, strerror(errno));
  char *text = malloc((size_t)size + 1); /* kept: the options point into it */
  if (!text) die(EXIT_MEMORY, "no memory for the job");
  lseek(file, 0, SEEK_SET);
  if (read(file, text, (size_t)size) != size) die(EXIT_USAGE, "--job: %s can't be read", path);
  close(file);
  text[size] = 0;
  char *lines[2];
  for (int n = 0; *text;) {
    char *end = strchr(text, '\n');
    lines[n++] = text;
    if (end) *end = 0;
    text = end ? end + 1 : text + strlen(text);
    if (n == 2) {
      take(lines[0], lines[1]);
      n = 0;
    } else if (!*text) {
      die(EXIT_USAGE, "--job: option %s has no value", lines[0]);
    }
  }
  reading = 0;
}

static void read_options(int count, char **arguments) {
  for (int i = 1; i < count; i += 2) {
    if (i + 1 == count) die(EXIT_USAGE, "option %s has no value", arguments[i]);
    take(arguments[i], arguments[i + 1]);
  }
  const struct {
    const char *name;
    int bit;
  } phases[] = {{"time", TIME}, {"outputs", OUTPUTS}, {"profile", PROFILE}, {"memory", MEMORY}};
  for (const char *at = ask.phase_list ? ask.phase_list : ""; *at;) {
    size_t length = strcspn(at, ","), known = 0;
    for (size_t i = 0; i < 4; i++)
      if (strlen(phases[i].name) == length && !strncmp(phases[i].name, at, length)) known = (size_t)phases[i].bit;
    if (!known) die(EXIT_USAGE, "--phases: '%s' is not time, outputs, profile or memory", at);
    ask.phases |= (int)known;
    at += length + (at[length] == ',');
  }
  if (!ask.library) die(EXIT_USAGE, "--lib is missing");
  if (!ask.out) die(EXIT_USAGE, "--out is missing");
  if (!ask.phases) die(EXIT_USAGE, "--phases is missing");
  if (!ask.model_count) die(EXIT_USAGE, "--model is missing");
  if ((ask.phases & MEMORY) && ask.phases != MEMORY) die(EXIT_USAGE, "--phases: memory must be alone");
  if (ask.model_count > 1 && ask.phases != MEMORY) die(EXIT_USAGE, "--model: several only with --phases memory");
  if ((ask.phases & PROFILE) && !ask.prefix) die(EXIT_USAGE, "--profile-prefix is missing");
  if ((ask.phases & OUTPUTS) && !ask.outputs) die(EXIT_USAGE, "--outputs is missing");
}

#endif
