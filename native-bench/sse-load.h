/*
 * What the parts of sse-load share: small helpers, what a stream consists of, the client's streams.
 * sse-mock.c is the provider, sse-streams.c one stream of the client, sse-load.c the ways to run many of them.
 */
#ifndef SSE_LOAD_H
#define SSE_LOAD_H
#define _GNU_SOURCE
#include "histogram.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define FD_MAX 65536
#define READ_MAX 65536
#define REQUEST_MAX 131072
#define PROMPT_MAX 120000
static inline void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "sse-load: ");
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\n");
  va_end(arguments);
  exit(1);
}

static inline uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static inline void raise_fd_limit(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max < FD_MAX ? limit.rlim_max : FD_MAX;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static inline int add_ticker(int epoll) {
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct itimerspec every = {{0, 1000000}, {0, 1000000}};
  if (timer < 0 || timerfd_settime(timer, 0, &every, NULL) < 0) die("timerfd: %s", strerror(errno));
  struct epoll_event event = {.events = EPOLLIN, .data.fd = timer};
  epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
  return timer;
}

static inline void set_nodelay(int fd) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}


static inline uint64_t since_ns(uint64_t from) {
  uint64_t now = now_ns();
  return now > from ? now - from : 0;
}

/* The value of a header in a request's head, or NULL. Names are matched in any case. */
static inline const char *find_header(const char *head, size_t length, const char *name) {
  size_t name_length = strlen(name);
  for (const char *at = memchr(head, '\n', length); at != NULL;
       at = memchr(at, '\n', length - (size_t)(at - head))) {
    at++;
    if ((size_t)(at - head) + name_length >= length) return NULL;
    if (strncasecmp(at, name, name_length) == 0 && at[name_length] == ':') return at + name_length + 1;
  }
  return NULL;
}

/* ---- what a stream consists of: known to both ends ---- */

/* Shaped and sized like a chunk of an OpenAI chat completion. Of fixed width, so that the position in
   the stream tells which event a byte belongs to. The clock reading is sixteen hex digits. */
#define EVENT_FORMAT                                                                              \
  "data: {\"id\":\"chatcmpl-bench%08u\",\"object\":\"chat.completion.chunk\",\"created\":1767225600," \
  "\"model\":\"gpt-4o\",\"system_fingerprint\":\"fp_%016llx\",\"choices\":[{\"index\":0,"  \
  "\"delta\":{\"content\":\" word%05u\"},\"finish_reason\":null}]%s}\n\n"
#define NO_USAGE_YET ",\"usage\":null"
#define USAGE_EVENT                                                                              \
  "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1767225600,"   \
  "\"model\":\"gpt-4o\",\"system_fingerprint\":\"fp_bench\",\"choices\":[],\"usage\":"             \
  "{\"prompt_tokens\":30,\"completion_tokens\":100,\"total_tokens\":130}}\n\n"
#define DONE "data: [DONE]\n\n"
#define CLOCK_MARK "\"fp_"

/* Of the client: what it expects. The mock does as each request says. */
static inline size_t render_event(char *to, size_t room, unsigned id, unsigned index, uint64_t clock,
                           int with_usage) {
  return (size_t)snprintf(to, room, EVENT_FORMAT, id, (unsigned long long)clock, index,
                          with_usage ? NO_USAGE_YET : "");
}

/* ---- the mock provider ---- */

_Noreturn void run_mock(int port, const char *answer_path);

/* ---- the client ---- */

enum phase { IDLE, HEAD, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, LAST_CHUNK_END };

typedef struct stream {
  int fd; /* -1: not connected */
  enum phase phase;
  unsigned id;
  uint64_t start_at, asked_at;
  int answered; /* the first event has been seen */
  int stalled;
  unsigned events;
  struct stream *next_idle;
  char head[4096];
  size_t head_used;
  size_t chunk_left, line_used;
  char line[32];
  size_t position; /* in the body */
  char expected[512];
  uint64_t event_clock;
  char text[2048]; /* of a rewritten stream: the line that is being read */
  size_t text_used;
  unsigned event_next;
  int is_done; /* it has said so itself */
} stream;

/* The one run that a process is for. */
extern struct run {
  int port, epoll;
  unsigned events, gap_ms, next_id;
  uint64_t stop_at;
  uint64_t streams, stalled, events_seen, bytes, reconnects;
  histogram event_delays, first_delays;
  /* Of a trace only. */
  stream *idle;
  int is_trace;
} run;

/* What stands on the command line after the numbers: how the client asks and what it may expect. */
void read_manner(int count, char **words);
stream *open_client(int port, unsigned connections);
/* The time to the first event counts from `intended_at`. */
void stream_ask(stream *s, unsigned events, const char *prompt, size_t prompt_bytes, uint64_t intended_at);
/* A short prompt, and as many events as every stream of the run has. */
void stream_ask_again(stream *s);
void stream_read(stream *s);
void print_streams(uint64_t began);

#endif
