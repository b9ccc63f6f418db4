/*
 * A program that opens device nodes and calls ioctl, mmap and close on them as it is told on standard input, for a test suite that
 * cannot be written in C. Ends when nobody tells it anything any more.
 *
 * Owns: the frames, and a thread for each: calls that wait must not hold up others.
 */
#include "relay.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MOST_BYTES (64u << 20)
#define STACK_BYTES (256u << 10)
/* So often in a row a thread has to be seen asleep before the next frame gets its turn. */
#define LOOKS 3
#define BETWEEN_LOOKS_NS 1000000

struct job {
  struct job *next;
  struct question question;
  uint8_t *bytes;
  size_t size;
  _Atomic pid_t thread;
  sem_t done;
  /* Two hold it: who started it, and who does it. */
  _Atomic int holders;
};

static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;
/* Those that threads are at work on. */
static struct job *jobs;
static pthread_mutex_t jobs_lock = PTHREAD_MUTEX_INITIALIZER;

static int read_all(void *to, size_t size) {
  for (size_t have = 0; have < size;) {
    ssize_t got = read(STDIN_FILENO, (uint8_t *)to + have, size - have);
    if (got <= 0) {
      return 0;
    }
    have += (size_t)got;
  }
  return 1;
}

static void write_all(const void *from, size_t size) {
  for (size_t sent = 0; sent < size;) {
    ssize_t put = write(STDOUT_FILENO, (const uint8_t *)from + sent, size - sent);
    if (put <= 0) {
      _exit(0);
    }
    sent += (size_t)put;
  }
}

static void tell(uint32_t id, const struct outcome *outcome) {
  struct answer answer = {id, outcome->error, outcome->value};
  uint32_t length = (uint32_t)(sizeof answer + outcome->size);
  pthread_mutex_lock(&output);
  write_all(&length, sizeof length);
  write_all(&answer, sizeof answer);
  write_all(outcome->bytes, outcome->size);
  pthread_mutex_unlock(&output);
}

static void let_go(struct job *job) {
  if (atomic_fetch_sub(&job->holders, 1) == 1) {
    free(job->bytes);
    free(job);
  }
}

int relay_interrupt(uint32_t id) {
  int result = -1;
  errno = ESRCH;
  pthread_mutex_lock(&jobs_lock);
  for (struct job *job = jobs; job != NULL; job = job->next) {
    pid_t thread = atomic_load(&job->thread);
    if (job->question.id == id && thread != 0) {
      result = (int)syscall(SYS_tgkill, getpid(), thread, SIGUSR1);
    }
  }
  pthread_mutex_unlock(&jobs_lock);
  return result;
}

static void take_off(struct job *job) {
  pthread_mutex_lock(&jobs_lock);
  struct job **at = &jobs;
  while (*at != job) {
    at = &(*at)->next;
  }
  *at = job->next;
  pthread_mutex_unlock(&jobs_lock);
}

static void *work(void *argument) {
  struct job *job = argument;
  atomic_store(&job->thread, (pid_t)syscall(SYS_gettid));
  struct outcome outcome = relay_call(&job->question, job->bytes, job->size);
  take_off(job);
  sem_post(&job->done);
  tell(job->question.id, &outcome);
  free(outcome.bytes);
  let_go(job);
  return NULL;
}

static int asleep(pid_t thread) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
  FILE *file = fopen(path, "r");
  size_t size = file == NULL ? 0 : fread(line, 1, sizeof line - 1, file);
  if (file != NULL) {
    fclose(file);
  }
  line[size] = '\0';
  const char *state = strrchr(line, ')');
  return state != NULL && state[1] == ' ' && state[2] == 'S';
}

/* One millisecond at most. */
static int finished(struct job *job) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += BETWEEN_LOOKS_NS;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  while (sem_timedwait(&job->done, &until) != 0) {
    if (errno != EINTR) {
      return 0;
    }
  }
  return 1;
}

/* Calls begin in the order they were asked for in: the next one starts when this one is done, or waits for something. */
static void begun(struct job *job) {
  for (int seen = 0; seen < LOOKS && !finished(job);) {
    pid_t thread = atomic_load(&job->thread);
    seen = thread != 0 && asleep(thread) ? seen + 1 : 0;
  }
}

static int start(struct job *job) {
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_mutex_lock(&jobs_lock);
  job->next = jobs;
  jobs = job;
  pthread_mutex_unlock(&jobs_lock);
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  int error = pthread_create(&thread, &attributes, work, job);
  pthread_attr_destroy(&attributes);
  return error == 0;
}

static void interrupted(int signal) {
  (void)signal;
}

int main(void) {
  uint32_t length;
  struct sigaction action = {.sa_handler = interrupted};
  sigaction(SIGUSR1, &action, NULL);
  while (read_all(&length, sizeof length)) {
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL || length < sizeof job->question || length > MOST_BYTES) {
      return 1;
    }
    job->size = length - sizeof job->question;
    job->bytes = malloc(job->size + 1);
    job->holders = 2;
    sem_init(&job->done, 0, 0);
    if (job->bytes == NULL || !read_all(&job->question, sizeof job->question) || !read_all(job->bytes, job->size) ||
        !start(job)) {
      return 1;
    }
    begun(job);
    let_go(job);
  }
  /* Threads that wait end with the program. */
  _exit(0);
}
