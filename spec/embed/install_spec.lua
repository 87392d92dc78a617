-- What `make install` installs: that a program finds it, compiles against it and runs.
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local tree = require "spec.support.tree"
local wait_for = require "spec.support.wait"
local wire = require "spec.support.wire"

local function output_of(command)
  local pipe = io.popen(command .. " 2>&1; echo \"exit $?\"")
  local text = pipe:read "*a"
  pipe:close()
  local code
  text, code = text:match "^(.*)exit (%d+)\n$"
  return text, tonumber(code)
end

local function run(command)
  local text, code = output_of(command)
  assert(code == 0, command .. "\n" .. text)
  return text
end

-- Starts a build of apps/embed and asks for its three kinds of answers.
local function try(program, env)
  local self = server.launch { program = program, "127.0.0.1:0", env = env }
  local port
  wait_for(function()
    port = self:stdout():match "listening on http://127%.0%.0%.1:(%d+)"
    return port or not self:is_running()
  end, 60, "the program to listen")
  assert(port, self:output())
  local where = { host = "127.0.0.1", port = tonumber(port) }
  assert.equal("tea: 7 in stock\n", wire.get(where, "/stock/tea").body)
  assert.truthy(wire.get(where, "/price/tea").body:find('"price":2.5', 1, true))
  assert.truthy(wire.get(where, "/price/tea").body:find('"request":3', 1, true))
  assert.equal(404, wire.get(where, "/price/gold").status)
  return self
end

describe("apps/embed", function()
  it("serves a route in C and one in Lua that calls C", function()
    try(sys.absolute(server.build .. "/embed_shop")):stop()
  end)

  it("is clean under valgrind", function()
    local _, missing = output_of "command -v valgrind"
    if missing ~= 0 then return pending "valgrind is not installed (deps/install.sh test)" end
    if tree.text(server.build .. "/CMakeCache.txt"):match "JH_SANITIZE:STRING=%w" then
      return pending "valgrind does not run what a sanitizer watches"
    end
    local shop = sys.absolute(server.build .. "/embed_shop")
    local dir = sys.temp_dir()
    local script = dir .. "/shop"
    sys.write_file(script, ("#!/bin/sh\nexec valgrind --quiet --error-exitcode=9 --leak-check=full "
      .. "--errors-for-leak-kinds=definite,indirect,possible --suppressions=%s %s \"$@\"\n"):format(
      sys.quote(sys.absolute "spec/support/valgrind.supp"), sys.quote(shop)))
    run("chmod +x " .. sys.quote(script))
    local self = try(script)
    self:signal(sys.SIGTERM)
    local code = self:wait(60)
    assert.equal(0, code, self:output())
    self:stop()
    sys.remove(dir)
  end)
end)

describe("an installed libjusthttp", function()
  local root, prefix

  setup(function()
    root = sys.temp_dir()
    run(("DESTDIR=%s cmake --install %s --prefix /usr/local"):format(sys.quote(root),
      sys.quote(server.build)))
    prefix = root .. "/usr/local"
  end)
  teardown(function() sys.remove(root) end)

  local function pkg_config(arguments)
    local find = ("dirname $(find %s -name justhttp.pc)"):format(sys.quote(prefix))
    local ask = "PKG_CONFIG_PATH=%s pkg-config %s justhttp"
    local text = run(ask:format(run(find):gsub("%s", ""), arguments))
    return (text:gsub("%s+$", ""))
  end

  local function sanitizers()
    local flags = tree.text(server.build .. "/CMakeCache.txt"):match "JH_SANITIZE:STRING=([%w,]+)"
    return flags and "-fsanitize=" .. flags or ""
  end

  it("is found by pkg-config, shared", function()
    local flags = pkg_config "--cflags --libs"
    run(("cc %s apps/embed/shop.c -o %s/shared %s"):format(sanitizers(), root, flags))
    local libdir = pkg_config "--variable=libdir"
    try(root .. "/shared", { LD_LIBRARY_PATH = libdir }):stop()
  end)

  it("is found by pkg-config, static: the program needs no flags for its symbols", function()
    local flags = pkg_config "--cflags"
    local libs = pkg_config "--static --libs"
    libs = libs:gsub("%-ljusthttp", "-l:libjusthttp.a")
    run(("cc %s apps/embed/shop.c -o %s/static %s %s"):format(sanitizers(), root, flags, libs))
    assert.falsy(run("ldd " .. root .. "/static"):find("libjusthttp", 1, true))
    try(root .. "/static"):stop()
  end)

  it("is found by CMake", function()
    local dir = root .. "/project"
    os.execute("mkdir -p " .. sys.quote(dir))
    sys.write_file(dir .. "/CMakeLists.txt", [[
cmake_minimum_required(VERSION 3.16)
project(shop C)
find_package(justhttp 0.1 REQUIRED)
add_executable(shop ]] .. sys.absolute "apps/embed/shop.c" .. [[)
target_link_libraries(shop PRIVATE justhttp::justhttp)
target_compile_options(shop PRIVATE ]] .. sanitizers() .. [[)
target_link_options(shop PRIVATE ]] .. sanitizers() .. [[)
]])
    run(("cd %s && cmake -S . -B build -DCMAKE_PREFIX_PATH=%s && cmake --build build"):format(
      sys.quote(dir), sys.quote(prefix)))
    try(dir .. "/build/shop"):stop()
  end)

  it("shows the functions of its header and no others", function()
    local declared, shown = {}, {}
    for name in tree.strip_c(tree.text "core/embed/justhttp.h"):gmatch "(jh_[%w_]+)%(" do
      declared[#declared + 1] = name
    end
    local find = "find %s -name 'libjusthttp.so.?'"
    local library = run(find:format(sys.quote(prefix))):gsub("%s", "")
    for name, version in run("nm -D --defined-only " .. library):gmatch " T (%S+)@@(%S+)" do
      if version ~= "JUSTHTTP_PRIVATE" then shown[#shown + 1] = name end
    end
    table.sort(declared)
    table.sort(shown)
    assert.same(declared, shown)
  end)

  it("has a header that C++ takes too", function()
    sys.write_file(root .. "/header.cc", "#include <justhttp.h>\nint main() {}\n")
    local _, missing = output_of "command -v c++"
    if missing ~= 0 then return pending "there is no C++ compiler" end
    run(("c++ -fsyntax-only -I%s/include %s/header.cc"):format(prefix, root))
  end)
end)
