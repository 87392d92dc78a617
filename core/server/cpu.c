/* cpu.c: the affinity mask and the control group, read and set.
 *
 * The mask is our own, not a cpu_set_t: that type ends at 1024 CPUs and sched_getaffinity() fails
 * on machines that could have more. */
#include "server/cpu.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CPU_MAX = 8192, TEXT_BYTES = 64 };

typedef struct mask {
  unsigned long words[CPU_MAX / (8 * sizeof(unsigned long))];
} mask;

static int read_mask(mask *mask) {
  memset(mask, 0, sizeof *mask);
  return sched_getaffinity(0, sizeof *mask, (cpu_set_t *)mask) == 0 ? 0 : -errno;
}

static bool has_cpu(const mask *mask, size_t cpu) {
  size_t bits = 8 * sizeof mask->words[0];
  return (mask->words[cpu / bits] >> (cpu % bits) & 1) != 0;
}

uint32_t jh_cpu_allowed_count(void) {
  mask mask;
  uint32_t count = 0;
  if (read_mask(&mask) != 0) return 1;
  for (size_t cpu = 0; cpu < CPU_MAX; cpu++) count += has_cpu(&mask, cpu);
  return count > 0 ? count : 1;
}

uint32_t jh_cpu_quota(const char *cpu_max) {
  char *end;
  if (cpu_max[0] < '0' || cpu_max[0] > '9') return 0;
  unsigned long long quota = strtoull(cpu_max, &end, 10);
  if (*end != ' ') return 0;
  unsigned long long period = strtoull(end, NULL, 10);
  if (quota == 0 || period == 0 || quota / period >= CPU_MAX) return 0;
  return (uint32_t)((quota + period - 1) / period);
}

uint32_t jh_cpu_worker_count(void) {
  char text[TEXT_BYTES];
  uint32_t allowed = jh_cpu_allowed_count(), quota = 0;
  int fd = open("/sys/fs/cgroup/cpu.max", O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    quota = jh_cpu_quota(text);
  }
  return quota > 0 && quota < allowed ? quota : allowed;
}

int jh_cpu_pin(uint32_t slot) {
  mask allowed, only;
  int rc = read_mask(&allowed);
  if (rc != 0) return rc;
  uint32_t nth = slot % jh_cpu_allowed_count();
  size_t bits = 8 * sizeof only.words[0];
  memset(&only, 0, sizeof only);
  for (size_t cpu = 0; cpu < CPU_MAX; cpu++) {
    if (!has_cpu(&allowed, cpu) || nth-- > 0) continue;
    only.words[cpu / bits] = 1UL << (cpu % bits);
    break;
  }
  return sched_setaffinity(0, sizeof only, (cpu_set_t *)&only) == 0 ? 0 : -errno;
}
