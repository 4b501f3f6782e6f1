/*
 * The client and the mock share a core. A reading of the clock is worth nothing when the client is only
 * given the core at the next tick of the scheduler, up to a millisecond after the bytes came: so it asks
 * for short slices, with which recent kernels (6.12) let it interrupt the mock. Older ones refuse or
 * ignore that, which costs exactness and nothing else.
 */
#ifndef SCHEDULING_H
#define SCHEDULING_H
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void ask_for_short_slices(void) {
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
  } attributes = {.size = sizeof attributes, .runtime_ns = 100000};
  syscall(SYS_sched_setattr, 0, &attributes, 0);
  /* The kernel may else wake us 50 us late, to save wake-ups. */
  prctl(PR_SET_TIMERSLACK, 1);
}

#endif
