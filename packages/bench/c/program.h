/*
 * What the parts of the program know of each other.
 *
 * main.c        one line of standard input asks for one measurement, one line of standard output answers it
 * device.c      what is measured on a device, by its C header alone
 * reference.c   what it is compared with: a bare echo, copies between two processes
 */
#pragma once
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Ends the program with a sentence: figures of a broken run are no figures. */
void fail(const char *what);
#define MUST(condition) ((condition) ? (void)0 : fail(#condition))

/* CLOCK_MONOTONIC. */
uint64_t now_ns(void);

struct turn {
  /* This long it only runs, then this long it is measured. */
  uint64_t settle_ns, measure_ns;
};

/* Latencies of calls of `once`, one after the other, a number each. */
void tell_latencies(struct turn turn, void (*once)(void *), void *of);
/* How much of what `once` counts was done in a second. */
void tell_rate(struct turn turn, uint64_t (*once)(void *), void *of);

/* device.c: NULL, or why there is no device to measure. */
const char *device_open(void);
void device_round_trip(struct turn turn);
void device_nop(struct turn turn);
/* At most `unfinished` submissions at any time, from so many threads. */
void device_rate(struct turn turn, unsigned unfinished, unsigned threads);
enum direction { TO_DEVICE, TO_HOST };
void device_copy(struct turn turn, enum direction direction, uint32_t size);

/* reference.c */
void echo_connect(const char *path, size_t bytes);
void echo_round_trip(struct turn turn);
/* process_vm_readv of a child's malloc'ed memory, or process_vm_writev to it. */
void process_copy(struct turn turn, enum direction direction, size_t size);
