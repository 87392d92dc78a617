# libjusthttp, shared and static, for programs that embed the server; and `cmake --install`.
#
# Included by CMakeLists.txt. The objects are those of the specs' library, where everything is
# visible; a version script leaves what core/embed/justhttp.h declares, and under a version of its
# own, for Lua's FFI, what core/justhttp.h declares.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(JH_PUBLIC_HEADER ${CMAKE_SOURCE_DIR}/core/embed/justhttp.h)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${JH_PUBLIC_HEADER} ${JH_DOOR})

# The functions that a header declares: each at the beginning of a line, as clang-format has it.
function(functions_of header out)
  file(STRINGS ${header} lines REGEX "^[a-z].*[ *]jh_[a-z0-9_]+\\(")
  set(names "")
  foreach(line IN LISTS lines)
    if(line MATCHES "^[a-z][^(]*[ *](jh_[a-z0-9_]+)\\(")
      string(APPEND names "    ${CMAKE_MATCH_1};\n")
    endif()
  endforeach()
  set(${out} "${names}" PARENT_SCOPE)
endfunction()

functions_of(${JH_PUBLIC_HEADER} public)
functions_of(${JH_DOOR} private)
set(JH_SYMBOLS ${CMAKE_BINARY_DIR}/generated/libjusthttp.map)
file(CONFIGURE OUTPUT ${JH_SYMBOLS} CONTENT
"JUSTHTTP_${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR} {
  global:
${public}  local:
    *;
};
JUSTHTTP_PRIVATE {
  global:
${private}};
" @ONLY)

add_library(justhttp_shared SHARED $<TARGET_OBJECTS:jh_objects>)
target_link_libraries(justhttp_shared PRIVATE jh_flags)
target_link_options(justhttp_shared PRIVATE
  -Wl,--version-script=${JH_SYMBOLS} -Wl,-Bsymbolic-functions)
set_target_properties(justhttp_shared PROPERTIES OUTPUT_NAME justhttp
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} LINK_DEPENDS ${JH_SYMBOLS})

add_library(justhttp_static STATIC $<TARGET_OBJECTS:jh_objects>)
set_target_properties(justhttp_static PROPERTIES OUTPUT_NAME justhttp)

# ---- install ---------------------------------------------------------------------------------------
# Against the archive a program links what it needs as well; pkg-config knows most of it by name.
set(JH_REQUIRES "luajit libuv libnghttp2 libssl libcrypto zlib libbrotlienc libbrotlidec libzstd libpsl")
# From the folder of libraries back to the prefix: ".." for lib, "../.." for lib/x86_64-linux-gnu.
string(REGEX REPLACE "[^/]+" ".." JH_LIBDIR_UP "${CMAKE_INSTALL_LIBDIR}")
configure_file(deps/justhttp.pc.in ${CMAKE_BINARY_DIR}/generated/justhttp.pc @ONLY)
configure_file(deps/justhttp-config.cmake.in
  ${CMAKE_BINARY_DIR}/generated/justhttp-config.cmake @ONLY)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/generated/justhttp-config-version.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)

install(TARGETS justhttp RUNTIME)
install(TARGETS justhttp_shared justhttp_static LIBRARY ARCHIVE)
install(FILES ${JH_PUBLIC_HEADER} TYPE INCLUDE)
install(FILES ${CMAKE_BINARY_DIR}/generated/justhttp.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${CMAKE_BINARY_DIR}/generated/justhttp-config.cmake
  ${CMAKE_BINARY_DIR}/generated/justhttp-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/justhttp)

# ---- programs that embed it: an example, and what the specs run -------------------------------------
foreach(source apps/embed/shop.c spec/embed/embedder.c)
  get_filename_component(name ${source} NAME_WE)
  if(EXISTS ${CMAKE_SOURCE_DIR}/${source})
    add_executable(embed_${name} ${source})
    target_include_directories(embed_${name} PRIVATE core/embed)
    target_link_libraries(embed_${name} PRIVATE justhttp_shared jh::luajit jh::uv pthread)
    target_compile_options(embed_${name} PRIVATE -Wall -Wextra)
    set_target_properties(embed_${name} PROPERTIES C_EXTENSIONS ON) # as a program's own compiler has it
    if(JH_SANITIZE)
      target_compile_options(embed_${name} PRIVATE -fsanitize=${JH_SANITIZE})
      target_link_options(embed_${name} PRIVATE -fsanitize=${JH_SANITIZE})
    endif()
  endif()
endforeach()
