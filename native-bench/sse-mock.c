/*
 * The mock provider. It answers every request with a file as JSON, or with a stream when the body orders one; what it
 * understands is told in sse-load.c.
 */
#include "sse-load.h"

/* More than any gap that the scenarios use, so that one turn of the wheel is always enough. */
#define WHEEL_TICKS 4096

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

_Noreturn void run_mock(int port, const char *answer_path) {
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
