/*
 * One stream of the client: asked for, read chunk by chunk, and compared with what it has to contain.
 */
#include "sse-load.h"
#include "scheduling.h"
#include <arpa/inet.h>
#include <fcntl.h>

struct run run;

static int client_asks_usage;
static const char *stream_tail = DONE;
static const char *client_path = "/v1/chat/completions", *client_model = "gpt-4o";
static char client_headers[1024];
static int client_allows_rewriting;
static size_t event_bytes, clock_at;

static void measure_event(void) {
  char sample[512];
  event_bytes = render_event(sample, sizeof sample, 0, 0, 0, client_asks_usage);
  clock_at = (size_t)(strstr(sample, CLOCK_MARK) - sample) + strlen(CLOCK_MARK);
}

void read_manner(int count, char **words) {
  for (int i = 7; i < count; i++) {
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
  measure_event();
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

void stream_ask(stream *s, unsigned events, const char *prompt, size_t prompt_bytes, uint64_t intended_at) {
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

void stream_ask_again(stream *s) {
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

void stream_read(stream *s) {
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

stream *open_client(int port, unsigned connections) {
  ask_for_short_slices();
  run.port = port;
  run.epoll = epoll_create1(0);
  /* Streams of different runs never share an id, so that a byte left over from one cannot pass. */
  run.next_id = (unsigned)(now_ns() / 1000000 % 40000) * 1000;
  stream *streams = calloc(connections, sizeof(stream));
  for (unsigned i = 0; i < connections; i++) streams[i].fd = -1;
  return streams;
}

void print_streams(uint64_t began) {
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
