/*
 * Requests at a constant rate, whatever becomes of the answers: an open loop, as traffic from many is.
 *
 *   open-loop rate PORT CONNECTIONS REQUESTS_A_SECOND SECONDS REQUEST_FILE ANSWER_FILE
 *   open-loop hold PORT CONNECTIONS REQUEST_FILE ANSWER_FILE
 *
 * Each request has a moment at which it is meant to be sent, fixed before the run: the first at once, each
 * next one 1/RATE later. Its latency counts from that moment to the last byte of its answer, also when it
 * had to wait for a connection to become free, or for this program to be given the core. A closed loop
 * sends nothing while the proxy stands still, and so asks least when it is slowest (coordinated omission);
 * here a pause of 100 ms is felt by every request that falls into it.
 *
 * REQUESTS_A_SECOND 0 is a closed loop after all: as much as the connections take, to find saturation.
 * `hold` has one request answered on each connection, and then keeps them open until its input ends.
 * Every answer is compared byte by byte; a wrong one, or a connection cut in the middle, ends the run.
 */
#define _GNU_SOURCE
#include "histogram.h"
#include "scheduling.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BODY_MAX 65536
#define READ_MAX 16384
#define SECOND_NS 1000000000ull
/* After the last request was due. Below saturation the queue is short; what takes longer has not kept up. */
#define DRAIN_NS (20 * SECOND_NS)

typedef struct connection {
  int fd; /* -1: not connected */
  int busy;
  uint64_t intended_at;
  size_t used;
  char in[READ_MAX];
} connection;

static int port, epoll;
static connection *connections;
static unsigned connection_count;
static char request[BODY_MAX + 512], answer[BODY_MAX];
static size_t request_bytes, answer_bytes;
static uint64_t answered, reconnects;
static histogram latencies, lateness;

/* The ones that are free, first in, first out, so that all of them are used. */
static unsigned *idle;
static unsigned idle_first, idle_count;

static void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "open-loop: ");
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\n");
  va_end(arguments);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static size_t read_file(const char *path, char *to) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) die("cannot read %s", path);
  size_t length = fread(to, 1, BODY_MAX, file);
  if (length == BODY_MAX) die("%s has more than %d bytes", path, BODY_MAX - 1);
  fclose(file);
  return length;
}

static void load_bodies(const char *request_path, const char *answer_path) {
  static char body[BODY_MAX];
  size_t length = read_file(request_path, body);
  int head = sprintf(request,
                     "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n"
                     "content-type: application/json\r\nauthorization: Bearer bench\r\n"
                     "content-length: %zu\r\n\r\n",
                     port, length);
  memcpy(request + head, body, length);
  request_bytes = (size_t)head + length;
  answer_bytes = read_file(answer_path, answer);
}

static void free_connection(unsigned index) {
  connections[index].busy = 0;
  idle[(idle_first + idle_count++) % connection_count] = index;
}

static unsigned take_connection(void) {
  unsigned index = idle[idle_first];
  idle_first = (idle_first + 1) % connection_count;
  idle_count--;
  return index;
}

static void connect_one(connection *c) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int one = 1;
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  /* Blocking: on loopback the kernel completes it at once, whether or not the proxy has accepted. */
  if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0)
    die("cannot connect to %d: %s", port, strerror(errno));
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static void open_connections(void) {
  epoll = epoll_create1(0);
  connections = calloc(connection_count, sizeof(connection));
  idle = calloc(connection_count, sizeof(unsigned));
  for (unsigned i = 0; i < connection_count; i++) {
    connect_one(&connections[i]);
    free_connection(i);
  }
}

static void send_request(uint64_t intended_at) {
  connection *c = &connections[take_connection()];
  if (c->fd < 0) connect_one(c);
  c->busy = 1;
  c->used = 0;
  c->intended_at = intended_at;
  if (write(c->fd, request, request_bytes) != (ssize_t)request_bytes)
    die("a request was not taken: %s", strerror(errno));
}

/* The bytes of a whole answer in the buffer, or 0. */
static size_t whole_answer(const connection *c) {
  const char *end = memmem(c->in, c->used, "\r\n\r\n", 4);
  if (end == NULL) return 0;
  size_t head = (size_t)(end - c->in) + 4;
  if (strncmp(c->in, "HTTP/1.1 200", 12) != 0) die("answered: %.*s", (int)head, c->in);
  char length[64];
  int digits = snprintf(length, sizeof length, "content-length: %zu\r\n", answer_bytes);
  for (const char *at = c->in; at < end; at = (const char *)memchr(at, '\n', head) + 1)
    if (strncasecmp(at, length, (size_t)digits) == 0) return head + answer_bytes;
  die("not answered with a content-length of %zu: %.*s", answer_bytes, (int)head, c->in);
  return 0;
}

static void read_answer(connection *c) {
  ssize_t got = read(c->fd, c->in + c->used, READ_MAX - c->used);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    if (c->busy) die("cut in the middle of an answer: %s", got < 0 ? strerror(errno) : "closed");
    close(c->fd);
    c->fd = -1;
    reconnects++;
    return;
  }
  if (!c->busy) die("bytes that nobody asked for");
  c->used += (size_t)got;
  size_t whole = whole_answer(c);
  if (whole > READ_MAX || c->used == READ_MAX) die("an answer of more than %d bytes", READ_MAX);
  if (whole == 0 || c->used < whole) return;
  if (c->used > whole || memcmp(c->in + whole - answer_bytes, answer, answer_bytes) != 0)
    die("an answer differs from what the mock sent");
  record_ns(&latencies, now_ns() - c->intended_at);
  answered++;
  free_connection((unsigned)(c - connections));
}

/* Waits for answers, but not past `until`. Returns 1 when the input, where it is watched, has ended. */
static int wait_for_answers(uint64_t until) {
  struct epoll_event ready[256];
  uint64_t now = now_ns(), left = until > now ? until - now : 0;
  struct timespec timeout = {(time_t)(left / SECOND_NS), (long)(left % SECOND_NS)};
  int count = epoll_pwait2(epoll, ready, 256, &timeout, NULL);
  for (int i = 0; i < count; i++) {
    connection *c = ready[i].data.ptr;
    if (c == NULL) return 1;
    if (c->fd >= 0) read_answer(c);
  }
  return 0;
}

static int run_rate(double rate, double seconds) {
  ask_for_short_slices();
  open_connections();
  uint64_t began = now_ns() + SECOND_NS / 100, end_at = began + (uint64_t)(seconds * 1e9);
  uint64_t planned = rate > 0 ? (uint64_t)(rate * seconds) : UINT64_MAX, sent = 0;
  for (uint64_t now;;) {
    now = now_ns();
    uint64_t due_at = rate > 0 ? began + (uint64_t)((double)sent * 1e9 / rate) : now;
    if (rate == 0 && now >= end_at) planned = sent;
    if (sent < planned && idle_count > 0 && due_at <= now) {
      record_ns(&lateness, now - due_at);
      send_request(due_at);
      sent++;
      continue;
    }
    if (sent == planned && answered == sent) break;
    if (now > end_at + DRAIN_NS)
      die("%llu of %llu requests were answered", (unsigned long long)answered, (unsigned long long)planned);
    wait_for_answers(sent < planned && idle_count > 0 ? due_at : now + SECOND_NS / 10);
  }
  double took = (double)(now_ns() - began) / 1e9;
  printf("{\"requests\":%llu,\"seconds\":%.3f,\"requestsPerSecond\":%.1f,\"reconnects\":%llu,\"latencyUs\":",
         (unsigned long long)answered, took, (double)answered / took, (unsigned long long)reconnects);
  print_percentiles(&latencies);
  printf(",\"sentLateUs\":");
  print_percentiles(&lateness);
  printf(",\"curve\":");
  print_curve(&latencies);
  printf("}\n");
  return 0;
}

static int run_hold(void) {
  open_connections();
  struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input);
  uint64_t give_up_at = now_ns() + 30 * SECOND_NS;
  unsigned sent = 0;
  int told = 0;
  for (;;) {
    /* A few at a time: a burst of a thousand would measure the proxy's queues. */
    while (sent < connection_count && sent - answered < 16) {
      send_request(now_ns());
      sent++;
    }
    /* Whoever started this says by closing its end that they have been held long enough. */
    if (wait_for_answers(now_ns() + SECOND_NS)) return 0;
    if (reconnects > 0) die("a connection that had nothing to do was closed");
    if (!told && answered == connection_count) {
      printf("{\"open\":%u}\n", connection_count);
      fflush(stdout);
      told = 1;
    }
    if (!told && now_ns() > give_up_at) die("only %llu were answered", (unsigned long long)answered);
  }
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  /* Even when the one who started it is killed outright, nothing stays behind. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
  setrlimit(RLIMIT_NOFILE, &limit);
  int is_rate = argc == 8 && strcmp(argv[1], "rate") == 0;
  if (is_rate || (argc == 6 && strcmp(argv[1], "hold") == 0)) {
    port = atoi(argv[2]);
    connection_count = (unsigned)atoi(argv[3]);
    load_bodies(argv[argc - 2], argv[argc - 1]);
    return is_rate ? run_rate(atof(argv[4]), atof(argv[5])) : run_hold();
  }
  fprintf(stderr, "usage: open-loop rate PORT CONNECTIONS REQUESTS_A_SECOND SECONDS REQUEST_FILE ANSWER_FILE"
                  " | hold PORT CONNECTIONS REQUEST_FILE ANSWER_FILE\n");
  return 2;
}
