-- query_checks.lua: what holds for any urlencoded text. Run by query_fuzz.c.
--
--  - Nothing raises; every name and value is a string; together they are no longer than the text.
--  - decode undoes escape, and never makes text longer.
--  - encode of what was read reads back as the same, and encodes to the same text again.
--  - A limit is kept, and told of exactly when it was met.
local query = require "justhttp.query"

-- How many fields there are, after the plain rule: what lies between "&", where not empty.
local function count_fields(text)
  local count = 0
  for _ in text:gmatch "[^&]+" do count = count + 1 end
  return count
end

local function check_all(all, text)
  local count, bytes = 0, 0
  for name, values in pairs(all) do
    assert(type(name) == "string" and #values > 0)
    for _, value in ipairs(values) do
      assert(type(value) == "string")
      count, bytes = count + 1, bytes + #name + #value
    end
  end
  assert(bytes <= #text, "more came out than went in")
  return count
end

local function check_first(first, all)
  for name, values in pairs(all) do assert(first[name] == values[1]) end
  for name in pairs(first) do assert(all[name]) end
end

local function same(one, other)
  for name, values in pairs(one) do
    if not other[name] or #other[name] ~= #values then return false end
    for i, value in ipairs(values) do
      if other[name][i] ~= value then return false end
    end
  end
  for name in pairs(other) do
    if not one[name] then return false end
  end
  return true
end

local function check_limit(text, limit)
  local all, truncated = query.parse_all(text, limit)
  local first, first_truncated = query.parse(text, limit)
  local total = count_fields(text)
  assert(check_all(all, text) == math.min(total, limit), "the limit is not kept")
  assert((truncated ~= nil) == (total > limit) and truncated == first_truncated)
  check_first(first, all)
  return all
end

return function(text)
  local decoded = query.decode(text)
  assert(type(decoded) == "string" and #decoded <= #text)
  local escaped = query.escape(text)
  assert(not escaped:find "[^%w%-%._~%%]" and #escaped <= 3 * #text)
  assert(query.decode(escaped) == text, "decode does not undo escape")

  check_limit(text, #text % 7)
  local all = check_limit(text, query.MAX_FIELDS)
  local encoded = query.encode(all)
  local again = query.parse_all(encoded)
  assert(same(all, again), "encode loses something")
  assert(query.encode(again) == encoded, "encode is not stable")
end
