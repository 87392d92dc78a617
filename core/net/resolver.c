/* resolver.c: the cache of names and the lookups behind it.
 *
 * An entry has three ends. Until good_until_ms it is the answer. Until usable_until_ms it is the
 * answer too, but is looked up again; so a name that is in use never makes anybody wait. Until
 * kept_until_ms it is what remains when the lookup fails. */
#include "net/resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

enum { HOST_BYTES_MAX = 255 };

struct jh_name {
  jh_list node;  /* in resolver->names */
  jh_name *next; /* in its bucket */
  jh_resolver *resolver;
  uv_getaddrinfo_t request;
  jh_list waiting;     /* jh_lookup */
  jh_addresses *found; /* NULL when there is nothing to be kept */
  uint64_t good_until_ms, usable_until_ms, kept_until_ms;
  int error; /* while `found` is NULL */
  bool is_running;
  char host[]; /* NUL-terminated */
};

/* ---- addresses ---------------------------------------------------------------------------- */

static jh_addresses *make_addresses(const jh_host_address *items, uint32_t count) {
  jh_addresses *addresses = jh_try_alloc(sizeof *addresses + count * sizeof *items);
  if (!addresses) return NULL;
  *addresses = (jh_addresses){.refs = 1, .count = count};
  memcpy(addresses->items, items, count * sizeof *items);
  return addresses;
}

void jh_addresses_release(jh_addresses *addresses) {
  if (addresses && --addresses->refs == 0) jh_free(addresses);
}

static int give(jh_lookup *lookup, jh_addresses *addresses) {
  addresses->refs++;
  addresses->turn++;
  lookup->found = addresses;
  return 0;
}

/* ---- lookups ------------------------------------------------------------------------------ */

const char *jh_name_host(const jh_name *name) {
  return name->host;
}

static bool is_final(int error) {
  return error == UV_EAI_NONAME || error == UV_EAI_NODATA || error == UV_EAI_ADDRFAMILY;
}

/* Decides how long what is known now serves. */
static void keep(jh_name *name, int error, jh_addresses *found) {
  jh_resolver *resolver = name->resolver;
  uint64_t now_ms = uv_now(resolver->uv);
  if (found) {
    jh_addresses_release(name->found);
    name->found = found;
    name->good_until_ms = now_ms + resolver->ttl_ms;
    name->usable_until_ms = name->good_until_ms + resolver->ttl_ms;
    name->kept_until_ms = name->good_until_ms + JH_RESOLVER_STALE_MS;
  } else if (name->found && now_ms < name->kept_until_ms && !is_final(error)) {
    name->good_until_ms = now_ms + JH_RESOLVER_RETRY_MS;
    name->usable_until_ms = name->kept_until_ms;
  } else {
    jh_addresses_release(name->found);
    name->found = NULL;
    name->error = error;
    name->good_until_ms = now_ms + JH_RESOLVER_NEGATIVE_TTL_MS;
  }
}

void jh_name_answer(jh_name *name, int error, const jh_host_address *found, uint32_t count) {
  jh_addresses *addresses = NULL;
  name->is_running = false;
  name->resolver->running_count--;
  if (!error && count == 0) error = UV_EAI_NODATA;
  if (!error) addresses = make_addresses(found, count);
  if (!error && !addresses) error = JH_ENOMEM;
  keep(name, error, addresses);
  /* Whoever is told may ask again, stop others or close what waits. */
  while (!jh_list_is_empty(&name->waiting)) {
    jh_lookup *lookup = JH_LIST_ENTRY(name->waiting.next, jh_lookup, node);
    jh_list_remove(&lookup->node);
    int result = name->found ? give(lookup, name->found) : name->error;
    lookup->on_found(lookup, result);
  }
}

static bool read_address(const struct addrinfo *info, jh_host_address *out) {
  *out = (jh_host_address){.scope = 0};
  if (info->ai_family == AF_INET) {
    const struct sockaddr_in *ipv4 = (const void *)info->ai_addr;
    return jh_ip_from_bytes((const uint8_t *)&ipv4->sin_addr, 4, &out->ip) == 0;
  }
  if (info->ai_family != AF_INET6) return false;
  const struct sockaddr_in6 *ipv6 = (const void *)info->ai_addr;
  out->scope = ipv6->sin6_scope_id;
  return jh_ip_from_bytes((const uint8_t *)&ipv6->sin6_addr, 16, &out->ip) == 0;
}

static void on_looked_up(uv_getaddrinfo_t *request, int status, struct addrinfo *first) {
  enum { ADDRESSES_MAX = 128 };
  jh_host_address found[ADDRESSES_MAX];
  uint32_t count = 0;
  for (struct addrinfo *info = first; info && count < ADDRESSES_MAX; info = info->ai_next) {
    if (read_address(info, &found[count])) count++;
  }
  uv_freeaddrinfo(first);
  jh_name_answer(request->data, status, found, count);
}

static int look_up(jh_name *name) {
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  name->request.data = name;
  return uv_getaddrinfo(name->resolver->uv, &name->request, on_looked_up, name->host, NULL, &hints);
}

/* 0 or a negative code; the answer never comes before it returns. */
static int start(jh_name *name) {
  if (name->is_running) return 0;
  int error = name->resolver->look_up(name);
  if (error) return error;
  name->is_running = true;
  name->resolver->running_count++;
  return 0;
}

/* ---- the cache ---------------------------------------------------------------------------- */

static jh_name **bucket_of(jh_resolver *resolver, jh_str host) {
  return &resolver->buckets[jh_str_hash(host) % JH_RESOLVER_BUCKETS];
}

static void forget(jh_name *name) {
  jh_resolver *resolver = name->resolver;
  jh_name **at = bucket_of(resolver, jh_str_of(name->host));
  while (*at != name) at = &(*at)->next;
  *at = name->next;
  jh_list_remove(&name->node);
  resolver->name_count--;
  jh_addresses_release(name->found);
  jh_free(name);
}

/* Forgets the names that nobody has asked for longest. */
static void make_room(jh_resolver *resolver) {
  jh_list *node = resolver->names.next;
  while (resolver->name_count >= JH_RESOLVER_NAMES_MAX && node != &resolver->names) {
    jh_name *name = JH_LIST_ENTRY(node, jh_name, node);
    node = node->next;
    if (!name->is_running) forget(name);
  }
}

static jh_name *find(jh_resolver *resolver, jh_str host) {
  jh_name *name = *bucket_of(resolver, host);
  while (name && !jh_str_equal(jh_str_of(name->host), host)) name = name->next;
  return name;
}

static jh_name *add(jh_resolver *resolver, jh_str host) {
  make_room(resolver);
  jh_name *name = jh_try_calloc(1, sizeof *name + host.len + 1);
  if (!name) return NULL;
  memcpy(name->host, host.ptr, host.len);
  name->resolver = resolver;
  jh_list_init(&name->waiting);
  jh_list_init(&name->node);
  jh_name **bucket = bucket_of(resolver, host);
  name->next = *bucket;
  *bucket = name;
  resolver->name_count++;
  return name;
}

static int start_numeric(jh_lookup *lookup, const jh_ip *ip) {
  jh_host_address address = {.ip = *ip};
  lookup->found = make_addresses(&address, 1);
  return lookup->found ? 0 : JH_ENOMEM;
}

int jh_resolver_start(jh_resolver *resolver, jh_lookup *lookup, jh_str host) {
  jh_ip ip;
  jh_list_init(&lookup->node);
  lookup->found = NULL;
  if (jh_ip_parse(host, &ip) == 0) return start_numeric(lookup, &ip);
  if (host.len == 0 || host.len > HOST_BYTES_MAX || memchr(host.ptr, '\0', host.len)) {
    return JH_EINVAL;
  }
  jh_name *name = find(resolver, host);
  if (!name) name = add(resolver, host);
  if (!name) return JH_ENOMEM;
  jh_list_remove(&name->node);
  jh_list_append(&resolver->names, &name->node);
  uint64_t now_ms = uv_now(resolver->uv);
  if (now_ms < name->good_until_ms) return name->found ? give(lookup, name->found) : name->error;
  int error = start(name);
  if (name->found && (error || now_ms < name->usable_until_ms)) return give(lookup, name->found);
  if (error) return error;
  jh_list_append(&name->waiting, &lookup->node);
  return JH_EWAIT;
}

void jh_lookup_stop(jh_lookup *lookup) {
  jh_list_remove(&lookup->node);
}

void jh_resolver_init(jh_resolver *resolver, uv_loop_t *uv) {
  *resolver = (jh_resolver){.uv = uv, .ttl_ms = JH_RESOLVER_TTL_MS, .look_up = look_up};
  jh_list_init(&resolver->names);
}

void jh_resolver_close(jh_resolver *resolver) {
  for (jh_list *node = resolver->names.next; node != &resolver->names; node = node->next) {
    jh_name *name = JH_LIST_ENTRY(node, jh_name, node);
    while (!jh_list_is_empty(&name->waiting)) jh_list_remove(name->waiting.next);
    if (name->is_running && name->resolver->look_up == look_up) {
      uv_cancel((uv_req_t *)&name->request);
    }
  }
}

void jh_resolver_deinit(jh_resolver *resolver) {
  while (!jh_list_is_empty(&resolver->names)) {
    forget(JH_LIST_ENTRY(resolver->names.next, jh_name, node));
  }
}

const char *jh_resolver_strerror(int error) {
  switch (error) {
  case UV_EAI_NONAME:
  case UV_EAI_NODATA:
    return "no such name";
  case UV_EAI_AGAIN:
    return "the name servers do not answer";
  case UV_EAI_FAIL:
    return "the name servers failed";
  case UV_EAI_ADDRFAMILY:
    return "the name has no usable address";
  case UV_ECANCELED:
    return "the lookup was cancelled";
  case JH_EINVAL:
    return "not a valid name";
  default:
    return error < -3000 ? uv_strerror(error) : jh_strerror(error);
  }
}
