/* options.h: every option of the server, in one table. From JH_OPTIONS_MAP come the struct the
 * core reads, the checks, the command line flags (name with dashes), --help, the
 * environment variables (JUSTHTTP_ and the name in capitals), the keys of config.lua
 * and the table in README.
 *
 * An option given more than once: command line beats environment beats config file
 * beats default. Whoever sets an option passes text; the table says how it is read.
 * All of this runs before the first worker starts; workers only read the struct. */
#ifndef JH_SERVER_OPTIONS_H
#define JH_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* XX(name, kind, default, unit, min, max, help)
 *
 * kind       field type      text it accepts
 * SWITCH     bool            true false yes no on off 1 0; flags also --x and --no-x
 * COUNT      uint32_t        a number
 * WORKERS    uint32_t        a number, or "auto" (0)
 * BYTES      uint64_t        a number, with k, m or g for powers of 1024
 * MS         uint32_t        a number of milliseconds
 * MODE       uint32_t        an octal file mode
 * CHOICE     int             one of the words in the unit column; the field is its index
 * TEXT       char *          anything; never NULL; "", "off" and "false" turn it off
 * ADDRESSES  jh_option_list  listen addresses (server/address.h) with commas between; repeated
 *                            flags add up
 * NETWORKS   jh_option_list  client addresses: 10.0.0.1, 10.0.0.0/8, 2001:db8::/32, unix; as above,
 *                            may be none
 * FILES      jh_option_list  file names; as above, may be none
 *
 * min and max bound numbers, and the number of ADDRESSES, NETWORKS and FILES. */
#define JH_OPTIONS_MAP(XX)                                                                         \
  XX(listen, ADDRESSES, "127.0.0.1:8080", "address", 1, 64,                                        \
     "where to listen: host:port, :port (every IPv4 address), port (127.0.0.1), [::1]:port, "      \
     "unix:/path, systemd or systemd:NAME; https:// in front for TLS; repeat for several, port 0 " \
     "takes a free one")                                                                           \
  XX(tls, CHOICE, "off", "off|self", 0, 0,                                                         \
     "self makes a certificate for development, signed by itself")                                 \
  XX(tls_cert, FILES, "", "file", 0, 256,                                                          \
     "certificate with its chain (PEM); repeat for several, chosen by the name a client asks "     \
     "for. "                                                                                       \
     "Listeners speak TLS then, unless some are named with https://")                              \
  XX(tls_key, FILES, "", "file", 0, 256,                                                           \
     "its private key (PEM), in the order of tls_cert; without any they stand with the "           \
     "certificates")                                                                               \
  XX(tls_client_ca, TEXT, "", "file", 0, 4095,                                                     \
     "authorities (PEM) that clients must show a certificate of")                                  \
  XX(tls_client_cert, CHOICE, "require", "require|request", 0, 0,                                  \
     "whether a client may also come without one, when tls_client_ca is set")                      \
  XX(tls_min_version, CHOICE, "1.2", "1.2|1.3", 0, 0, "lowest TLS version")                        \
  XX(tls_ciphers, TEXT, "", "names", 0, 2047,                                                      \
     "OpenSSL's names with : between them, best first; the default is Mozilla's intermediate set") \
  XX(workers, WORKERS, "auto", "processes", 1, 1024,                                               \
     "worker processes; auto is one per CPU this process may use")                                 \
  XX(pin_workers, SWITCH, "true", "", 0, 1,                                                        \
     "keep each worker on a CPU of its own; unless asked for, only with a worker for every CPU")   \
  XX(backlog, COUNT, "511", "connections", 1, 65535,                                               \
     "connections the kernel queues per listener and worker before they are accepted")             \
  XX(reuse_port, SWITCH, "true", "", 0, 1,                                                         \
     "give each worker its own socket per TCP listener; without it all share one")                 \
  XX(tcp_nodelay, SWITCH, "true", "", 0, 1,                                                        \
     "send small answers at once instead of waiting to fill a packet")                             \
  XX(defer_accept, SWITCH, "true", "", 0, 1,                                                       \
     "wake a worker for a new TCP connection only when its first bytes are there; one that "       \
     "stays silent comes some seconds later, and header_timeout_ms counts from then")              \
  XX(header_timeout_ms, MS, "10000", "ms", 0, 86400000,                                            \
     "time for a whole request head to arrive; 0 is no limit")                                     \
  XX(body_timeout_ms, MS, "30000", "ms", 0, 86400000,                                              \
     "time between two reads of a request body; 0 is no limit")                                    \
  XX(min_body_bytes_per_s, COUNT, "500", "bytes/s", 0, 4294967295,                                 \
     "slowest pace of a request body: all waits for one may take body_timeout_ms, and a second "   \
     "more for so many bytes received; 0 is no limit")                                             \
  XX(write_timeout_ms, MS, "30000", "ms", 0, 86400000,                                             \
     "time between two writes to a slow reader; 0 is no limit")                                    \
  XX(resolve_ttl_ms, MS, "60000", "ms", 0, 86400000,                                               \
     "time the addresses of a name that was looked up are kept; 0 looks it up every time")         \
  XX(keepalive_timeout_ms, MS, "75000", "ms", 0, 86400000,                                         \
     "time an idle connection is kept open; 0 is no limit")                                        \
  XX(tls_handshake_timeout_ms, MS, "10000", "ms", 0, 86400000,                                     \
     "time for a TLS handshake; 0 is no limit")                                                    \
  XX(shutdown_timeout_ms, MS, "10000", "ms", 0, 86400000,                                          \
     "time for running requests to finish on SIGTERM or SIGINT; 0 does not wait")                  \
  XX(max_header_bytes, BYTES, "16k", "bytes", 256, 1048576,                                        \
     "longest request head; a longer one is answered 431")                                         \
  XX(max_header_count, COUNT, "100", "fields", 1, 10000,                                           \
     "most header fields in a request; more are answered 431")                                     \
  XX(max_target_bytes, BYTES, "8k", "bytes", 16, 1048576,                                          \
     "longest request target; a longer one is answered 414")                                       \
  XX(max_body_bytes, BYTES, "1m", "bytes", 0, 1099511627776,                                       \
     "longest request body; a longer one is answered 413, while it streams too")                   \
  XX(body_buffer_bytes, BYTES, "16k", "bytes", 0, 16777216,                                        \
     "bodies up to this size are complete when the handler starts; larger ones are read on "       \
     "demand")                                                                                     \
  XX(max_requests_per_connection, COUNT, "0", "requests", 0, 4294967295,                           \
     "requests answered before a connection is closed; 0 is no limit")                             \
  XX(max_connections, COUNT, "10000", "connections", 1, 10000000,                                  \
     "open connections per worker; further ones are answered 503")                                 \
  XX(max_conns_per_ip, COUNT, "0", "connections", 0, 10000000,                                     \
     "open connections of one client address (IPv4, or IPv6 /64) in all workers; further ones "    \
     "are "                                                                                        \
     "answered 429; 0 is no limit")                                                                \
  XX(trusted_proxies, NETWORKS, "", "address", 0, 256,                                             \
     "addresses or ranges (10.0.0.0/8, unix) whose X-Forwarded-For and X-Forwarded-Proto count, "  \
     "and which max_conns_per_ip does not limit")                                                  \
  XX(proxy_protocol, SWITCH, "false", "", 0, 1,                                                    \
     "connections begin with a PROXY header, version 1 or 2; those of trusted_proxies only, when " \
     "any are named")                                                                              \
  XX(concurrency, COUNT, "10000", "requests", 1, 10000000,                                         \
     "requests in handlers at the same time per worker; more are answered 503")                    \
  XX(http2, SWITCH, "true", "", 0, 1,                                                              \
     "speak HTTP/2 with clients that choose it: over TLS, and without TLS where h2c allows it")    \
  XX(h2c, SWITCH, "true", "", 0, 1,                                                                \
     "speak HTTP/2 without TLS with clients that begin with it (prior knowledge)")                 \
  XX(max_streams_per_connection, COUNT, "128", "requests", 1, 65535,                               \
     "requests that an HTTP/2 connection may have open at the same time")                          \
  XX(cpu_budget_ms, MS, "1000", "ms", 0, 86400000,                                                 \
     "CPU time a handler or task may take until it waits or ends; then it is stopped with an "     \
     "error, and its request is answered 503; 0 is no limit")                                      \
  XX(worker_timeout_ms, MS, "10000", "ms", 0, 86400000,                                            \
     "time a worker may be stuck, in a call of C that does not return; then it is ended, and "     \
     "another takes its place; 0 is no limit")                                                     \
  XX(reduce_memory, SWITCH, "true", "", 0, 1,                                                      \
     "idle connections give their 16 KiB buffer back; off keeps it for the next request")          \
  XX(allow_half_close, SWITCH, "false", "", 0, 1,                                                  \
     "a client that ends its side before the answer still gets it; otherwise its waiting handler " \
     "is cancelled")                                                                               \
  XX(server_header, TEXT, "justhttp", "", 0, 255,                                                  \
     "value of the Server response field; off leaves the field out")                               \
  XX(access_log, TEXT, "-", "file", 0, 4095,                                                       \
     "where the logger middleware writes: a file, - for stdout, off")                              \
  XX(error_log, TEXT, "-", "file", 0, 4095, "where to log everything else: a file, - for stderr")  \
  XX(log_level, CHOICE, "info", "debug|info|warn|error|off", 0, 0,                                 \
     "least severe messages that are logged")                                                      \
  XX(log_format, CHOICE, "text", "text|json", 0, 0, "log lines as text or as JSON objects")        \
  XX(dev, SWITCH, "false", "", 0, 1,                                                               \
     "development mode: errors answer with a page that shows traceback and source")                \
  XX(overlay, TEXT, "", "directory", 0, 4095,                                                      \
     "files that win over those of an app in one file, for edits; read when the app is loaded")    \
  XX(user, TEXT, "", "name", 0, 255, "user the workers run as, when started as root")              \
  XX(group, TEXT, "", "name", 0, 255, "group the workers run as; default is the user's own")       \
  XX(pid_file, TEXT, "", "file", 0, 4095,                                                          \
     "file that holds the supervisor's process id while the server runs")                          \
  XX(control, TEXT, "auto", "file", 0, 107,                                                        \
     "control socket that `justhttp reload` and its like talk to; auto is a place found from the " \
     "app's path")                                                                                 \
  XX(drain_timeout_ms, MS, "30000", "ms", 0, 86400000,                                             \
     "time that requests and connections of an app have to end after a reload; then they are "     \
     "cancelled")                                                                                  \
  XX(load_timeout_ms, MS, "10000", "ms", 1, 86400000,                                              \
     "time an app may take to load and check itself when it is reloaded")                          \
  XX(upload_dir, TEXT, "", "directory", 0, 4095,                                                   \
     "where uploads that do not fit into memory wait for their handler; default is TMPDIR or "     \
     "/tmp")                                                                                       \
  XX(unix_socket_mode, MODE, "0666", "octal", 0, 511, "file mode of unix sockets")

/* ==== cdef: begin ==== */

/* Later sources win over earlier ones. */
typedef enum jh_option_source {
  JH_OPTION_FROM_DEFAULT = 0,
  JH_OPTION_FROM_FILE,
  JH_OPTION_FROM_ENVIRONMENT,
  JH_OPTION_FROM_COMMAND_LINE
} jh_option_source;

typedef enum jh_option_kind {
  JH_OPTION_SWITCH = 0,
  JH_OPTION_COUNT,
  JH_OPTION_WORKERS,
  JH_OPTION_BYTES,
  JH_OPTION_MS,
  JH_OPTION_MODE,
  JH_OPTION_CHOICE,
  JH_OPTION_TEXT,
  JH_OPTION_ADDRESSES,
  JH_OPTION_NETWORKS,
  JH_OPTION_FILES
} jh_option_kind;

/* One line of the table. Static; lives for ever. */
typedef struct jh_option_info {
  const char *name;          /* max_body_bytes */
  const char *default_value; /* as text: "1m" */
  const char *unit;          /* "bytes"; the words of a CHOICE, with | between them */
  const char *help;
  uint64_t min;
  uint64_t max;
  int kind; /* jh_option_kind */
} jh_option_info;

typedef struct jh_options jh_options;

/* An options struct on the heap, holding the defaults. Aborts when memory is out. */
jh_options *jh_options_new(void);
void jh_options_free(jh_options *options);

/* The table's line `index`, NULL past the end. */
const jh_option_info *jh_options_describe(size_t index);

/* Line number of an option, or -1. `name` may be written with dashes. */
int jh_options_find(const char *name);

/* The option somebody who wrote `name` probably meant, or NULL. `distance` (may be NULL) is the
 * number of letters that differ. */
const char *jh_options_nearest(const char *name, size_t *distance);

/* The name as its source spells it: --max-body-bytes, JUSTHTTP_MAX_BODY_BYTES, max_body_bytes.
 * Returns `out`. */
const char *jh_options_spell(const char *name, jh_option_source source, char *out,
                             size_t out_bytes);

/* Sets one option from text. 0, JH_ENOTFOUND for an unknown name, JH_EINVAL or
 * JH_ERANGE for a wrong value; then `error` holds one line that says what is wrong and
 * what to write instead. A value from a weaker source than the present one is checked
 * and then ignored. ADDRESSES are replaced by a stronger source and extended by the same. */
int jh_options_set(jh_options *options, const char *name, const char *value,
                   jh_option_source source, char *error, size_t error_bytes);

/* The present value as text, as jh_options_set would take it; bytes written without the
 * final NUL, or JH_ENOTFOUND. Text that does not fit is cut. */
int jh_options_get(const jh_options *options, const char *name, char *out, size_t out_bytes);

/* Who set option number `index`. */
jh_option_source jh_options_source(const jh_options *options, size_t index);

/* Reads every JUSTHTTP_* variable of `environment` (NULL ended, "NAME=value"). Unknown
 * names are an error only when they look like a misspelt option: others may share the
 * prefix. */
int jh_options_read_environment(jh_options *options, const char *const *environment, char *error,
                                size_t error_bytes);

/* Sets the option that the flag arguments[0] ("--name", "--name=value", "--no-name") names and
 * returns how many arguments were used: 1 or 2. JH_ENOTFOUND when the table has no such flag,
 * JH_EINVAL or JH_ERANGE when its value is missing or wrong; `error` is set in all three cases. */
int jh_options_read_flag(jh_options *options, const char *const *arguments, size_t count,
                         char *error, size_t error_bytes);

/* Checks that need more than one option. 0 or JH_EINVAL and one line. */
int jh_options_check(const jh_options *options, char *error, size_t error_bytes);

/* ==== cdef: end ==== */

typedef struct jh_option_list {
  char **items;
  size_t count;
} jh_option_list;

typedef bool jh_option_field_SWITCH;
typedef uint32_t jh_option_field_COUNT;
typedef uint32_t jh_option_field_WORKERS;
typedef uint64_t jh_option_field_BYTES;
typedef uint32_t jh_option_field_MS;
typedef uint32_t jh_option_field_MODE;
typedef int jh_option_field_CHOICE;
typedef char *jh_option_field_TEXT;
typedef jh_option_list jh_option_field_ADDRESSES;
typedef jh_option_list jh_option_field_NETWORKS;
typedef jh_option_list jh_option_field_FILES;

/* Line numbers: JH_OPTIONS_INDEX_listen = 0, … */
enum {
#define XX(name, ...) JH_OPTIONS_INDEX_##name,
  JH_OPTIONS_MAP(XX)
#undef XX
      JH_OPTIONS_COUNT
};

/* One field per option, named as in the table: options->max_body_bytes. The struct owns
 * all text it points to. */
struct jh_options {
#define XX(name, kind, ...) jh_option_field_##kind name;
  JH_OPTIONS_MAP(XX)
#undef XX
  uint8_t sources[JH_OPTIONS_COUNT]; /* jh_option_source of each */
};

void jh_options_init(jh_options *options);
void jh_options_deinit(jh_options *options);

/* The flags with their defaults, for --help; the table in README. */
void jh_options_print_help(FILE *out);
void jh_options_print_markdown(FILE *out);

#endif
