/* check.h: the three grades of assertion; a bare assert() appears nowhere else.
 *
 *  JH_REQUIRE(cond)  always checked. For what must hold or memory is no longer safe.
 *  JH_ASSERT(cond)   checked in debug builds only. For contracts between our own functions.
 *  JH_FAILS(cond)    for what should never happen but can be survived: true when cond is false.
 *                    `if (JH_FAILS(len <= max)) return JH_EINVAL;`
 *
 * Data from outside is never checked with these: bad input is an answer, not a defect. */
#ifndef JH_BASE_CHECK_H
#define JH_BASE_CHECK_H

#include <stdbool.h>

/* Aborts, naming the place on standard error, when cond is false. */
#define JH_REQUIRE(cond) ((cond) ? (void)0 : jh_check_abort(__FILE__, __LINE__, #cond))

/* JH_REQUIRE in debug builds; under NDEBUG cond is compiled but never evaluated. */
#ifdef NDEBUG
#define JH_ASSERT(cond) ((void)sizeof(!(cond)))
#else
#define JH_ASSERT(cond) JH_REQUIRE(cond)
#endif

/* True when cond is false. Debug builds abort there; release builds report each place once, so that
 * a defect on the request path does not fill the disk. */
#define JH_FAILS(cond)                                                    \
  (__extension__({                                                        \
    static bool is_reported;                                              \
    bool fails_ = !(cond);                                                \
    if (fails_) jh_check_report(&is_reported, __FILE__, __LINE__, #cond); \
    fails_;                                                               \
  }))

/* ==== cdef: begin ==== */

/* What a failed JH_REQUIRE does. Does not return. */
void jh_check_abort(const char *file, int line, const char *condition)
    __attribute__((noreturn, cold));

/* What a failed JH_FAILS does: aborts in debug builds, else one line on standard error unless
 * *is_reported, which is then set. */
void jh_check_report(bool *is_reported, const char *file, int line, const char *condition)
    __attribute__((cold));

/* ==== cdef: end ==== */

#endif
