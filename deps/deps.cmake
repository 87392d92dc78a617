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

# The archives that a static build links in the place of shared libraries: jh_archives(out name…).
function(jh_archives out package)
  set(found "")
  foreach(name IN LISTS ARGN)
    find_library(JH_ARCHIVE_${name} lib${name}.a)
    if(NOT JH_ARCHIVE_${name})
      jh_missing("lib${name}.a, for JH_STATIC" ${package})
    endif()
    list(APPEND found ${JH_ARCHIVE_${name}})
  endforeach()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

# What stands for a pkg-config module in a static build, in the order that the linker needs.
set(JH_ARCHIVES_uv uv_a)
set(JH_ARCHIVES_openssl ssl crypto)
set(JH_ARCHIVES_nghttp2 nghttp2)
set(JH_ARCHIVES_zlib z)
set(JH_ARCHIVES_brotlienc brotlienc brotlicommon)
set(JH_ARCHIVES_brotlidec brotlidec brotlicommon)
set(JH_ARCHIVES_zstd zstd)
set(JH_ARCHIVES_psl psl idn2 unistring)

function(jh_pkg target module minimum package)
  pkg_check_modules(${target} QUIET IMPORTED_TARGET "${module}>=${minimum}")
  if(NOT ${target}_FOUND)
    jh_missing("${module} ${minimum} or newer" ${package})
  endif()
  add_library(jh::${target} INTERFACE IMPORTED)
  if(NOT JH_STATIC)
    target_link_libraries(jh::${target} INTERFACE PkgConfig::${target})
    return()
  endif()
  if(target STREQUAL luajit)
    # All of it: C modules on the disk may want functions that the executable does not call.
    jh_archives(archives ${package} luajit-5.1)
    set(archives -Wl,--whole-archive ${archives} -Wl,--no-whole-archive dl)
  else()
    jh_archives(archives ${package} ${JH_ARCHIVES_${target}})
  endif()
  target_include_directories(jh::${target} SYSTEM INTERFACE ${${target}_INCLUDE_DIRS})
  target_link_libraries(jh::${target} INTERFACE ${archives})
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
if(JH_STATIC)
  find_library(JH_HTTP_PARSER_LIBRARY libhttp_parser.a)
else()
  find_library(JH_HTTP_PARSER_LIBRARY http_parser)
endif()
if(NOT JH_HTTP_PARSER_INCLUDE OR NOT JH_HTTP_PARSER_LIBRARY)
  jh_missing("http_parser.h with libhttp_parser" libhttp-parser-dev)
endif()
add_library(jh::http_parser INTERFACE IMPORTED)
target_include_directories(jh::http_parser SYSTEM INTERFACE ${JH_HTTP_PARSER_INCLUDE})
target_link_libraries(jh::http_parser INTERFACE ${JH_HTTP_PARSER_LIBRARY})

# Lua modules in C that become part of the executable (core/lua/linked.c), so that an app in one file
# can use them. cjson is needed by the Lua side; the others are linked in where they are found.
add_library(jh::lua_modules INTERFACE IMPORTED)
foreach(module cjson lpeg lfs)
  set(archive ${module})
  if(module STREQUAL lfs)
    set(archive filesystem)
  endif()
  string(TOUPPER ${module} upper)
  find_library(JH_LUA_${upper} liblua5.1-${archive}.a)
  if(JH_LUA_${upper})
    target_link_libraries(jh::lua_modules INTERFACE ${JH_LUA_${upper}})
    target_compile_definitions(jh::lua_modules INTERFACE JH_HAS_${upper})
  elseif(module STREQUAL cjson)
    message(STATUS "liblua5.1-cjson.a was not found (lua-cjson-dev): cjson.so is loaded at run time")
  endif()
endforeach()
