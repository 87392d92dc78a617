-- Options of this app; `justhttp options` lists them all. The environment (JUSTHTTP_WORKERS=4) and
-- flags (--workers 4) beat what is said here.
return {
  listen = "127.0.0.1:8080",
}
