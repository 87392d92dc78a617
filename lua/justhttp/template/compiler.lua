--- Turns the text of a template into Lua functions.
--
-- Called by template.lua when a template is first used. The text outside of fills becomes one
-- function, the body; each `fill` becomes one of its own, because the layout runs it at another
-- time. Generated code keeps the line numbers of the template, so whatever Lua says about it is
-- true of the template. Literal text and values are written by few calls: out:put(a, b, c, …).

local parser = require "justhttp.template.parser"
local place = require "justhttp.template.place"

local find, gsub, rep, format = string.find, string.gsub, string.rep, string.format
local concat, loadstring, error = table.concat, loadstring, error

local M = {}

---@class justhttp.template_unit
---@field chunk function makes the function that writes: chunk(runtime functions…)

---@class justhttp.template_code
---@field body justhttp.template_unit
---@field fills table<string, justhttp.template_unit>
---@field layout string?
---@field layout_line integer?

-- What a chunk is called with, in this order, and the function it makes. Names start with two
-- underscores so that they stay out of the way of the template's.
local HEADER = "local __escape,__raw,__url,__name,__srcdoc,__block,__flush=... "
local BEFORE, AFTER = "return function(__o,__s) ", " end"

-- Arguments per put: well below what one call can take.
local PUT_MAX = 50

-- ---- writing one unit ---------------------------------------------------------------------------

local function new_unit(kind, name, line)
  return { kind = kind, name = name, first_line = line, line = 1, puts = 0, blocks = {},
    is_empty = true, place = place.new() }
end

-- Puts `code` at template line `line`; what was written before ends there or earlier.
local function write(unit, line, code)
  if line > unit.line then
    unit[#unit + 1] = rep("\n", line - unit.line)
    unit.line = line
  end
  unit[#unit + 1] = code
  local _, newlines = gsub(code, "\n", "")
  unit.line = unit.line + newlines
end

local function end_put(unit, is_last)
  if unit.puts == 0 then return end
  unit.puts = 0
  unit[#unit + 1] = is_last and ");" or ");if #__o>__s.limit then __flush(__s) end "
end

local function put(unit, line, code)
  if unit.puts >= PUT_MAX then end_put(unit, true) end
  write(unit, line, unit.puts == 0 and "__o:put(" or ",")
  write(unit, line, code)
  unit.puts = unit.puts + 1
end

-- ---- the parts ----------------------------------------------------------------------------------

local function fail(state, line, ...)
  error(format("%s:%d: %s", state.path, line, format(...)), 0)
end

-- Lua's message about generated code, in words of the template.
local function reworded(message)
  message = gsub(message, "near '__[%w]+'", "near '%%>'")
  message = gsub(message, "'%)' expected near", "one expression expected, it ends near")
  return message
end

local function check_expression(state, part)
  local code = rep("\n", part.line - 1) .. "return (" .. part.text .. ")"
  local chunk, err = loadstring(code, "@" .. state.path)
  if chunk then return end
  err = gsub(reworded(err), "'<eof>' expected near", "one expression expected, it ends near")
  error(gsub(err, "near '%)'", "near '%%>'"), 0)
end

local function value_call(state, unit, part)
  local where = unit.place:where()
  local code = part.text
  if where == "unquoted" then
    fail(state, part.line, "a value in an attribute needs quotes around it: %s=\"<%%= … %%>\"",
      unit.place.attribute)
  end
  if where == "script" or where == "handler" then
    if not find(code, "^%s*json%s*%b()%s*$") then
      fail(state, part.line, "a value in a script is written as JSON: <%%= json(value) %%>")
    end
    if not unit.place:is_code() then
      fail(state, part.line, "JSON in a script stands outside of quotes and comments; a string "
        .. "brings its own quotes")
    end
  end
  if where == "script" then return "__raw((" .. code .. "))" end
  if where == "handler" or where == "text" then return "__escape((" .. code .. "))" end
  return "__" .. where .. "((" .. code .. "))"
end

local PARTS = {}

function PARTS.text(_, unit, part)
  if find(part.text, "%S") then unit.is_empty = false end
  unit.place:read(part.text)
  put(unit, part.line, format("%q", part.text))
end

function PARTS.value(state, unit, part)
  check_expression(state, part)
  unit.is_empty = false
  put(unit, part.line, value_call(state, unit, part))
  unit.place:skip_value()
end

function PARTS.raw(state, unit, part)
  check_expression(state, part)
  unit.is_empty = false
  put(unit, part.line, "__raw((" .. part.text .. "))")
  unit.place:skip_value()
end

function PARTS.code(_, unit, part)
  end_put(unit)
  unit.is_empty = false
  local code = part.text
  -- A return may only end a block, and text may follow the tag.
  if find(code, "^%s*return[%s;]*$") then code = "do return end" end
  write(unit, part.line, code .. " ")
end

function PARTS.layout(state, unit, part)
  if state.layout then
    fail(state, part.line, "a second layout; line %d has one", state.layout_line)
  end
  if not unit.is_empty then fail(state, part.line, "'layout' comes first in a template") end
  state.body = new_unit("body", nil, 1)
  state.unit = state.body
  state.layout, state.layout_line = part.text, part.line
end

function PARTS.block(state, unit, part)
  local where = unit.place:where()
  if where ~= "text" and where ~= "url" then
    fail(state, part.line, "a block cannot stand here; put the whole element or attribute value "
      .. "into it")
  end
  end_put(unit)
  unit.is_empty = false
  unit.blocks[#unit.blocks + 1] = part
  write(unit, part.line, format("if not __block(__s,%q) then ", part.text))
end

function PARTS.endblock(state, unit, part)
  if #unit.blocks == 0 then fail(state, part.line, "'endblock' without a block") end
  end_put(unit)
  unit.blocks[#unit.blocks] = nil
  write(unit, part.line, "end ")
end

-- A fill counts wherever it stands; inside an `if` that would be a surprise.
local function check_is_outside(state, unit, part)
  local chunk, err = loadstring(HEADER .. concat(unit) .. (unit.puts > 0 and ")" or ""))
  if not chunk and find(err, "<eof>", 1, true) then
    fail(state, part.line, "a fill cannot stand inside Lua's if or for; put those into the fill")
  end
end

function PARTS.fill(state, unit, part)
  if unit.kind == "fill" then
    fail(state, part.line, "a fill inside the fill %q of line %d", unit.name, unit.first_line)
  end
  if not state.layout then
    fail(state, part.line, 'a fill without a layout; begin the template with <%% layout "name" %%>')
  end
  if state.fills[part.text] then fail(state, part.line, "a second fill %q", part.text) end
  check_is_outside(state, unit, part)
  state.unit = new_unit("fill", part.text, part.line)
  state.fills[part.text] = state.unit
end

local function check_blocks(state, unit)
  local open = unit.blocks[#unit.blocks]
  if open then fail(state, open.line, "block %q has no endblock", open.text) end
end

function PARTS.endfill(state, unit, part)
  if unit.kind ~= "fill" then fail(state, part.line, "'endfill' without a fill") end
  check_blocks(state, unit)
  state.unit = state.body
end

-- ---- from source to function --------------------------------------------------------------------

local function load_unit(state, unit)
  end_put(unit, true)
  local code = concat(unit)
  -- Alone first: inside the function, Lua would complain about the function instead.
  local chunk, err = loadstring(HEADER .. "local __o,__s " .. code, "@" .. state.path)
  if chunk then
    chunk, err = loadstring(HEADER .. BEFORE .. code .. AFTER, "@" .. state.path)
  end
  if not chunk then error(reworded(err), 0) end
  return { chunk = chunk }
end

-- With a layout, what stands outside of fills is the fill "content".
local function place_content(state)
  local body = state.body
  local content = state.fills.content
  if content and not body.is_empty then
    fail(state, content.first_line, 'text outside of fills is the fill "content" already')
  end
  if content then
    state.fills.content = nil
    return content
  end
  return body
end

--- Compiles the text of a template. Raises "path:line: …" when it cannot be.
---@param text string
---@param path string what messages call it
---@return justhttp.template_code
function M.compile(text, path)
  local state = { path = path, body = new_unit("body", nil, 1), fills = {} }
  state.unit = state.body
  for _, part in ipairs(parser.parse(text, path)) do PARTS[part.kind](state, state.unit, part) end
  local body = state.body
  if state.unit ~= body then
    fail(state, state.unit.first_line, "fill %q has no endfill", state.unit.name)
  end
  check_blocks(state, body)
  local main = state.layout and place_content(state) or body
  local made = { fills = {}, layout = state.layout, layout_line = state.layout_line }
  made.body = load_unit(state, main)
  for name, unit in pairs(state.fills) do made.fills[name] = load_unit(state, unit) end
  return made
end

return M
