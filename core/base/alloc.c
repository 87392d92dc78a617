/* alloc.c: malloc with a counter and a way to fail on demand.
 *
 * The two numbers below are the only globals of the core: there is one heap per process, and a
 * handle through every call would say nothing more. They are atomic because work offloaded to the
 * thread pool allocates too. Nothing depends on their order, so relaxed is enough; pools keep
 * malloc, and with it these counters, off the warm path. */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

static _Atomic uint64_t alloc_count;
static _Atomic uint64_t fail_countdown; /* 1: the next one fails; 0: none does */

static bool must_fail(void) {
  uint64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
  if (left == 0) return false;
  atomic_store_explicit(&fail_countdown, left - 1, memory_order_relaxed);
  return left == 1;
}

static void *counted(void *memory) {
  if (memory != NULL) atomic_fetch_add_explicit(&alloc_count, 1, memory_order_relaxed);
  return memory;
}

void *jh_alloc(size_t bytes) {
  JH_ASSERT(bytes > 0);
  void *memory = counted(malloc(bytes));
  if (memory == NULL) {
    fprintf(stderr, "justhttp: out of memory: %zu bytes were needed to start\n", bytes);
    abort();
  }
  return memory;
}

void *jh_try_alloc(size_t bytes) {
  JH_ASSERT(bytes > 0);
  return must_fail() ? NULL : counted(malloc(bytes));
}

void *jh_try_calloc(size_t count, size_t bytes) {
  JH_ASSERT(count > 0 && bytes > 0);
  return must_fail() ? NULL : counted(calloc(count, bytes));
}

void *jh_try_realloc(void *memory, size_t bytes) {
  JH_ASSERT(bytes > 0); /* realloc(memory, 0) would free */
  return must_fail() ? NULL : counted(realloc(memory, bytes));
}

void jh_free(void *memory) {
  free(memory);
}

uint64_t jh_alloc_count(void) {
  return atomic_load_explicit(&alloc_count, memory_order_relaxed);
}

void jh_alloc_fail_nth(uint64_t nth) {
  atomic_store_explicit(&fail_countdown, nth, memory_order_relaxed);
}
