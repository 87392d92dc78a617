--- Cuts the text of a template into its parts: literal text and tags.
--
-- Called by compiler.lua. Knows where tags begin and end, what kind they are, and the line each
-- begins on; knows nothing of what they do. Pure: text in, a list out.

local find, sub, match, gsub, byte = string.find, string.sub, string.match, string.gsub, string.byte
local format = string.format

local M = {}

---@class justhttp.template_part
---@field kind "text"|"value"|"raw"|"code"|"layout"|"block"|"endblock"|"fill"|"endfill"
---@field text string literal text, Lua code, or the name a directive gives
---@field line integer where it begins

-- Tags that are not Lua: their word alone, or their word and one name in quotes.
local DIRECTIVES = { layout = "name", block = "name", fill = "name", endblock = "", endfill = "" }

-- Those that write nothing where they stand: the line they are on is dropped with them.
local IS_SILENT = { layout = true, fill = true, endfill = true }

local KINDS = { ["="] = "value", ["-"] = "raw", ["#"] = "comment", ["%"] = "percent" }

local function count_lines(text, from, to)
  local count = 0
  while true do
    from = find(text, "\n", from, true)
    if not from or from > to then return count end
    count, from = count + 1, from + 1
  end
end

-- Where the long bracket that opens at `pos` ("[[", "[==[") ends; nil when none opens there or it
-- does not end.
local function long_bracket_end(code, pos)
  local equals = match(code, "^%[(=*)%[", pos)
  if not equals then return nil end
  local _, stop = find(code, "]" .. equals .. "]", pos, true)
  return stop
end

-- Where the quoted string that opens at `pos` ends; nil when it does not.
local function string_end(code, pos)
  local quote = byte(code, pos)
  pos = pos + 1
  while true do
    pos = find(code, "[\\\"']", pos)
    if not pos then return nil end
    local at = byte(code, pos)
    if at == quote then return pos end
    pos = pos + (at == 92 and 2 or 1)
  end
end

--- Removes a line comment that would swallow what is generated behind the code. Only the last line
-- can have one that matters.
---@param code string
---@return string? code nil when a string in it has no end: it would swallow that too
function M.without_last_comment(code)
  local pos = 1
  while true do
    pos = find(code, "[\"'%[%-]", pos)
    if not pos then return code end
    local at = byte(code, pos)
    local stop
    if at == 45 then
      if byte(code, pos + 1) == 45 then
        stop = long_bracket_end(code, pos + 2) or find(code, "\n", pos, true)
        if not stop then
          -- An unclosed "--[[" is left to Lua, which says so.
          return match(code, "^%[=*%[", pos + 2) and code or sub(code, 1, pos - 1)
        end
      end
    elseif at == 91 then
      stop = long_bracket_end(code, pos)
    else
      stop = string_end(code, pos)
      if not stop then return nil end
    end
    pos = (stop or pos) + 1
  end
end

local function fail(path, line, text)
  error(format("%s:%d: %s", path, line, text), 0)
end

local function lua_of(code, path, line)
  return M.without_last_comment(code) or fail(path, line, "a string without its closing quote")
end

-- The directive in a tag, or nil when the tag is Lua.
local function directive(code, path, line)
  local word, rest = match(code, "^%s*(%l+)%s*(.-)%s*$")
  local wants = DIRECTIVES[word]
  if not wants then return nil end
  if wants == "" then
    if rest == "" then return word, "" end
    if match(rest, "^[=,.:%[(]") then return nil end
    fail(path, line, format("'%s' stands alone in its tag: <%% %s %%>", word, word))
  end
  local quote, name = match(rest, "^%(?%s*([\"'])(.-)%1%s*%)?$")
  if name and name ~= "" and not find(name, quote, 1, true) then return word, name end
  -- Names of variables may be directive words; a string or nothing behind the word is a slip.
  if rest ~= "" and not match(rest, "^[\"'(%[]") then return nil end
  fail(path, line, format('\'%s\' takes one name in quotes: <%% %s "name" %%>', word, word))
end

local function behind_line_end(text, pos)
  local _, newline = find(text, "^[ \t]*\r?\n", pos)
  return newline and newline + 1 or pos
end

-- Reads the tag that opens at `open`. Returns kind, code, and where the text behind it begins.
local function tag(text, open, path, line)
  local kind = KINDS[sub(text, open + 2, open + 2)]
  if kind == "percent" then return "text", "<%", open + 3 end
  local from = open + (kind and 3 or 2)
  local close = find(text, "%>", from, true)
  if not close then fail(path, line, "'<%' without '%>'") end
  local stop, after = close - 1, close + 2
  if stop >= from and byte(text, stop) == 45 then
    stop, after = stop - 1, behind_line_end(text, after)
  end
  return kind or "code", sub(text, from, stop), after
end

--- Cuts a template into parts. Raises "path:line: …" for a tag that cannot be read.
---@param text string
---@param path string for messages
---@return justhttp.template_part[]
function M.parse(text, path)
  local parts, pos, line = {}, 1, 1
  text = gsub(text, "^\239\187\191", "") -- a byte order mark is not part of the page
  while true do
    local open = find(text, "<%", pos, true)
    local literal = sub(text, pos, (open or 0) - 1)
    if literal ~= "" then parts[#parts + 1] = { kind = "text", text = literal, line = line } end
    if not open then return parts end
    line = line + count_lines(text, pos, open)
    local kind, code, after = tag(text, open, path, line)
    if kind == "code" then
      local word, name = directive(code, path, line)
      if word then kind, code = word, name else code = lua_of(code, path, line) end
      if IS_SILENT[kind] then after = behind_line_end(text, after) end
    elseif kind == "value" or kind == "raw" then
      code = lua_of(code, path, line)
      if not find(code, "%S") then fail(path, line, "a tag without an expression") end
    end
    if kind ~= "comment" then parts[#parts + 1] = { kind = kind, text = code, line = line } end
    line = line + count_lines(text, open, after - 1)
    pos = after
  end
end

return M
