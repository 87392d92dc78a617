-- The rooms of core/ and who may include what: a room never includes upward, and each foreign
-- library has its one place. ARCHITECTURE.md explains the order.
local tree = require "spec.support.tree"

-- Rooms below each room, itself included; justhttp.h includes nothing of core and is open to all.
local may_include = {
  base = { base = true },
  http = { base = true, http = true },
  net = { base = true, http = true, net = true },
  lua = { base = true, lua = true },
  server = { base = true, http = true, net = true, lua = true, server = true },
  embed = { base = true, http = true, net = true, lua = true, server = true, embed = true },
  top = { base = true, http = true, net = true, lua = true, server = true, top = true },
}

-- Foreign headers and the places (plain prefixes of paths) that may include them.
local homes = {
  { "^lua%.h$", "core/lua/" }, { "^luajit%.h$", "core/lua/" },
  { "^lauxlib%.h$", "core/lua/" }, { "^lualib%.h$", "core/lua/" },
  { "^http_parser%.h$", "core/http/parser.c" },
  { "^uv%.h$", "core/net/", "core/server/", "core/embed/" },
  { "^openssl/", "core/net/tls" }, { "^nghttp2/", "core/net/http2_" },
  { "^zlib%.h$", "core/http/coding_gzip.c", "core/http/websocket_deflate.c",
    "core/base/zip" },
  { "^brotli/", "core/http/coding_brotli.c" }, { "^zstd", "core/http/coding_zstd.c" },
  { "^libpsl%.h$", "core/server/public_suffix.c" },
}

local function room_of(path) return path:match("^core/(%w+)/") or "top" end

local function includes()
  local all = {}
  for _, path in ipairs(tree.files("core", "c", "h")) do
    for number, line in ipairs(tree.lines(path)) do
      local open, name = line:match('^%s*#%s*include%s*(["<])([^">]+)')
      if name then
        all[#all + 1] = { path = path, line = number, name = name, is_own = open == '"' }
      end
    end
  end
  return all
end

describe("the rooms of core", function()
  it("never include upward", function()
    local bad = tree.complaints()
    for _, include in ipairs(includes()) do
      local room = room_of(include.path)
      local target = include.name:match("^(%w+)/") or "top"
      if include.is_own and include.name ~= "justhttp.h" then
        if not may_include[room] then
          bad:add(include.path, include.line, "room '" .. room .. "' is unknown",
            "rooms are base, http, net, lua, server and embed")
        elseif not may_include[room][target] then
          local what = ("room '%s' includes \"%s\""):format(room, include.name)
          bad:add(include.path, include.line, what,
            "what is needed from above comes as an argument or belongs in a lower room")
        end
      end
    end
    bad:check()
  end)

  it("name their own headers from core/ on, and these exist", function()
    local bad = tree.complaints()
    for _, include in ipairs(includes()) do
      if include.is_own and not tree.exists("core/" .. include.name) then
        bad:add(include.path, include.line, ("\"%s\" is not below core/"):format(include.name),
          'write the path from core/ on, as in #include "http/parser.h"')
      end
    end
    bad:check()
  end)

  it("keep each foreign library in its place", function()
    local bad = tree.complaints()
    for _, include in ipairs(includes()) do
      for _, home in ipairs(homes) do
        if include.name:find(home[1]) then
          local is_home = false
          for i = 2, #home do
            is_home = is_home or include.path:sub(1, #home[i]) == home[i]
          end
          if not is_home then
            bad:add(include.path, include.line, "<" .. include.name .. "> does not belong here",
              "only " .. table.concat(home, " and ", 2) .. " may include it")
          end
        end
      end
    end
    bad:check()
  end)

  it("leave justhttp.h free of anything of ours", function()
    local bad = tree.complaints()
    for _, include in ipairs(includes()) do
      if include.path == "core/justhttp.h" and include.is_own then
        bad:add(include.path, include.line, "the door includes \"" .. include.name .. "\"",
          "declare an opaque type instead: every room includes the door")
      end
    end
    bad:check()
  end)
end)

describe("the Lua side", function()
  it("calls ffi.cdef and ffi.load in lua/justhttp/door.lua only", function()
    local bad = tree.complaints()
    for _, dir in ipairs { "lua", "apps" } do
      for _, path in ipairs(tree.files(dir, "lua")) do
        for number, line in ipairs(tree.lines(path)) do
          local call = line:gsub("%-%-.*", ""):match("%f[%w_]ffi%.(cdef)%f[^%w_]")
            or line:gsub("%-%-.*", ""):match("%f[%w_]ffi%.(load)%f[^%w_]")
          if call and path ~= "lua/justhttp/door.lua" then
            bad:add(path, number, "ffi." .. call, "declare it in core/justhttp.h and use door.C")
          end
        end
      end
    end
    bad:check()
  end)
end)
