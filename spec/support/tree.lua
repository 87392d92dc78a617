-- Reading the source tree, for the guard specs.
--
--   local tree = require "spec.support.tree"
--   for _, path in ipairs(tree.files("core", "c", "h")) do …  end      -- sorted paths
--   for number, line in ipairs(tree.lines(path)) do … end
--   local code = tree.code(path)           -- C without comments and string contents, same lines
--   local bad = tree.complaints()
--   bad:add(path, number, "includes upward", "move it to a room above")
--   bad:check()                            -- raises with one line per complaint
local sys = require "spec.support.sys"

local M = {}

-- Files below a directory with one of the extensions; none when the directory is missing.
function M.files(dir, ...)
  local wanted = {}
  for _, extension in ipairs { ... } do wanted[extension] = true end
  local found = {}
  local pipe = io.popen("find " .. sys.quote(dir) .. " -type f 2>/dev/null | LC_ALL=C sort")
  for path in pipe:lines() do
    if wanted[path:match("%.(%w+)$") or ""] then found[#found + 1] = path end
  end
  pipe:close()
  return found
end

function M.exists(path) return sys.read_file(path) ~= nil end

function M.text(path) return assert(sys.read_file(path), path .. ": no such file") end

function M.lines_of(text)
  local lines = {}
  if text:sub(-1) ~= "\n" then text = text .. "\n" end
  for line in text:gmatch("(.-)\n") do lines[#lines + 1] = line end
  return lines
end

function M.lines(path) return M.lines_of(M.text(path)) end

local function blank(text) return (text:gsub("[^\n]", " ")) end

-- C text with comments and what string and character literals hold blanked; lines stay where
-- they are.
function M.strip_c(text)
  local out, at = {}, 1
  while true do
    local from = text:find("[\"'/]", at)
    if not from then break end
    out[#out + 1] = text:sub(at, from - 1)
    local two = text:sub(from, from + 1)
    local last
    if two == "/*" then
      last = select(2, text:find("*/", from + 2, true)) or #text
      out[#out + 1] = blank(text:sub(from, last))
    elseif two == "//" then
      last = (text:find("\n", from, true) or #text + 1) - 1
      out[#out + 1] = blank(text:sub(from, last))
    elseif two:sub(1, 1) == "/" then
      last = from
      out[#out + 1] = "/"
    else
      local quote = two:sub(1, 1)
      last = from + 1
      while last <= #text and text:sub(last, last) ~= quote do
        last = last + (text:sub(last, last) == "\\" and 2 or 1)
      end
      out[#out + 1] = quote .. blank(text:sub(from + 1, last - 1)) .. quote
    end
    at = last + 1
  end
  out[#out + 1] = text:sub(at)
  return table.concat(out)
end

function M.code(path) return M.strip_c(M.text(path)) end

local complaints = {}
complaints.__index = complaints

function M.complaints() return setmetatable({}, complaints) end

-- One complaint: where, what is wrong, and what to do about it.
function complaints:add(path, line, what, fix)
  self[#self + 1] = ("%s:%d: %s; %s"):format(path, line, what, fix)
end

function complaints:check()
  if #self > 0 then error("\n" .. table.concat(self, "\n"), 2) end
end

return M
