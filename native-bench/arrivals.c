/*
 * Requests that arrive at a constant rate and may be refused: an open loop for a gateway that is asked for more than it
 * can do, where open-loop.c takes a refusal for a failure.
 *
 *   arrivals PORT REQUESTS_A_SECOND WARM_SECONDS SECONDS CONNECTIONS_MAX EVENTS GAP_MS PROMPT_BYTES KEY=SHARE...
 *
 * Each request asks sse-load's mock for a stream of EVENTS events, GAP_MS apart, or, with EVENTS 0, for its JSON answer.
 * Those who ask are told apart by their key; SHARE is in percent. A request is due at a moment that was fixed before the
 * run, and goes out then on a connection that is idle, else on a new one; with CONNECTIONS_MAX open none goes out, which
 * is counted as unsent. Its times count from when it was due: to the first byte of its body, and to its end.
 *
 * A connection that the gateway had closed for idleness just before is replaced, as clients do, and the request sent
 * anew: no byte of an answer had come. Its time counts on.
 *
 * Per key: answered (200 and complete), refused (503), failed (all else: another status, a cut answer, a connection
 * that was refused). Requests that are due in the first WARM_SECONDS are counted nowhere.
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
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000ull
#define HEAD_MAX 4096
#define TAIL 8
#define CLASSES_MAX 8
/* After the last request was due; a stream that began then may take its time. */
#define DRAIN_NS (15 * SECOND_NS)

typedef struct class {
  char key[64];
  int share;
  uint64_t sent, answered, refused, failed;
  histogram first_byte, whole, refusal;
} class;

typedef struct connection {
  int fd, busy, counted, answers, has_head, is_chunked, status, connecting;
  class *class;
  uint64_t due_at;
  long body_left;
  size_t head_used, tail_used;
  char head[HEAD_MAX], tail[TAIL];
} connection;

static int port, epoll_fd;
static unsigned connections_max, opened, idle_count;
static connection **idle;
static char *requests[CLASSES_MAX];
static size_t request_bytes[CLASSES_MAX];
static class classes[CLASSES_MAX];
static int class_count;
static uint64_t unsent, running, most_open, stale;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static void drop(connection *c) {
  close(c->fd);
  opened--;
  free(c);
}

/* What became of a request; the connection goes on where it may. */
static void settle(connection *c, int complete) {
  if (c->counted) {
    uint64_t took = now_ns() - c->due_at;
    if (complete && c->status == 200) {
      c->class->answered++;
      record_ns(&c->class->whole, took);
    } else if (complete && c->status == 503) {
      c->class->refused++;
      record_ns(&c->class->refusal, took);
    } else {
      c->class->failed++;
    }
  }
  running--;
  c->busy = 0;
}

static connection *connect_one(void);
static void send_request(connection *c);

static void fail(connection *c) {
  if (c->busy && c->answers > 0 && c->head_used == 0) {
    connection *fresh = connect_one();
    fresh->class = c->class;
    fresh->busy = 1;
    fresh->counted = c->counted;
    fresh->due_at = c->due_at;
    stale++;
    drop(c);
    if (!fresh->connecting) send_request(fresh);
    return;
  }
  if (c->busy) settle(c, 0);
  drop(c);
}

static void send_request(connection *c) {
  int which = (int)(c->class - classes);
  c->connecting = 0;
  if (write(c->fd, requests[which], request_bytes[which]) != (ssize_t)request_bytes[which]) fail(c);
}

static connection *connect_one(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int one = 1;
  connection *c = calloc(1, sizeof *c);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (++opened > most_open) most_open = opened;
  c->connecting = connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0;
  struct epoll_event event = {.events = EPOLLIN | (c->connecting ? EPOLLOUT : 0), .data.ptr = c};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
  return c;
}

static void arrive(class *class, uint64_t due_at, int counted) {
  if (counted) class->sent++;
  connection *c = idle_count > 0 ? idle[--idle_count] : NULL;
  if (c == NULL) {
    if (opened >= connections_max) {
      if (counted) unsent++;
      return;
    }
    c = connect_one();
  }
  c->class = class;
  c->busy = 1;
  c->counted = counted;
  c->due_at = due_at;
  c->has_head = c->is_chunked = c->status = 0;
  c->head_used = c->tail_used = 0;
  running++;
  if (!c->connecting) send_request(c);
}

/* Returns how many of the bytes belong to the head. */
static size_t take_head(connection *c, const char *bytes, size_t length) {
  size_t room = HEAD_MAX - c->head_used, take = length < room ? length : room, before = c->head_used;
  memcpy(c->head + before, bytes, take);
  c->head_used += take;
  char *end = memmem(c->head, c->head_used, "\r\n\r\n", 4);
  if (end == NULL) return take;
  size_t head_length = (size_t)(end - c->head) + 4;
  c->head[head_length - 1] = 0;
  c->has_head = 1;
  c->status = atoi(c->head + 9);
  c->is_chunked = strcasestr(c->head, "\r\ntransfer-encoding: chunked") != NULL;
  const char *announced = strcasestr(c->head, "\r\ncontent-length:");
  c->body_left = announced == NULL ? 0 : atol(announced + 17);
  if (c->counted && c->status == 200) record_ns(&c->class->first_byte, now_ns() - c->due_at);
  return head_length - before;
}

/* The last bytes of all that came, because a chunked answer is over when it ends in an empty chunk. */
static int is_over(connection *c, const char *bytes, size_t length) {
  if (!c->is_chunked) return (c->body_left -= (long)length) <= 0;
  if (length >= TAIL) {
    memcpy(c->tail, bytes + length - TAIL, TAIL);
    c->tail_used = TAIL;
  } else {
    size_t kept = c->tail_used + length > TAIL ? TAIL - length : c->tail_used;
    memmove(c->tail, c->tail + c->tail_used - kept, kept);
    memcpy(c->tail + kept, bytes, length);
    c->tail_used = kept + length;
  }
  return c->tail_used >= 5 && memcmp(c->tail + c->tail_used - 5, "0\r\n\r\n", 5) == 0;
}

static void read_answer(connection *c) {
  static char bytes[262144];
  ssize_t got = read(c->fd, bytes, sizeof bytes);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    if (!c->busy) {
      for (unsigned i = 0; i < idle_count; i++)
        if (idle[i] == c) {
          idle[i] = idle[--idle_count];
          break;
        }
    }
    fail(c);
    return;
  }
  size_t at = 0;
  if (!c->has_head) at = take_head(c, bytes, (size_t)got);
  if (!c->has_head) return;
  if (!is_over(c, bytes + at, (size_t)got - at)) return;
  int closes = strcasestr(c->head, "\r\nconnection: close") != NULL;
  settle(c, 1);
  c->answers++;
  if (closes) drop(c);
  else idle[idle_count++] = c;
}

static void wait_until(uint64_t until) {
  struct epoll_event ready[512];
  uint64_t now = now_ns(), left = until > now ? until - now : 0;
  struct timespec timeout = {(time_t)(left / SECOND_NS), (long)(left % SECOND_NS)};
  int count = epoll_pwait2(epoll_fd, ready, 512, &timeout, NULL);
  for (int i = 0; i < count; i++) {
    connection *c = ready[i].data.ptr;
    if (c->connecting) {
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) {
        fail(c);
        continue;
      }
      struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
      epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
      send_request(c);
      continue;
    }
    read_answer(c);
  }
}

/* Spread evenly: of a hundred requests each key has its share, the keys mixed. */
static class *choose(uint64_t number) {
  int place = (int)(number * 37 % 100);
  for (int i = 0; i < class_count; i++)
    if ((place -= classes[i].share) < 0) return &classes[i];
  return &classes[0];
}

static void make_requests(unsigned events, unsigned gap_ms, int prompt_bytes) {
  for (int i = 0; i < class_count; i++) {
    char *body = malloc((size_t)prompt_bytes + 512);
    char order[96] = "";
    if (events > 0) snprintf(order, sizeof order, ",\"stream\":true,\"user\":\"bench.%d.%u.%u\"", i + 1, events, gap_ms);
    char *prompt = malloc((size_t)prompt_bytes + 1);
    memset(prompt, 'x', (size_t)prompt_bytes);
    prompt[prompt_bytes] = 0;
    int length = sprintf(body, "{\"model\":\"m\"%s,\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}", order, prompt);
    requests[i] = malloc((size_t)length + 512);
    int head = sprintf(requests[i],
                       "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\n"
                       "authorization: Bearer %s\r\ncontent-length: %d\r\n\r\n",
                       port, classes[i].key, length);
    memcpy(requests[i] + head, body, (size_t)length);
    request_bytes[i] = (size_t)(head + length);
    free(body);
    free(prompt);
  }
}

static void print_class(const class *c) {
  printf("{\"key\":\"%s\",\"sent\":%llu,\"answered\":%llu,\"refused\":%llu,\"failed\":%llu,\"firstByteUs\":", c->key,
         (unsigned long long)c->sent, (unsigned long long)c->answered, (unsigned long long)c->refused,
         (unsigned long long)c->failed);
  print_percentiles(&c->first_byte);
  printf(",\"wholeUs\":");
  print_percentiles(&c->whole);
  printf(",\"refusalUs\":");
  print_percentiles(&c->refusal);
  printf("}");
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (argc < 10 || argc > 9 + CLASSES_MAX) {
    fprintf(stderr, "usage: arrivals PORT REQUESTS_A_SECOND WARM_SECONDS SECONDS CONNECTIONS_MAX EVENTS GAP_MS PROMPT_BYTES KEY=SHARE...\n");
    return 2;
  }
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  port = atoi(argv[1]);
  double rate = atof(argv[2]), warm = atof(argv[3]), seconds = warm + atof(argv[4]);
  connections_max = (unsigned)atoi(argv[5]);
  for (int i = 9; i < argc; i++, class_count++) {
    char *equals = strchr(argv[i], '=');
    if (equals == NULL) return 2;
    *equals = 0;
    snprintf(classes[class_count].key, sizeof classes[class_count].key, "%s", argv[i]);
    classes[class_count].share = atoi(equals + 1);
  }
  make_requests((unsigned)atoi(argv[6]), (unsigned)atoi(argv[7]), atoi(argv[8]));
  ask_for_short_slices();
  epoll_fd = epoll_create1(0);
  idle = calloc(connections_max + 1, sizeof *idle);
  uint64_t began = now_ns() + SECOND_NS / 100, planned = (uint64_t)(rate * seconds), arrived = 0;
  uint64_t end_at = began + (uint64_t)(seconds * 1e9), counted_from = began + (uint64_t)(warm * 1e9);
  for (uint64_t now; (now = now_ns()) < end_at + DRAIN_NS;) {
    uint64_t due_at = began + (uint64_t)((double)arrived * 1e9 / rate);
    if (arrived < planned && due_at <= now) {
      arrive(choose(arrived++), due_at, due_at >= counted_from);
      continue;
    }
    if (arrived == planned && running == 0) break;
    wait_until(arrived < planned ? due_at : now + SECOND_NS / 10);
  }
  printf("{\"seconds\":%.3f,\"unsent\":%llu,\"unfinished\":%llu,\"mostOpen\":%llu,\"stale\":%llu,\"classes\":[", seconds - warm,
         (unsigned long long)unsent, (unsigned long long)running, (unsigned long long)most_open, (unsigned long long)stale);
  for (int i = 0; i < class_count; i++) {
    if (i > 0) printf(",");
    print_class(&classes[i]);
  }
  printf("]}\n");
  return 0;
}
