/* peer_options.c: reads the list of trusted proxies. */
#include "server/peer_options.h"

#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/str.h"

void jh_peer_options_read(const jh_options *options, jh_peer_settings *out) {
  const jh_option_list *names = &options->trusted_proxies;
  *out = (jh_peer_settings){.max_conns_per_ip = options->max_conns_per_ip,
                            .has_proxy_protocol = options->proxy_protocol};
  if (names->count == 0) return;
  jh_ip_range *ranges = jh_alloc(names->count * sizeof *ranges);
  for (size_t i = 0; i < names->count; i++) {
    if (strcmp(names->items[i], "unix") == 0) {
      out->trusts_unix = true;
      continue;
    }
    JH_REQUIRE(jh_ip_range_parse(jh_str_of(names->items[i]), &ranges[out->trusted_count]) == 0);
    out->trusted_count++;
  }
  out->trusted = ranges;
}
