-- The habits of CONTRIBUTING.md that a machine can check: head comments, sizes, banned functions,
-- a spec for every unit, and a README that knows every option.
local tree = require "spec.support.tree"

local most_file_lines, most_function_lines = 800, 120

local function sources()
  local all = {}
  for _, dir in ipairs { "core", "lua", "spec", "apps" } do
    for _, path in ipairs(tree.files(dir, "c", "h", "lua")) do all[#all + 1] = path end
  end
  return all
end

local function is_lua(path) return path:find("%.lua$") ~= nil end

-- Functions of a C file laid out by clang-format: a body opens at the end of a line and closes
-- with a brace in column 1. { name, line, count }.
local function c_functions(path)
  local found, open = {}, nil
  local lines = tree.lines_of(tree.code(path))
  for number, line in ipairs(lines) do
    if not open and line:find("{%s*$") and line:find("^[%a_][^=]*%)%s*{%s*$") then
      open = { name = line:match("([%w_]+)%s*%(") or "?", line = number }
    elseif not open and line:find("^%s+.*%)%s*{%s*$")
      and (lines[number - 1] or ""):find("^[%a_].*[,(]%s*$") then
      open = { name = lines[number - 1]:match("([%w_]+)%s*%(") or "?", line = number - 1 }
    elseif open and line:find("^}") then
      open.count = number - open.line + 1
      found[#found + 1], open = open, nil
    end
  end
  return found
end

-- Functions of a Lua file: `function` opens, `end` at the same indentation closes. Lines of the
-- functions inside one are theirs, not its own.
local function lua_functions(path)
  local found, stack = {}, {}
  for number, line in ipairs(tree.lines(path)) do
    local code = line:gsub("%-%-.*$", "")
    local indent = #code:match("^%s*")
    while #stack > 0 and code:find("^%s*end%f[^%w_]") and stack[#stack].indent >= indent do
      local open = table.remove(stack)
      if open.indent == indent then
        local lines = number - open.line + 1
        open.count = lines - open.inner
        found[#found + 1] = open
        if #stack > 0 then stack[#stack].inner = stack[#stack].inner + lines end
        break
      end
    end
    local _, opened = code:gsub("%f[%w_]function%f[^%w_]", "")
    local _, closed = code:gsub("%f[%w_]end%f[^%w_]", "")
    if opened > closed then
      local name = code:match("function%s+([%w_.:]+)") or code:match("([%w_.]+)%s*=%s*function")
        or "anonymous function"
      stack[#stack + 1] = { name = name, line = number, indent = indent, inner = 0 }
    end
  end
  return found
end

describe("every source file", function()
  it("opens with a comment that says what it is", function()
    local bad = tree.complaints()
    for _, path in ipairs(sources()) do
      local lines = tree.lines(path)
      local first = lines[1] or ""
      if first:find("^#!") then first = lines[2] or "" end
      local wanted = is_lua(path) and "^%-%-" or "^/[*/]"
      if not first:find(wanted) then
        bad:add(path, 1, "no head comment",
          "say in 3 to 12 lines what this is, who calls it and what must stay true")
      end
    end
    bad:check()
  end)

  it("has at most 800 lines", function()
    local bad = tree.complaints()
    for _, path in ipairs(sources()) do
      local count = #tree.lines(path)
      -- The door is one text and has a declaration for all that Lua can ask for.
      local most = path == "core/justhttp.h" and 2 * most_file_lines or most_file_lines
      if count > most then
        bad:add(path, count, count .. " lines", "split it along its nouns; 400 is the wish")
      end
    end
    bad:check()
  end)

  it("has functions of at most 120 lines", function()
    local bad = tree.complaints()
    for _, path in ipairs(sources()) do
      -- A busted block is a function too, but not one anybody calls.
      if not path:find("_spec%.lua$") then
        for _, fn in ipairs(is_lua(path) and lua_functions(path) or c_functions(path)) do
          if fn.count > most_function_lines then
            bad:add(path, fn.line, ("%s has %d lines"):format(fn.name, fn.count),
              "split it by what it does; 60 is the wish")
          end
        end
      end
    end
    bad:check()
  end)

  it("has no tabs, no trailing space, and ends in a newline", function()
    local bad = tree.complaints()
    for _, path in ipairs(sources()) do
      local text = tree.text(path)
      for number, line in ipairs(tree.lines_of(text)) do
        if line:find("\t", 1, true) then bad:add(path, number, "a tab", "indent with spaces") end
        if line:find("%s$") then bad:add(path, number, "trailing space", "remove it") end
      end
      if text:sub(-1) ~= "\n" then bad:add(path, 1, "no newline at the end", "add one") end
    end
    bad:check()
  end)
end)

describe("C code", function()
  local memory = "use base/alloc.h: every allocation is counted and can be made to fail"
  local bounds = "use a length-checked form"
  local banned = {
    malloc = memory, calloc = memory, realloc = memory, free = memory, strdup = memory,
    strndup = memory, asprintf = memory, vasprintf = memory,
    assert = "use JH_REQUIRE, JH_ASSERT or JH_FAILS of base/check.h",
    strcpy = bounds, strcat = bounds, sprintf = bounds, vsprintf = bounds, gets = bounds,
    strtok = "slice with jh_str", atoi = "use jh_str_parse_u64", atol = "use jh_str_parse_u64",
    alloca = "use the arena",
  }
  local excused = { ["core/base/alloc.c"] = memory }

  it("calls none of the banned functions", function()
    local bad = tree.complaints()
    for _, path in ipairs(tree.files("core", "c", "h")) do
      for number, line in ipairs(tree.lines_of(tree.code(path))) do
        for before, name in line:gmatch("(.?)%f[%w_]([%a_][%w_]*)%s*%(") do
          local fix = banned[name]
          if fix and before ~= "." and before ~= ">" and excused[path] ~= fix then
            bad:add(path, number, name .. "()", fix)
          end
        end
      end
    end
    bad:check()
  end)

  it("guards its headers by room and file", function()
    local bad = tree.complaints()
    for _, path in ipairs(tree.files("core", "h")) do
      local wanted = "JH_" .. path:sub(#"core/" + 1):upper():gsub("[^%w]", "_")
      local guard = ("\n#ifndef %s\n#define %s\n"):format(wanted, wanted)
      if not tree.text(path):find(guard, 1, true) then
        bad:add(path, 1, "no guard " .. wanted, "guards are JH_<ROOM>_<FILE>_H")
      end
    end
    bad:check()
  end)
end)

describe("every unit", function()
  it("has its spec where the tree says", function()
    local bad = tree.complaints()
    local units = {}
    for _, dir in ipairs { "core/base", "core/http" } do
      for _, path in ipairs(tree.files(dir, "c")) do units[#units + 1] = path end
    end
    for _, path in ipairs(tree.files("lua/justhttp", "lua")) do units[#units + 1] = path end
    for _, path in ipairs(units) do
      local spec = "spec/" .. path:gsub("%.%w+$", "_spec.lua")
      if not tree.exists(spec) then bad:add(path, 1, "has no spec", "write " .. spec) end
    end
    bad:check()
  end)
end)

describe("README", function()
  it("has a row for every option", function()
    local bad = tree.complaints()
    local readme = tree.exists("README.md") and tree.text("README.md") or ""
    local path = "core/server/options.h"
    local is_table = false
    for number, line in ipairs(tree.lines(path)) do
      if line:find("#define JH_OPTIONS_MAP", 1, true) then is_table = true end
      local name = is_table and line:match("^%s*XX%(([%w_]+),")
      if name and not readme:find("\n| `" .. name .. "`", 1, true) then
        bad:add(path, number, "README.md has no row for " .. name,
          "add a line that begins with | `" .. name .. "` to its table of options")
      end
      if is_table and not line:find("\\%s*$") then is_table = false end
    end
    bad:check()
  end)
end)
