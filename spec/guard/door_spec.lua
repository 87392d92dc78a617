-- The laws of the door: core/justhttp.h is the FFI's own text, declares what the executable
-- exports, and holds nothing LuaJIT cannot read or compile.
local ffi = require "ffi"
local core = require "spec.support.core"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local tree = require "spec.support.tree"

local header = "core/justhttp.h"

-- The door's text, comments blanked, and the line of the header it starts on.
local function door()
  local text, first_line = core.region("justhttp.h")
  return tree.strip_c(text), first_line
end

local function line_at(text, position, first_line)
  local _, count = text:sub(1, position):gsub("\n", "")
  return first_line + count
end

-- Function declarations of the door: { name, text, line }.
local function functions()
  local code, first_line = door()
  -- Bodies of structs and enums hold no functions; what they hold must not look like one.
  code = code:gsub("%b{}", function(body) return (body:gsub("[^\n]", " ")) end)
  local found = {}
  for from, statement in code:gmatch("()([^;]+);") do
    local name = statement:match("([%w_]+)%s*%(")
    if name and not statement:match("^%s*typedef") then
      local at = from + #statement:match("^%s*")
      found[#found + 1] = { name = name, text = statement:gsub("%s+", " "),
                            line = line_at(code, at, first_line) }
    end
  end
  return found
end

local function structs()
  local found = {}
  for name in door():gmatch("typedef%s+struct%s+([%w_]+)") do found[#found + 1] = name end
  return found
end

local function output_of(command)
  local pipe = io.popen(command)
  local text = pipe:read("*a")
  pipe:close()
  return text
end

describe("the door", function()
  it("is plain declarations, without preprocessor lines", function()
    local bad = tree.complaints()
    local text, first_line = core.region("justhttp.h")
    for i, line in ipairs(tree.lines_of(text)) do
      if line:find("^%s*#") then
        bad:add(header, first_line + i - 1, "'#' between the marks", "use an enum")
      end
    end
    bad:check()
  end)

  it("is read by LuaJIT as it stands", function()
    core.load("justhttp.h")
  end)

  it("takes and returns no struct by value, and no function pointer", function()
    local bad = tree.complaints()
    for _, fn in ipairs(functions()) do
      for _, name in ipairs(structs()) do
        if fn.text:find("%f[%w_]" .. name .. "%f[^%w_]%s*[%w_,)]") then
          bad:add(header, fn.line, fn.name .. " passes " .. name .. " by value",
            "pass a pointer: LuaJIT does not compile calls with structs by value")
        end
      end
      if fn.text:find("%(%s*%*") then
        bad:add(header, fn.line, fn.name .. " takes a function pointer",
          "post an event instead: nothing behind the door calls Lua")
      end
    end
    bad:check()
  end)

  it("has the number and the text the library was built with", function()
    local C = core.load("justhttp.h")
    assert.equal(tonumber(C.JH_ABI_VERSION), C.jh_abi_version())
    assert.is_true((core.region("justhttp.h")) == ffi.string(C.jh_door_text()),
      "the library was built from another core/justhttp.h; build again")
  end)

  it("declares exactly what the executable exports", function()
    local bad = tree.complaints()
    local exported = {}
    assert(tree.exists(server.executable), server.executable .. " was not built")
    for name in output_of("nm -D --defined-only " .. sys.quote(server.executable))
      :gmatch("%x+ [TWVDBR] ([%w_]+)") do
      exported[name] = true
    end
    for _, fn in ipairs(functions()) do
      if not exported[fn.name] then
        bad:add(header, fn.line, fn.name .. " is declared but the executable does not export it",
          "define it in core/door.c or remove the declaration")
      end
      exported[fn.name] = nil
    end
    for name in pairs(exported) do
      if name:find("^jh_") then
        bad:add(header, 1, name .. " is exported but not declared in the door",
          "hidden is the default; only core/justhttp.h may make a symbol visible")
      end
    end
    bad:check()
  end)

  it("has structs of the same layout in C and in Lua", function()
    core.load("justhttp.h")
    local code = door()
    local checks = {}
    for name, body in code:gmatch("typedef%s+struct%s+([%w_]+)%s*(%b{})") do
      checks[#checks + 1] = { "sizeof(" .. name .. ")", ffi.sizeof(name) }
      for field in body:gmatch("([%w_]+)%s*[%[;]") do
        local offset = ffi.offsetof(name, field)
        if offset then
          checks[#checks + 1] = { ("offsetof(%s, %s)"):format(name, field), offset }
        end
      end
    end
    local lines = { '#include "justhttp.h"' }
    for _, check in ipairs(checks) do
      lines[#lines + 1] = ('_Static_assert(%s == %d, "LuaJIT says %d for %s");'):format(check[1],
        check[2], check[2], check[1])
    end
    local dir = sys.temp_dir()
    sys.write_file(dir .. "/layout.c", table.concat(lines, "\n") .. "\n")
    local complaint = output_of(("gcc -std=c11 -Icore -fsyntax-only %s/layout.c 2>&1"):format(dir))
    sys.remove(dir)
    assert.equal("", complaint)
  end)

  it("is a header C++ takes too", function()
    assert.truthy(tree.text(header):find('extern "C"', 1, true))
  end)
end)
