/* alloc.h: the one seam to malloc; no other file of core/ calls it.
 *
 * The policy: at start an exhausted machine ends the process with a sentence (jh_alloc); while
 * requests are served every allocation may fail, and the request fails with it (jh_try_*), not the
 * worker. Specs count allocations here and make the nth one fail. */
#ifndef JH_BASE_ALLOC_H
#define JH_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

/* ==== cdef: begin ==== */

/* Memory for the life of the process, at start only. Never NULL: aborts when there is none.
 * `bytes` must not be 0, here and below. */
void *jh_alloc(size_t bytes) __attribute__((malloc, returns_nonnull));

/* Uninitialised memory, or NULL when there is none. */
void *jh_try_alloc(size_t bytes) __attribute__((malloc, warn_unused_result));

/* Zeroed memory for `count` objects of `bytes` each; NULL also when the product overflows. */
void *jh_try_calloc(size_t count, size_t bytes) __attribute__((malloc, warn_unused_result));

/* As realloc(): on NULL the old memory is still there and still the caller's. */
void *jh_try_realloc(void *memory, size_t bytes) __attribute__((warn_unused_result));

/* Gives memory back; NULL is allowed. */
void jh_free(void *memory);

/* How many calls have allocated since start, all threads together. */
uint64_t jh_alloc_count(void);

/* Makes the nth jh_try_* call from now (1 is the next) fail once; 0 takes that back. For specs. */
void jh_alloc_fail_nth(uint64_t nth);

/* ==== cdef: end ==== */

/* JH_POISON tells AddressSanitizer that nobody may touch these bytes, JH_UNPOISON that they are in
 * use again: a use after release is reported although the memory was never freed. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define JH_HAS_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define JH_HAS_ASAN 1
#endif

#ifdef JH_HAS_ASAN
#include <sanitizer/asan_interface.h>
#define JH_POISON(memory, bytes) ASAN_POISON_MEMORY_REGION(memory, bytes)
#define JH_UNPOISON(memory, bytes) ASAN_UNPOISON_MEMORY_REGION(memory, bytes)
#else
#define JH_POISON(memory, bytes) ((void)(memory), (void)(bytes))
#define JH_UNPOISON(memory, bytes) ((void)(memory), (void)(bytes))
#endif

#endif
