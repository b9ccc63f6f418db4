/*
 * Measures from inside a C program what its calls cost. On a device, with the preload library; or, without it, what that is
 * compared with. Arguments: `device`, or `echo PATH BYTES`.
 *
 * Owns: the lines, the clock, and how often something is done. Must not know what is measured.
 */
#include "program.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull

void fail(const char *what) {
  fprintf(stderr, "%s does not hold (errno %d, %s)\n", what, errno, strerror(errno));
  exit(1);
}

uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void tell_latencies(struct turn turn, void (*once)(void *), void *of) {
  for (uint64_t until = now_ns() + turn.settle_ns; now_ns() < until;) {
    once(of);
  }
  uint64_t start = now_ns(), until = start + turn.measure_ns;
  do {
    once(of);
    uint64_t end = now_ns();
    printf("%llu ", (unsigned long long)(end - start));
    /* Writing the number down is no part of the next. */
    start = now_ns();
  } while (start < until);
}

void tell_rate(struct turn turn, uint64_t (*once)(void *), void *of) {
  for (uint64_t until = now_ns() + turn.settle_ns; now_ns() < until;) {
    once(of);
  }
  uint64_t start = now_ns(), end, amount = 0;
  do {
    amount += once(of);
    end = now_ns();
  } while (end < start + turn.measure_ns);
  printf("%.0f ", (double)amount * (double)NS_PER_S / (double)(end - start));
}

/* `what settle measure first second`: times in milliseconds. */
static void answer(const char *line) {
  char what[32] = "";
  unsigned settle = 0, measure = 0, first = 0, second = 0;
  MUST(sscanf(line, "%31s %u %u %u %u", what, &settle, &measure, &first, &second) >= 3);
  struct turn turn = {settle * NS_PER_MS, measure * NS_PER_MS};
  enum direction direction = second == 0 ? TO_DEVICE : TO_HOST;
  if (strcmp(what, "info") == 0) {
    device_round_trip(turn);
  } else if (strcmp(what, "nop") == 0) {
    device_nop(turn);
  } else if (strcmp(what, "rate") == 0) {
    device_rate(turn, first, second);
  } else if (strcmp(what, "dma") == 0) {
    device_copy(turn, direction, first);
  } else if (strcmp(what, "echo") == 0) {
    echo_round_trip(turn);
  } else if (strcmp(what, "process") == 0) {
    process_copy(turn, direction, first);
  } else {
    fail(what);
  }
}

int main(int count, char **arguments) {
  setvbuf(stdout, NULL, _IOFBF, 1 << 20);
  /* A terminal sends it to every process of a job; what becomes of this one is for the one that started it to say. */
  signal(SIGINT, SIG_IGN);
  if (count >= 4 && strcmp(arguments[1], "echo") == 0) {
    echo_connect(arguments[2], strtoul(arguments[3], NULL, 10));
  } else {
    const char *obstacle = device_open();
    if (obstacle != NULL) {
      fprintf(stderr, "%s\n", obstacle);
      return 3;
    }
  }
  puts("ready");
  fflush(stdout);
  char line[128];
  while (fgets(line, sizeof line, stdin) != NULL) {
    answer(line);
    putchar('\n');
    fflush(stdout);
  }
  return 0;
}
