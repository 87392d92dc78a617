# Finds what justhttp links: targets jh::luajit, jh::uv, jh::http_parser, jh::nghttp2, jh::openssl;
# for the content codings jh::zlib, jh::brotlienc, jh::brotlidec, jh::zstd; for cookie jars jh::psl.
#
# All come from Debian packages (deps/README.md says which and why). When one is missing, the one
# error message names the package; deps/install.sh installs them all.
find_package(PkgConfig REQUIRED)

function(jh_missing what package)
  message(FATAL_ERROR "${what} was not found. On Debian or Ubuntu: apt-get install ${package}\n"
                      "(deps/install.sh installs everything that is missing)")
endfunction()

function(jh_pkg target module minimum package)
  pkg_check_modules(${target} QUIET IMPORTED_TARGET "${module}>=${minimum}")
  if(NOT ${target}_FOUND)
    jh_missing("${module} ${minimum} or newer" ${package})
  endif()
  add_library(jh::${target} INTERFACE IMPORTED)
  target_link_libraries(jh::${target} INTERFACE PkgConfig::${target})
endfunction()

# libluajit2-5.1-dev and libluajit-5.1-dev both say "luajit"; either will do.
jh_pkg(luajit luajit 2.1.0 libluajit2-5.1-dev)
jh_pkg(uv libuv 1.44 libuv1-dev)
jh_pkg(openssl openssl 3.0 libssl-dev)
jh_pkg(nghttp2 libnghttp2 1.52 libnghttp2-dev)
jh_pkg(zlib zlib 1.2.11 zlib1g-dev)
jh_pkg(brotlienc libbrotlienc 1.0.9 libbrotli-dev)
jh_pkg(brotlidec libbrotlidec 1.0.9 libbrotli-dev)
jh_pkg(zstd libzstd 1.4.8 libzstd-dev)
jh_pkg(psl libpsl 0.21 libpsl-dev)

find_path(JH_HTTP_PARSER_INCLUDE http_parser.h)
find_library(JH_HTTP_PARSER_LIBRARY http_parser)
if(NOT JH_HTTP_PARSER_INCLUDE OR NOT JH_HTTP_PARSER_LIBRARY)
  jh_missing("http_parser.h with libhttp_parser" libhttp-parser-dev)
endif()
add_library(jh::http_parser INTERFACE IMPORTED)
target_include_directories(jh::http_parser SYSTEM INTERFACE ${JH_HTTP_PARSER_INCLUDE})
target_link_libraries(jh::http_parser INTERFACE ${JH_HTTP_PARSER_LIBRARY})
