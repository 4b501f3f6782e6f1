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
#include "sse-load.h"
#include <signal.h>
#include <sys/prctl.h>

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
int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  /* Even when the one who started it is killed outright, nothing stays behind. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  raise_fd_limit();
  read_manner(argc, argv);
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
