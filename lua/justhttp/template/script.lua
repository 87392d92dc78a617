--- Follows JavaScript far enough to know whether a place in it is plain code or inside a string, a
-- regular expression or a comment.
--
-- Called by place.lua for <script> elements and on… attributes: JSON may stand in code, but brings
-- its own quotes and would end a string it is put into. `${…}` in a template literal counts as
-- inside.

local find, sub, match = string.find, string.sub, string.match

---@class justhttp.template_script
local Script = { __name = "justhttp.template_script" }
Script.__index = Script

---@return justhttp.template_script
function Script.new()
  return setmetatable({ state = "code", last = "" }, Script)
end

-- Words behind which "/" opens a regular expression; behind other words and names it divides.
local BEFORE_REGEX = {
  ["return"] = true, ["typeof"] = true, ["case"] = true, ["in"] = true, ["of"] = true,
  ["void"] = true, ["delete"] = true, ["else"] = true, ["do"] = true,
}

local function opens_regex(before)
  local word = match(before, "([%w_$]+)%s*$")
  if word then return BEFORE_REGEX[word] or false end
  return not find(before, "[%)%]}\"'`]%s*$")
end

local STEPS = {}

function STEPS.code(script, text, pos)
  local at = find(text, "[\"'`/]", pos)
  script.last = sub(script.last .. sub(text, pos, (at or 0) - 1), -20)
  if not at then return #text + 1 end
  local found, two = sub(text, at, at), sub(text, at, at + 1)
  if found ~= "/" then
    script.state, script.quote = "string", found
  elseif two == "//" then
    script.state = "line_comment"
    return at + 2
  elseif two == "/*" then
    script.state = "comment"
    return at + 2
  elseif opens_regex(script.last) then
    script.state, script.is_class = "regex", false
  else
    script.last = "/"
  end
  return at + 1
end

STEPS["string"] = function(script, text, pos)
  local at = find(text, "[\\\n\"'`]", pos)
  if not at then return #text + 1 end
  local found = sub(text, at, at)
  if found == "\\" then return at + 2 end
  if found == script.quote or (found == "\n" and script.quote ~= "`") then
    script.state, script.last = "code", script.quote
  end
  return at + 1
end

function STEPS.regex(script, text, pos)
  local at = find(text, "[\\\n/%[%]]", pos)
  if not at then return #text + 1 end
  local found = sub(text, at, at)
  if found == "\\" then return at + 2 end
  if found == "[" then script.is_class = true end
  if found == "]" then script.is_class = false end
  if found == "\n" or (found == "/" and not script.is_class) then
    script.state, script.last = "code", ")"
  end
  return at + 1
end

function STEPS.line_comment(script, text, pos)
  local at = find(text, "\n", pos, true)
  if at then script.state = "code" end
  return (at or #text) + 1
end

function STEPS.comment(script, text, pos)
  local _, stop = find(text, "*/", pos, true)
  if stop then script.state = "code" end
  return (stop or #text) + 1
end

--- Reads literal text of the script.
---@param text string
function Script:read(text)
  local pos = 1
  while pos <= #text do pos = STEPS[self.state](self, text, pos) end
end

--- Notes that a value stands here.
function Script:skip_value()
  if self.state == "code" then self.last = ")" end
end

--- True where a value would be a value of its own.
---@return boolean
function Script:is_code()
  return self.state == "code"
end

return Script
