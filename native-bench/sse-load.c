/*
 * Both ends of the benchmark in one small program, because they share a core and have to stay cheap
 * beside the proxy that they measure: a mock provider and a client for event streams, on epoll.
 *
 *   sse-load mock PORT ANSWER_FILE
 *   sse-load streams PORT CONNECTIONS SECONDS EVENTS GAP_MS [usage] [rewritten] [path=P] [model=M] [header=H]...
 *   sse-load trace PORT FILE GAP_MS
 *   sse-load hold PORT CONNECTIONS
 *
 * The mock answers every request with ANSWER_FILE as JSON, except when the body carries
 * "user":"bench.ID.EVENTS.GAP_MS": then with EVENTS events, GAP_MS apart, and the terminating chunk.
 * GAP_MS 0 means: one event and then silence, for as long as the other side likes. The order travels
 * in the body and not in a header, because a proxy may drop headers but must not touch the body.
 * Where the body holds "include_usage":true the mock does as OpenAI does: every event says that its usage
 * is null, and one more event, before the end, says what the answer has used. With `usage` the client asks
 * for that and expects it; without it the client expects nothing of it, whoever on the way asked.
 *
 * `trace` is an open loop: each line of FILE tells when a request is meant to be sent (microseconds from the
 * start), how long its prompt is in bytes, and how many events answer it. The time to the first event
 * counts from that moment, whether or not the request could then be sent.
 *
 * The client computes what each stream has to contain and compares every byte as it arrives, so a
 * lost, doubled, altered or mixed-up event fails the run. The one part that it cannot foretell is a
 * clock reading which the mock puts into each event; mock and client share the machine's monotonic
 * clock, so the difference is the time that the event took through the proxy.
 *
 * With `rewritten`, for gateways that parse every event and write it anew, so that their bytes cannot be
 * foretold, only the number of each event, their order and the end are compared.
 */
#define _GNU_SOURCE
#include "histogram.h"
#include "scheduling.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define FD_MAX 65536
#define READ_MAX 65536
#define REQUEST_MAX 131072
#define PROMPT_MAX 120000
/* More than any gap that the scenarios use, so that one turn of the wheel is always enough. */
#define WHEEL_TICKS 4096

static void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "sse-load: ");
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\n");
  va_end(arguments);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void raise_fd_limit(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max < FD_MAX ? limit.rlim_max : FD_MAX;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static int add_ticker(int epoll) {
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct itimerspec every = {{0, 1000000}, {0, 1000000}};
  if (timer < 0 || timerfd_settime(timer, 0, &every, NULL) < 0) die("timerfd: %s", strerror(errno));
  struct epoll_event event = {.events = EPOLLIN, .data.fd = timer};
  epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
  return timer;
}

static void set_nodelay(int fd) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
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
static int client_asks_usage;
static const char *stream_tail = DONE;
static const char *client_path = "/v1/chat/completions", *client_model = "gpt-4o";
static char client_headers[1024];
static int client_allows_rewriting;
static size_t event_bytes, clock_at;

static size_t render_event(char *to, size_t room, unsigned id, unsigned index, uint64_t clock,
                           int with_usage) {
  return (size_t)snprintf(to, room, EVENT_FORMAT, id, (unsigned long long)clock, index,
                          with_usage ? NO_USAGE_YET : "");
}

static void measure_event(void) {
  char sample[512];
  event_bytes = render_event(sample, sizeof sample, 0, 0, 0, client_asks_usage);
  clock_at = (size_t)(strstr(sample, CLOCK_MARK) - sample) + strlen(CLOCK_MARK);
}

/* ---- the mock provider ---- */

typedef struct peer {
  char in[REQUEST_MAX];
  size_t in_used;
  char *out; /* what the socket did not take; NULL nearly always */
  size_t out_used, out_sent;
  unsigned stream_id, event_next, events, gap_ms;
  int open, streaming, with_usage;
  int wheel_next, wheel_prev; /* fds; -1 ends a list; unused unless on the wheel */
  int wheel_slot;             /* -1: not on the wheel */
} peer;

static peer *peers[FD_MAX];
static int wheel[WHEEL_TICKS];
static uint64_t tick_now;
static int mock_epoll;

static void wheel_remove(int fd) {
  peer *p = peers[fd];
  if (p->wheel_slot < 0) return;
  if (p->wheel_prev >= 0) peers[p->wheel_prev]->wheel_next = p->wheel_next;
  else wheel[p->wheel_slot] = p->wheel_next;
  if (p->wheel_next >= 0) peers[p->wheel_next]->wheel_prev = p->wheel_prev;
  p->wheel_slot = -1;
}

static void wheel_insert(int fd, uint64_t due_tick) {
  peer *p = peers[fd];
  int slot = (int)(due_tick % WHEEL_TICKS);
  p->wheel_slot = slot;
  p->wheel_prev = -1;
  p->wheel_next = wheel[slot];
  if (p->wheel_next >= 0) peers[p->wheel_next]->wheel_prev = fd;
  wheel[slot] = fd;
}

static void peer_close(int fd) {
  peer *p = peers[fd];
  wheel_remove(fd);
  free(p->out);
  p->out = NULL;
  p->open = 0;
  close(fd);
}

static void peer_send(int fd, const char *bytes, size_t length) {
  peer *p = peers[fd];
  size_t taken = 0;
  if (p->out == NULL) {
    ssize_t wrote = write(fd, bytes, length);
    if (wrote < 0 && errno != EAGAIN) {
      peer_close(fd);
      return;
    }
    taken = wrote < 0 ? 0 : (size_t)wrote;
    if (taken == length) return;
  }
  size_t rest = length - taken;
  if (p->out_used + rest > 8u << 20) die("a reader fell 8 MB behind");
  p->out = realloc(p->out, p->out_used + rest);
  memcpy(p->out + p->out_used, bytes + taken, rest);
  p->out_used += rest;
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.fd = fd};
  epoll_ctl(mock_epoll, EPOLL_CTL_MOD, fd, &event);
}

static void peer_flush(int fd) {
  peer *p = peers[fd];
  if (p->out == NULL) return;
  ssize_t wrote = write(fd, p->out + p->out_sent, p->out_used - p->out_sent);
  if (wrote < 0) {
    if (errno != EAGAIN) peer_close(fd);
    return;
  }
  p->out_sent += (size_t)wrote;
  if (p->out_sent < p->out_used) return;
  free(p->out);
  p->out = NULL;
  p->out_used = p->out_sent = 0;
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  epoll_ctl(mock_epoll, EPOLL_CTL_MOD, fd, &event);
}

/* One event is one chunk and one write, as providers send it. */
static void send_next_event(int fd, int with_head) {
  static const char head[] =
      "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
      "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
  char bytes[2048], event[512];
  peer *p = peers[fd];
  size_t used = 0;
  if (with_head) {
    memcpy(bytes, head, sizeof head - 1);
    used = sizeof head - 1;
  }
  size_t length =
      render_event(event, sizeof event, p->stream_id, p->event_next, now_ns(), p->with_usage);
  used += (size_t)sprintf(bytes + used, "%zx\r\n%s\r\n", length, event);
  p->event_next++;
  int last = p->gap_ms > 0 && p->event_next == p->events;
  if (last) {
    if (p->with_usage)
      used += (size_t)sprintf(bytes + used, "%zx\r\n%s\r\n", strlen(USAGE_EVENT), USAGE_EVENT);
    used += (size_t)sprintf(bytes + used, "%zx\r\n%s\r\n0\r\n\r\n", strlen(DONE), DONE);
    p->streaming = 0;
  }
  peer_send(fd, bytes, used);
}

static const char *json_answer;
static size_t json_answer_bytes;

static void load_answer(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) die("cannot read %s", path);
  char body[65536];
  size_t length = fread(body, 1, sizeof body, file);
  fclose(file);
  char *answer = malloc(length + 256);
  int head = sprintf(answer,
                     "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n",
                     length);
  memcpy(answer + head, body, length);
  json_answer = answer;
  json_answer_bytes = (size_t)head + length;
}

/* The value of a header in a request's head, or NULL. Names are matched in any case. */
static const char *find_header(const char *head, size_t length, const char *name) {
  size_t name_length = strlen(name);
  for (const char *at = memchr(head, '\n', length); at != NULL;
       at = memchr(at, '\n', length - (size_t)(at - head))) {
    at++;
    if ((size_t)(at - head) + name_length >= length) return NULL;
    if (strncasecmp(at, name, name_length) == 0 && at[name_length] == ':') return at + name_length + 1;
  }
  return NULL;
}

/* Takes whole requests off the front of the buffer. */
static void peer_requests(int fd) {
  peer *p = peers[fd];
  while (p->open && !p->streaming) {
    char *head_end = memmem(p->in, p->in_used, "\r\n\r\n", 4);
    if (head_end == NULL) break;
    size_t head_length = (size_t)(head_end - p->in) + 4;
    const char *length_value = find_header(p->in, head_length, "content-length");
    if (length_value == NULL && find_header(p->in, head_length, "transfer-encoding") != NULL)
      die("the proxy sent a chunked request body, which this mock does not read");
    size_t body_length = length_value == NULL ? 0 : strtoul(length_value, NULL, 10);
    if (head_length + body_length > REQUEST_MAX) die("a request is larger than %d bytes", REQUEST_MAX);
    if (p->in_used < head_length + body_length) break;

    static const char mark[] = "\"user\":\"bench.", asking[] = "\"include_usage\":true";
    char *order = memmem(p->in + head_length, body_length, mark, sizeof mark - 1);
    size_t whole = head_length + body_length;
    p->with_usage = memmem(p->in + head_length, body_length, asking, sizeof asking - 1) != NULL;
    int is_stream = order != NULL &&
                    sscanf(order + sizeof mark - 1, "%u.%u.%u", &p->stream_id, &p->events, &p->gap_ms) == 3;
    memmove(p->in, p->in + whole, p->in_used - whole);
    p->in_used -= whole;
    if (!is_stream) {
      peer_send(fd, json_answer, json_answer_bytes);
      continue;
    }
    p->event_next = 0;
    p->streaming = 1;
    send_next_event(fd, 1);
    if (p->open && p->streaming && p->gap_ms > 0) wheel_insert(fd, tick_now + p->gap_ms);
  }
}

static void peer_read(int fd) {
  peer *p = peers[fd];
  ssize_t got = read(fd, p->in + p->in_used, REQUEST_MAX - p->in_used);
  if (got <= 0) {
    if (got < 0 && errno == EAGAIN) return;
    peer_close(fd);
    return;
  }
  p->in_used += (size_t)got;
  peer_requests(fd);
}

static void run_wheel(uint64_t until_tick) {
  while (tick_now < until_tick) {
    tick_now++;
    int slot = (int)(tick_now % WHEEL_TICKS);
    int fd = wheel[slot];
    wheel[slot] = -1;
    while (fd >= 0) {
      peer *p = peers[fd];
      int next = p->wheel_next;
      /* Off the list before it sends: a failed write closes the peer, which must find it unlinked. */
      p->wheel_slot = -1;
      send_next_event(fd, 0);
      if (p->open && p->streaming) wheel_insert(fd, tick_now + p->gap_ms);
      else if (p->open) peer_requests(fd);
      fd = next;
    }
  }
}

_Noreturn static void run_mock(int port, const char *answer_path) {
  load_answer(answer_path);
  for (int i = 0; i < WHEEL_TICKS; i++) wheel[i] = -1;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0)
    die("cannot listen on %d: %s", port, strerror(errno));

  mock_epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(mock_epoll, EPOLL_CTL_ADD, listener, &event);
  int ticker = add_ticker(mock_epoll);
  uint64_t started = now_ns();
  printf("{\"listening\":%d}\n", port);
  fflush(stdout);

  struct epoll_event ready[512];
  for (;;) {
    int count = epoll_wait(mock_epoll, ready, 512, -1);
    for (int i = 0; i < count; i++) {
      int fd = ready[i].data.fd;
      if (fd == ticker) {
        uint64_t expirations;
        if (read(ticker, &expirations, sizeof expirations) > 0)
          run_wheel((now_ns() - started) / 1000000);
      } else if (fd == listener) {
        int accepted;
        while ((accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
          if (accepted >= FD_MAX) die("too many connections");
          set_nodelay(accepted);
          if (peers[accepted] == NULL) peers[accepted] = malloc(sizeof(peer));
          peer *p = peers[accepted];
          p->in_used = p->out_used = p->out_sent = 0;
          p->out = NULL;
          p->streaming = 0;
          p->open = 1;
          p->wheel_slot = -1;
          struct epoll_event in = {.events = EPOLLIN, .data.fd = accepted};
          epoll_ctl(mock_epoll, EPOLL_CTL_ADD, accepted, &in);
        }
        if (errno == EMFILE) die("out of file descriptors");
      } else {
        /* A peer closed earlier in this batch leaves an event behind that means nothing any more. */
        if (peers[fd]->open && (ready[i].events & EPOLLOUT)) peer_flush(fd);
        if (peers[fd]->open && (ready[i].events & ~(uint32_t)EPOLLOUT)) peer_read(fd);
      }
    }
  }
}

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

static struct {
  int port, epoll;
  unsigned events, gap_ms, next_id;
  uint64_t stop_at;
  uint64_t streams, stalled, events_seen, bytes, reconnects;
  histogram event_delays, first_delays;
  /* Of a trace only. */
  stream *idle;
  int is_trace;
} run;

static uint64_t since_ns(uint64_t from) {
  uint64_t now = now_ns();
  return now > from ? now - from : 0;
}

static void stream_connect(stream *s) {
  s->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (s->fd < 0) die("socket: %s", strerror(errno));
  /* So that the longest prompt of a trace is taken in one write. */
  int room = 2 * PROMPT_MAX;
  if (run.is_trace) setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)run.port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  /* Blocking: on loopback the kernel completes it at once, whether or not the proxy has accepted. */
  if (connect(s->fd, (struct sockaddr *)&address, sizeof address) < 0)
    die("cannot connect to %d: %s", run.port, strerror(errno));
  fcntl(s->fd, F_SETFL, O_NONBLOCK);
  set_nodelay(s->fd);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
  epoll_ctl(run.epoll, EPOLL_CTL_ADD, s->fd, &event);
}

static void stream_ask(stream *s, unsigned events, const char *prompt, size_t prompt_bytes, uint64_t intended_at) {
  static char body[PROMPT_MAX + 1024], request[PROMPT_MAX + 4096];
  if (s->fd < 0) stream_connect(s);
  s->id = run.next_id++;
  int length = sprintf(body,
                       "{\"model\":\"%s\",\"stream\":true,%s\"user\":\"bench.%u.%u.%u\",\"messages\":"
                       "[{\"role\":\"system\",\"content\":\"You answer in short sentences.\"},"
                       "{\"role\":\"user\",\"content\":\"%.*s\"}]}",
                       client_model, client_asks_usage ? "\"stream_options\":{\"include_usage\":true}," : "",
                       s->id, events, run.gap_ms, (int)prompt_bytes, prompt);
  int whole = sprintf(request,
                      "POST %s HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n"
                      "content-type: application/json\r\naccept: text/event-stream\r\n"
                      "authorization: Bearer bench\r\n%scontent-length: %d\r\n\r\n%s",
                      client_path, run.port, client_headers, length, body);
  s->phase = HEAD;
  s->head_used = s->line_used = s->position = s->text_used = 0;
  s->answered = s->stalled = s->is_done = 0;
  s->event_next = 0;
  s->events = events;
  s->asked_at = intended_at;
  if (write(s->fd, request, (size_t)whole) != whole) die("a request was not taken: %s", strerror(errno));
}

static void stream_ask_again(stream *s) {
  static const char prompt[] = "Say how a weir measures a river.";
  stream_ask(s, run.events, prompt, sizeof prompt - 1, now_ns());
}

static size_t body_bytes(const stream *s) {
  return run.gap_ms == 0 ? (size_t)-1 : event_bytes * s->events + strlen(stream_tail);
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/* Of a gateway that writes events anew: a line may hold anything besides, but the events come in order. */
static void stream_check_rewritten(stream *s, const char *bytes, size_t length) {
  run.bytes += length;
  for (size_t i = 0; i < length; i++) {
    if (bytes[i] != '\n') {
      if (s->text_used + 1 >= sizeof s->text) die("stream %u: a line of more than 2 KB", s->id);
      s->text[s->text_used++] = bytes[i];
      continue;
    }
    s->text[s->text_used] = 0;
    s->text_used = 0;
    if (strncmp(s->text, "data: [DONE]", 12) == 0) s->is_done = 1;
    const char *word = strstr(s->text, "\" word"), *clock = strstr(s->text, CLOCK_MARK);
    if (word == NULL) continue;
    unsigned index;
    unsigned long long sent_at;
    if (s->is_done || sscanf(word, "\" word%5u\"", &index) != 1 || index != s->event_next)
      die("stream %u: event %u was to come and not: %s", s->id, s->event_next, s->text);
    if (clock == NULL || sscanf(clock + strlen(CLOCK_MARK), "%16llx", &sent_at) != 1)
      die("stream %u: no clock reading in event: %s", s->id, s->text);
    s->event_next++;
    run.events_seen++;
    uint64_t delay = since_ns(sent_at);
    record_ns(&run.event_delays, delay);
    if (delay > run.gap_ms * 1000000ull) s->stalled = 1;
    if (!s->answered) record_ns(&run.first_delays, since_ns(s->asked_at));
    s->answered = 1;
  }
}

/* Compares a piece of the body with what has to stand at that position. */
static void stream_check(stream *s, const char *bytes, size_t length) {
  size_t events_end = event_bytes * s->events;
  run.bytes += length;
  while (length > 0) {
    if (s->position >= events_end) {
      size_t at = s->position - events_end;
      if (at + length > strlen(stream_tail) || memcmp(bytes, stream_tail + at, length) != 0)
        die("stream %u: wrong bytes after the last event", s->id);
      s->position += length;
      return;
    }
    size_t at = s->position % event_bytes, part = event_bytes - at;
    if (part > length) part = length;
    if (at == 0) {
      render_event(s->expected, sizeof s->expected, s->id, (unsigned)(s->position / event_bytes), 0,
                   client_asks_usage);
      s->event_clock = 0;
    }
    for (size_t i = 0; i < part; i++) {
      size_t place = at + i;
      if (place >= clock_at && place < clock_at + 16) {
        int digit = hex_digit(bytes[i]);
        if (digit < 0) die("stream %u: no clock reading in event", s->id);
        s->event_clock = s->event_clock << 4 | (uint64_t)digit;
      } else if (bytes[i] != s->expected[place]) {
        die("stream %u: byte %zu of event %zu is wrong", s->id, place, s->position / event_bytes);
      }
    }
    s->position += part;
    bytes += part;
    length -= part;
    if (at + part == event_bytes) {
      run.events_seen++;
      uint64_t delay = since_ns(s->event_clock);
      record_ns(&run.event_delays, delay);
      /* Later than the next one was to be written: whoever reads along sees the text stand still. */
      if (delay > run.gap_ms * 1000000ull) s->stalled = 1;
      if (!s->answered) record_ns(&run.first_delays, since_ns(s->asked_at));
      s->answered = 1;
    }
  }
}

static void stream_head_done(stream *s) {
  s->head[s->head_used] = 0;
  if (strncmp(s->head, "HTTP/1.1 200", 12) != 0) die("stream %u was answered: %s", s->id, s->head);
  if (find_header(s->head, s->head_used, "transfer-encoding") == NULL)
    die("stream %u is not chunked, so its end could not be told from a cut: %s", s->id, s->head);
  s->phase = CHUNK_SIZE;
}

static void stream_done(stream *s) {
  if (client_allows_rewriting && (!s->is_done || s->event_next != s->events))
    die("stream %u ended after %u events", s->id, s->event_next);
  if (!client_allows_rewriting && s->position != body_bytes(s))
    die("stream %u ended after %zu bytes", s->id, s->position);
  run.streams++;
  run.stalled += (uint64_t)s->stalled;
  s->phase = IDLE;
  if (run.is_trace) {
    s->next_idle = run.idle;
    run.idle = s;
  } else if (now_ns() < run.stop_at) {
    stream_ask_again(s);
  }
}

static void stream_parse(stream *s, const char *bytes, size_t length) {
  for (size_t i = 0; i < length;) {
    char c = bytes[i];
    switch (s->phase) {
      case IDLE:
        die("stream %u: bytes after its end", s->id);
        break;
      case HEAD:
        if (s->head_used + 1 >= sizeof s->head) die("stream %u: a head of more than 4 KB", s->id);
        s->head[s->head_used++] = c;
        i++;
        if (c == '\n' && s->head_used >= 4 && memcmp(s->head + s->head_used - 4, "\r\n\r\n", 4) == 0)
          stream_head_done(s);
        break;
      case CHUNK_SIZE:
        i++;
        if (c == '\n') {
          s->line[s->line_used] = 0;
          char *end;
          s->chunk_left = strtoul(s->line, &end, 16);
          if (end == s->line || *end != '\r') die("stream %u: bad chunk size '%s'", s->id, s->line);
          s->line_used = 0;
          s->phase = s->chunk_left > 0 ? CHUNK_DATA : LAST_CHUNK_END;
        } else {
          if (s->line_used + 1 >= sizeof s->line) die("stream %u: a chunk size too long", s->id);
          s->line[s->line_used++] = c;
        }
        break;
      case CHUNK_DATA: {
        size_t part = length - i < s->chunk_left ? length - i : s->chunk_left;
        if (client_allows_rewriting) stream_check_rewritten(s, bytes + i, part);
        else stream_check(s, bytes + i, part);
        s->chunk_left -= part;
        i += part;
        if (s->chunk_left == 0) s->phase = CHUNK_END;
        break;
      }
      case CHUNK_END:
      case LAST_CHUNK_END:
        i++;
        if (c != "\r\n"[s->line_used++]) die("stream %u: bad chunk end", s->id);
        if (s->line_used == 2) {
          s->line_used = 0;
          if (s->phase == CHUNK_END) s->phase = CHUNK_SIZE;
          else stream_done(s);
        }
        break;
    }
  }
}

static void stream_read(stream *s) {
  static char bytes[READ_MAX];
  ssize_t got = read(s->fd, bytes, sizeof bytes);
  if (got < 0 && errno == EAGAIN) return;
  if (got > 0) {
    stream_parse(s, bytes, (size_t)got);
    return;
  }
  if (s->phase != IDLE) die("stream %u was cut after %zu bytes: %s", s->id, s->position, got < 0 ? strerror(errno) : "closed");
  /* Closed between two streams: allowed, but counted, because connecting again costs the proxy too. */
  close(s->fd);
  s->fd = -1;
  run.reconnects++;
}

static stream *open_client(int port, unsigned connections) {
  ask_for_short_slices();
  run.port = port;
  run.epoll = epoll_create1(0);
  /* Streams of different runs never share an id, so that a byte left over from one cannot pass. */
  run.next_id = (unsigned)(now_ns() / 1000000 % 40000) * 1000;
  stream *streams = calloc(connections, sizeof(stream));
  for (unsigned i = 0; i < connections; i++) streams[i].fd = -1;
  return streams;
}

static void print_streams(uint64_t began) {
  printf("{\"streams\":%llu,\"stalled\":%llu,\"events\":%llu,\"bytes\":%llu,\"eventBytes\":%zu,"
         "\"reconnects\":%llu,\"seconds\":%.3f,\"eventUs\":",
         (unsigned long long)run.streams, (unsigned long long)run.stalled,
         (unsigned long long)run.events_seen, (unsigned long long)run.bytes, event_bytes,
         (unsigned long long)run.reconnects, (double)since_ns(began) / 1e9);
  print_percentiles(&run.event_delays);
  printf(",\"firstUs\":");
  print_percentiles(&run.first_delays);
  printf(",\"eventCurve\":");
  print_curve(&run.event_delays);
  printf("}\n");
}

static int run_streams(int port, unsigned connections, double seconds, unsigned events, unsigned gap_ms) {
  stream *streams = open_client(port, connections);
  run.events = events;
  run.gap_ms = gap_ms;
  uint64_t began = now_ns();
  run.stop_at = began + (uint64_t)(seconds * 1e9);
  uint64_t give_up_at = run.stop_at + (uint64_t)events * gap_ms * 1000000ull + 10000000000ull;
  /* Spread over the length of a stream: ones that start together tick together and end together, and
     every proxy would then be measured on bursts that real traffic does not have. */
  for (unsigned i = 0; i < connections; i++)
    streams[i].start_at = began + (uint64_t)gap_ms * events * 1000000ull * i / connections;
  int ticker = add_ticker(run.epoll);
  struct epoll_event mark = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(run.epoll, EPOLL_CTL_MOD, ticker, &mark);

  struct epoll_event ready[512];
  unsigned started = 0;
  for (;;) {
    int count = epoll_wait(run.epoll, ready, 512, 1000);
    for (int i = 0; i < count; i++) {
      stream *s = ready[i].data.ptr;
      if (s != NULL) {
        if (s->fd >= 0) stream_read(s);
        continue;
      }
      uint64_t expirations, now = now_ns();
      if (read(ticker, &expirations, sizeof expirations) < 0) continue;
      while (started < connections && streams[started].start_at <= now) stream_ask_again(&streams[started++]);
      if (now > give_up_at) die("streams did not end: %llu did", (unsigned long long)run.streams);
      if (now < run.stop_at || started < connections) continue;
      unsigned busy = 0;
      for (unsigned c = 0; c < connections; c++) busy += streams[c].phase != IDLE;
      if (busy > 0) continue;
      print_streams(began);
      return 0;
    }
  }
}

static int run_hold(int port, unsigned connections) {
  stream *streams = open_client(port, connections);
  run.events = 1;
  run.gap_ms = 0;
  uint64_t give_up_at = now_ns() + 30000000000ull;
  /* In small groups: a burst of a thousand connections would measure the proxy's queues. */
  unsigned asked = 0, told = 0;
  struct epoll_event ready[512], input = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(run.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input);
  for (;;) {
    while (asked < connections && asked - (unsigned)run.first_delays.total < 32)
      stream_ask_again(&streams[asked++]);
    int count = epoll_wait(run.epoll, ready, 512, 1000);
    for (int i = 0; i < count; i++) {
      /* Whoever started this says by closing its end that the streams have been held long enough. */
      if (ready[i].data.ptr == NULL) return 0;
      stream_read(ready[i].data.ptr);
    }
    if (!told && run.first_delays.total == connections) {
      printf("{\"open\":%u}\n", connections);
      fflush(stdout);
      told = 1;
    }
    if (!told && now_ns() > give_up_at)
      die("only %llu of %u streams opened", (unsigned long long)run.first_delays.total, connections);
  }
}

/* More streams at a time than any scenario has; a connection of each is kept and used again. */
#define TRACE_STREAMS_MAX 8192

static int run_trace(int port, const char *path, unsigned gap_ms) {
  static char prompt[PROMPT_MAX];
  for (size_t i = 0; i < sizeof prompt; i++) prompt[i] = "the river passes over the weir "[i % 31];
  FILE *file = fopen(path, "r");
  if (file == NULL) die("cannot read %s", path);
  stream *streams = open_client(port, TRACE_STREAMS_MAX);
  run.gap_ms = gap_ms;
  run.is_trace = 1;
  for (unsigned i = TRACE_STREAMS_MAX; i-- > 0; run.idle = &streams[i]) streams[i].next_idle = run.idle;

  uint64_t began = now_ns() + 10000000, asked = 0, give_up_at = 0;
  unsigned long long at_us;
  unsigned prompt_bytes, events;
  int more = fscanf(file, "%llu %u %u", &at_us, &prompt_bytes, &events) == 3;
  struct epoll_event ready[512];
  while (more || run.streams < asked) {
    uint64_t now = now_ns(), due_at = began + at_us * 1000;
    if (more && due_at <= now) {
      stream *s = run.idle;
      if (s == NULL) die("more than %d streams at a time", TRACE_STREAMS_MAX);
      run.idle = s->next_idle;
      stream_ask(s, events, prompt, prompt_bytes < PROMPT_MAX ? prompt_bytes : PROMPT_MAX, due_at);
      asked++;
      more = fscanf(file, "%llu %u %u", &at_us, &prompt_bytes, &events) == 3;
      give_up_at = now + 40000000000ull;
      continue;
    }
    if (!more && now > give_up_at) die("streams did not end: %llu did", (unsigned long long)run.streams);
    uint64_t wait_ns = more ? due_at - now : 1000000000ull;
    struct timespec timeout = {(time_t)(wait_ns / 1000000000ull), (long)(wait_ns % 1000000000ull)};
    int count = epoll_pwait2(run.epoll, ready, 512, &timeout, NULL);
    for (int i = 0; i < count; i++) stream_read(ready[i].data.ptr);
  }
  fclose(file);
  print_streams(began);
  return 0;
}

/* What stands after the numbers says how the client asks and what it may expect. */
static void read_manner(int count, char **words) {
  for (int i = 0; i < count; i++) {
    if (strcmp(words[i], "usage") == 0) client_asks_usage = 1;
    else if (strcmp(words[i], "rewritten") == 0) client_allows_rewriting = 1;
    else if (strncmp(words[i], "path=", 5) == 0 && strlen(words[i]) < 256) client_path = words[i] + 5;
    else if (strncmp(words[i], "model=", 6) == 0 && strlen(words[i]) < 256) client_model = words[i] + 6;
    else if (strncmp(words[i], "header=", 7) == 0 &&
             strlen(client_headers) + strlen(words[i]) < sizeof client_headers) {
      strcat(client_headers, words[i] + 7);
      strcat(client_headers, "\r\n");
    } else die("not understood: %s", words[i]);
  }
  if (client_asks_usage) stream_tail = USAGE_EVENT DONE;
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  /* Even when the one who started it is killed outright, nothing stays behind. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  raise_fd_limit();
  if (argc > 7) read_manner(argc - 7, argv + 7);
  measure_event();
  if (argc == 4 && strcmp(argv[1], "mock") == 0) run_mock(atoi(argv[2]), argv[3]);
  if (argc >= 7 && strcmp(argv[1], "streams") == 0)
    return run_streams(atoi(argv[2]), (unsigned)atoi(argv[3]), atof(argv[4]), (unsigned)atoi(argv[5]),
                       (unsigned)atoi(argv[6]));
  if (argc == 5 && strcmp(argv[1], "trace") == 0)
    return run_trace(atoi(argv[2]), argv[3], (unsigned)atoi(argv[4]));
  if (argc == 4 && strcmp(argv[1], "hold") == 0) return run_hold(atoi(argv[2]), (unsigned)atoi(argv[3]));
  fprintf(stderr, "usage: sse-load mock PORT ANSWER_FILE | streams PORT CONNECTIONS SECONDS EVENTS GAP_MS [MANNER...]"
                  " | trace PORT FILE GAP_MS | hold PORT CONNECTIONS\n");
  return 2;
}
