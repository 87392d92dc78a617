/* name_set.c: adding and finding names. */
#include "http/name_set.h"

#include "base/str.h"

static uint64_t length_bit(size_t len) {
  return UINT64_C(1) << (len < 63 ? len : 63);
}

bool jh_name_set_add(jh_name_set *set, jh_str *names, uint32_t room, jh_str name) {
  if (set->count >= room) return false;
  names[set->count++] = name;
  set->names = names;
  set->lengths |= length_bit(name.len);
  return true;
}

bool jh_name_set_has(const jh_name_set *set, jh_str name) {
  if (!(set->lengths & length_bit(name.len))) return false;
  for (uint32_t i = 0; i < set->count; i++) {
    if (jh_str_equal_nocase(set->names[i], name)) return true;
  }
  return false;
}
