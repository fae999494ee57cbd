/* What the runner prints: JSON lines on standard output, exit codes, the watchdog. */
#ifndef WB_SAY_H
#define WB_SAY_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Why the runner ended. Above 125 the shell speaks (126 not executable, 127 not found, 128 + signal).
   workbench/devices/exits.py has a sentence for each. */
enum {
  EXIT_DONE = 0,       /* valid only with the event "done" and a result that parses */
  EXIT_USAGE = 64,     /* an option is unknown, missing or malformed */
  EXIT_LIBRARY = 65,   /* the ONNX Runtime library can't be loaded, or is too old */
  EXIT_MODEL = 66,     /* the library refuses the model */
  EXIT_MEMORY = 67,    /* an allocation failed */
  EXIT_RESULT = 68,    /* a result file can't be written */
  EXIT_PROVIDER = 69,  /* the execution provider isn't in this library, or refuses its options */
  EXIT_RUN = 70,       /* a pass failed */
  EXIT_INPUT = 71,     /* an input can't be read or made */
  EXIT_TIMEOUT = 72,   /* the watchdog ended it */
  EXIT_UNHEARD = 73,   /* nobody reads standard output any more */
  EXIT_AFFINITY = 74,  /* the requested cores aren't available */
};

/* Text that grows. */
typedef struct {
  char *at;
  size_t length, room;
} Text;

static _Noreturn void die(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void reserve(Text *text, size_t more) {
  if (text->length + more < text->room) return;
  text->room = 2 * (text->length + more) + 256;
  char *grown = realloc(text->at, text->room);
  if (!grown) die(EXIT_MEMORY, "no memory for the result");
  text->at = grown;
}

__attribute__((format(printf, 2, 3))) static void add(Text *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (length < 0) die(EXIT_MEMORY, "no memory for the result"); /* longer than INT_MAX */
  reserve(text, (size_t)length + 1);
  va_start(arguments, format);
  vsnprintf(text->at + text->length, (size_t)length + 1, format, arguments);
  va_end(arguments);
  text->length += (size_t)length;
}

/* A JSON string, or null. */
static void add_string(Text *text, const char *value) {
  if (!value) {
    add(text, "null");
    return;
  }
  add(text, "\"");
  for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
    if (*c == '"' || *c == '\\')
      add(text, "\\%c", *c);
    else if (*c < 0x20)
      add(text, "\\u%04x", *c);
    else
      add(text, "%c", *c);
  }
  add(text, "\"");
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct {
  int64_t start, deadline, last; /* ns; deadline 0: none */
  const char *pid_file;
  volatile sig_atomic_t saying;
} mouth;

#define ALIVE_EVERY_NS 5000000000

static _Noreturn void leave(int code) {
  if (mouth.pid_file) unlink(mouth.pid_file);
  _exit(code); /* not exit(): the library's own end-of-process work may hang */
}

/* Writes all of it; a reader that is gone ends the runner, so that none is left on a device. */
static void write_out(const char *at, size_t length) {
  while (length) {
    ssize_t n = write(STDOUT_FILENO, at, length);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) leave(EXIT_UNHEARD);
    at += n;
    length -= (size_t)n;
  }
}

/* Sends a line and empties the text. */
static void say(Text *line) {
  add(line, "}\n");
  mouth.saying = 1;
  write_out(line->at, line->length);
  mouth.last = now_ns();
  mouth.saying = 0;
  line->length = 0;
}

static void begin(Text *line, const char *event) {
  add(line, "{\"event\":\"%s\",\"ms\":%lld", event, (long long)((now_ns() - mouth.start) / 1000000));
}

static _Noreturn void die(int code, const char *format, ...) {
  char message[4096];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  if (code != EXIT_MEMORY) {
    Text line = {0};
    begin(&line, "error");
    add(&line, ",\"code\":%d,\"message\":", code);
    add_string(&line, message);
    say(&line);
  } else { /* nothing left to build a line with; the messages of this code hold no quotes */
    char line[4400];
    int n = snprintf(line, sizeof line, "{\"event\":\"error\",\"code\":%d,\"message\":\"%s\"}\n", code, message);
    write_out(line, (size_t)n);
  }
  leave(code);
}

/* Whether a line can be written without waiting: a handler must never hang on a reader that has stopped. */
static int is_heard(void) {
  struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
  return !mouth.saying && poll(&out, 1, 0) == 1;
}

/* Once a second: past its deadline the runner ends itself; silent for long, it says that it lives. */
static void on_tick(int signal_number) {
  (void)signal_number;
  int64_t now = now_ns();
  if (mouth.deadline && now > mouth.deadline) {
    static const char late[] = "{\"event\":\"error\",\"code\":72,\"message\":\"the time limit of the runner is over\"}\n";
    if (is_heard()) write_out(late, sizeof late - 1);
    leave(EXIT_TIMEOUT);
  }
  if (now - mouth.last > ALIVE_EVERY_NS && is_heard()) {
    static const char alive[] = "{\"event\":\"alive\"}\n";
    write_out(alive, sizeof alive - 1);
    mouth.last = now;
  }
  alarm(1);
}

static void on_end(int signal_number) { leave(128 + signal_number); }

static void start_watchdog(double seconds) {
  if (seconds > 0) mouth.deadline = mouth.start + (int64_t)(seconds * 1e9);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGALRM, on_tick);
  signal(SIGTERM, on_end);
  signal(SIGINT, on_end);
  signal(SIGHUP, on_end);
  alarm(1);
}

#endif
