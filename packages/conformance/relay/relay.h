/*
 * What the parts of the relay know of each other.
 *
 * relay.c    frames on standard input and output, a thread for each of them
 * calls.c    what a frame asks for: libc's own functions, on real descriptors
 * files.c    sysfs and debugfs
 * place.c    memory whose end is the end of what can be read
 *
 * A frame is a u32 with the length of what follows, then struct question and bytes, or struct answer and bytes.
 */
#pragma once
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>

enum operation {
  RELAY_OPEN = 1,
  RELAY_CLOSE,
  RELAY_IOCTL,
  RELAY_MMAP,
  RELAY_MUNMAP,
  RELAY_MEMORY,
  RELAY_TAKE,
  RELAY_SEEK,
  RELAY_NOTHING,
  RELAY_INTERRUPT,
  RELAY_READ_FILE,
  RELAY_WRITE_FILE,
  RELAY_STAT_FILE,
  RELAY_LIST_FILES,
};

struct question {
  uint32_t id, operation;
  uint64_t argument[4];
};

struct answer {
  uint32_t id;
  /* errno, 0 for success. */
  int32_t error;
  uint64_t value;
};

/* What comes behind an answer; the bytes are freed by who sends it. */
struct outcome {
  int error;
  uint64_t value;
  uint8_t *bytes;
  size_t size;
};

/* relay.c: a signal for the thread that does what was asked with this id. -1 and errno if none does. */
int relay_interrupt(uint32_t id);

/* calls.c */
struct outcome relay_call(const struct question *question, const uint8_t *bytes, size_t size);

/* files.c */
struct outcome relay_read_file(const uint64_t argument[4], const uint8_t *path, size_t size);
struct outcome relay_write_file(const uint64_t argument[4], const uint8_t *path, size_t size);
struct outcome relay_stat_file(const uint8_t *path, size_t size);
struct outcome relay_list_files(const uint8_t *path, size_t size);

/* place.c: behind the last byte lies a page that nobody can read. */
struct placed {
  uint8_t *at;
  size_t size;
  uint8_t *pages;
  size_t mapped;
};
int place(struct placed *placed, const uint8_t *bytes, size_t size);
void unplace(const struct placed *placed);
