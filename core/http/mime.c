/* mime.c: the table, in the order of its extensions, and a search that halves it.
 *
 * Eight comparisons of at most twelve bytes find any of them, about as long as a hash would take,
 * and the table stays one that people can edit; a spec checks its order. Types are those of the
 * IANA registry where it has one, else what browsers and nginx agree on. */
#include "http/mime.h"

#include <string.h>

enum { EXTENSION_BYTES_MAX = 12 };

typedef struct media_type {
  char extension[EXTENSION_BYTES_MAX]; /* lower case; zeros fill it up */
  jh_str type;
} media_type;

#define TYPE(extension, type) \
  {                           \
    extension, {              \
      type, sizeof(type) - 1  \
    }                         \
  }
#define TEXT(extension, type) TYPE(extension, type "; charset=utf-8")

/* clang-format off */
static const media_type table[] = {
    TYPE("3g2", "video/3gpp2"),
    TYPE("3gp", "video/3gpp"),
    TYPE("7z", "application/x-7z-compressed"),
    TYPE("aac", "audio/aac"),
    TYPE("ai", "application/postscript"),
    TYPE("aif", "audio/aiff"),
    TYPE("aiff", "audio/aiff"),
    TYPE("amr", "audio/amr"),
    TYPE("apk", "application/vnd.android.package-archive"),
    TYPE("apng", "image/apng"),
    TEXT("asc", "text/plain"),
    TYPE("atom", "application/atom+xml"),
    TYPE("avi", "video/x-msvideo"),
    TYPE("avif", "image/avif"),
    TYPE("bin", "application/octet-stream"),
    TYPE("bmp", "image/bmp"),
    TYPE("br", "application/x-brotli"),
    TYPE("bz2", "application/x-bzip2"),
    TEXT("c", "text/plain"),
    TEXT("cc", "text/plain"),
    TEXT("cfg", "text/plain"),
    TEXT("cjs", "text/javascript"),
    TEXT("conf", "text/plain"),
    TEXT("cpp", "text/plain"),
    TYPE("crt", "application/x-x509-ca-cert"),
    TEXT("css", "text/css"),
    TEXT("csv", "text/csv"),
    TYPE("cur", "image/x-icon"),
    TYPE("dat", "application/octet-stream"),
    TYPE("db", "application/vnd.sqlite3"),
    TYPE("deb", "application/vnd.debian.binary-package"),
    TYPE("der", "application/x-x509-ca-cert"),
    TEXT("diff", "text/plain"),
    TYPE("dll", "application/vnd.microsoft.portable-executable"),
    TYPE("dmg", "application/x-apple-diskimage"),
    TYPE("doc", "application/msword"),
    TYPE("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    TYPE("ear", "application/java-archive"),
    TYPE("eot", "application/vnd.ms-fontobject"),
    TYPE("eps", "application/postscript"),
    TYPE("epub", "application/epub+zip"),
    TYPE("exe", "application/vnd.microsoft.portable-executable"),
    TYPE("flac", "audio/flac"),
    TYPE("flv", "video/x-flv"),
    TYPE("geojson", "application/geo+json"),
    TYPE("gif", "image/gif"),
    TYPE("glb", "model/gltf-binary"),
    TYPE("gltf", "model/gltf+json"),
    TEXT("go", "text/plain"),
    TYPE("gpx", "application/gpx+xml"),
    TYPE("gz", "application/gzip"),
    TEXT("h", "text/plain"),
    TYPE("heic", "image/heic"),
    TYPE("heif", "image/heif"),
    TEXT("hpp", "text/plain"),
    TEXT("htm", "text/html"),
    TEXT("html", "text/html"),
    TYPE("ico", "image/x-icon"),
    TEXT("ics", "text/calendar"),
    TYPE("img", "application/octet-stream"),
    TEXT("ini", "text/plain"),
    TYPE("iso", "application/x-iso9660-image"),
    TYPE("jar", "application/java-archive"),
    TEXT("java", "text/plain"),
    TYPE("jfif", "image/jpeg"),
    TYPE("jpe", "image/jpeg"),
    TYPE("jpeg", "image/jpeg"),
    TYPE("jpg", "image/jpeg"),
    TEXT("js", "text/javascript"),
    TYPE("json", "application/json"),
    TYPE("jsonl", "application/x-ndjson"),
    TYPE("jsonld", "application/ld+json"),
    TYPE("jxl", "image/jxl"),
    TYPE("kml", "application/vnd.google-earth.kml+xml"),
    TYPE("kmz", "application/vnd.google-earth.kmz"),
    TEXT("log", "text/plain"),
    TEXT("lua", "text/plain"),
    TYPE("m2ts", "video/mp2t"),
    TYPE("m3u", "audio/x-mpegurl"),
    TYPE("m3u8", "application/vnd.apple.mpegurl"),
    TYPE("m4a", "audio/mp4"),
    TYPE("m4v", "video/mp4"),
    TYPE("map", "application/json"),
    TEXT("markdown", "text/markdown"),
    TEXT("md", "text/markdown"),
    TYPE("mid", "audio/midi"),
    TYPE("midi", "audio/midi"),
    TEXT("mjs", "text/javascript"),
    TYPE("mka", "audio/x-matroska"),
    TYPE("mkv", "video/x-matroska"),
    TYPE("mov", "video/quicktime"),
    TYPE("mp3", "audio/mpeg"),
    TYPE("mp4", "video/mp4"),
    TYPE("mpd", "application/dash+xml"),
    TYPE("mpeg", "video/mpeg"),
    TYPE("mpg", "video/mpeg"),
    TYPE("msi", "application/x-msi"),
    TYPE("ndjson", "application/x-ndjson"),
    TYPE("obj", "model/obj"),
    TYPE("odg", "application/vnd.oasis.opendocument.graphics"),
    TYPE("odp", "application/vnd.oasis.opendocument.presentation"),
    TYPE("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    TYPE("odt", "application/vnd.oasis.opendocument.text"),
    TYPE("oga", "audio/ogg"),
    TYPE("ogg", "audio/ogg"),
    TYPE("ogv", "video/ogg"),
    TYPE("opus", "audio/ogg"),
    TYPE("otf", "font/otf"),
    TEXT("patch", "text/plain"),
    TYPE("pdf", "application/pdf"),
    TYPE("pem", "application/x-pem-file"),
    TYPE("png", "image/png"),
    TYPE("ppt", "application/vnd.ms-powerpoint"),
    TYPE("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    TYPE("ps", "application/postscript"),
    TYPE("psd", "image/vnd.adobe.photoshop"),
    TEXT("py", "text/plain"),
    TYPE("qt", "video/quicktime"),
    TYPE("rar", "application/vnd.rar"),
    TEXT("rb", "text/plain"),
    TYPE("rpm", "application/x-rpm"),
    TEXT("rs", "text/plain"),
    TYPE("rss", "application/rss+xml"),
    TEXT("rst", "text/plain"),
    TYPE("rtf", "application/rtf"),
    TEXT("sh", "text/plain"),
    TEXT("shtml", "text/html"),
    TYPE("sig", "application/pgp-signature"),
    TYPE("so", "application/octet-stream"),
    TYPE("sql", "application/sql"),
    TYPE("sqlite", "application/vnd.sqlite3"),
    TYPE("sqlite3", "application/vnd.sqlite3"),
    TYPE("stl", "model/stl"),
    TYPE("svg", "image/svg+xml"),
    TYPE("swf", "application/x-shockwave-flash"),
    TYPE("tar", "application/x-tar"),
    TEXT("tex", "text/plain"),
    TEXT("text", "text/plain"),
    TYPE("tgz", "application/gzip"),
    TYPE("tif", "image/tiff"),
    TYPE("tiff", "image/tiff"),
    TYPE("toml", "application/toml"),
    TYPE("torrent", "application/x-bittorrent"),
    TYPE("ts", "video/mp2t"),
    TEXT("tsv", "text/tab-separated-values"),
    TYPE("ttc", "font/collection"),
    TYPE("ttf", "font/ttf"),
    TEXT("txt", "text/plain"),
    TEXT("vcf", "text/vcard"),
    TEXT("vtt", "text/vtt"),
    TYPE("war", "application/java-archive"),
    TYPE("wasm", "application/wasm"),
    TYPE("wav", "audio/wav"),
    TYPE("wbmp", "image/vnd.wap.wbmp"),
    TYPE("weba", "audio/webm"),
    TYPE("webm", "video/webm"),
    TYPE("webmanifest", "application/manifest+json"),
    TYPE("webp", "image/webp"),
    TYPE("wmv", "video/x-ms-wmv"),
    TYPE("woff", "font/woff"),
    TYPE("woff2", "font/woff2"),
    TYPE("xhtml", "application/xhtml+xml"),
    TYPE("xls", "application/vnd.ms-excel"),
    TYPE("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    TYPE("xml", "application/xml"),
    TYPE("xsd", "application/xml"),
    TYPE("xsl", "application/xml"),
    TYPE("xslt", "application/xslt+xml"),
    TYPE("xz", "application/x-xz"),
    TYPE("yaml", "application/yaml"),
    TYPE("yml", "application/yaml"),
    TYPE("zip", "application/zip"),
    TYPE("zst", "application/zstd"),
};
/* clang-format on */

enum { TABLE_COUNT = sizeof(table) / sizeof(table[0]) };

jh_str jh_mime_of_extension(jh_str extension) {
  char key[EXTENSION_BYTES_MAX] = {0};
  if (extension.len == 0 || extension.len > sizeof(key)) return (jh_str){NULL, 0};
  for (size_t i = 0; i < extension.len; i++) {
    char byte = extension.ptr[i];
    if (byte == '\0') return (jh_str){NULL, 0};
    key[i] = (char)(byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte);
  }
  size_t from = 0;
  size_t to = TABLE_COUNT;
  while (from < to) {
    size_t middle = (from + to) / 2;
    int order = memcmp(key, table[middle].extension, sizeof(key));
    if (order == 0) return table[middle].type;
    if (order < 0) {
      to = middle;
    } else {
      from = middle + 1;
    }
  }
  return (jh_str){NULL, 0};
}

jh_str jh_mime_of_path(jh_str path) {
  static const char unknown[] = "application/octet-stream";
  size_t from = path.len;
  while (from > 0 && path.ptr[from - 1] != '.' && path.ptr[from - 1] != '/') from--;
  /* A part that begins with its only dot has a name and no extension. */
  bool has_extension = from > 1 && path.ptr[from - 1] == '.' && path.ptr[from - 2] != '/';
  jh_str type = {NULL, 0};
  if (has_extension) type = jh_mime_of_extension((jh_str){path.ptr + from, path.len - from});
  return type.ptr != NULL ? type : (jh_str){unknown, sizeof(unknown) - 1};
}
