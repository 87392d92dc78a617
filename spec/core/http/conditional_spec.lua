-- conditional_spec.lua: preconditions in the order of RFC 9110 §13.2.2.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/conditional.h", "base/alloc.h", "base/clock.h")

local PROCEED, WHOLE, NOT_MODIFIED, FAILED = 0, 200, 304, 412

local MODIFIED = 784111777
local BEFORE, SAME, AFTER = "Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov 1994 08:49:37 GMT",
  "Sun, 06 Nov 1994 08:49:38 GMT"

-- A slice whose memory ends where the text does, so that AddressSanitizer sees a read beyond it.
local function exact(text, keep)
  if not text then return nil end
  local memory = ffi.gc(ffi.cast("char *", C.jh_alloc(math.max(#text, 1))), C.jh_free)
  ffi.copy(memory, text, #text)
  keep[#keep + 1] = memory
  return { memory, #text }
end

-- The answer for a GET of something that has the entity tag "a" and was modified at SAME, long ago;
-- `state` changes any of that.
local function check(fields, state)
  local keep, given = {}, {}
  for name, text in pairs(fields) do given[name] = exact(text, keep) end
  local known = {
    etag = exact('"a"', keep), last_modified_s = MODIFIED, has_last_modified = true, exists = true,
    is_get = true, has_range = fields.if_range ~= nil, now_s = MODIFIED + 1000,
  }
  for name, value in pairs(state or {}) do
    known[name] = name == "etag" and exact(value, keep) or value
  end
  return tonumber(C.jh_conditional_check(ffi.new("jh_conditional_fields", given),
    ffi.new("jh_conditional_state", known))), keep
end

local function answers(want, fields, state)
  assert.are.equal(want, (check(fields, state)),
    fields.if_match or fields.if_none_match or fields.if_range or fields.if_modified_since)
end

describe("If-Match", function()
  it("lets pass what it names, compared strongly", function()
    for _, value in ipairs {
      '"a"', '"b", "a"', '"b","a" , "c"', "*", ' "a" ', ',"a",,', '"a,","a"',
    } do
      answers(PROCEED, { if_match = value })
      answers(PROCEED, { if_match = value }, { is_get = false })
    end
    for _, value in ipairs { '"b"', 'W/"a"', '"A"', '"a,"', '"b", "c"', '""' } do
      answers(FAILED, { if_match = value })
      answers(FAILED, { if_match = value }, { is_get = false })
    end
    answers(FAILED, { if_match = 'W/"a"' }, { etag = 'W/"a"' })
    answers(FAILED, { if_match = '"a"' }, { etag = 'W/"a"' })
  end)

  it("fails when it is malformed, even if it begins well", function()
    for _, value in ipairs {
      "", "a", '"a', 'a"', '"a" "b"', '"a"b', '"a";', "'a'", 'w/"a"', 'W"a"', '"a", b', '*, "a"',
      '"a", *', "**", '"a"\0', '"a" , "b', "W/", 'W/*',
    } do
      answers(FAILED, { if_match = value })
    end
  end)

  it("fails when there is nothing to name", function()
    answers(FAILED, { if_match = "*" }, { exists = false })
    answers(FAILED, { if_match = '"a"' }, { exists = false })
    answers(FAILED, { if_match = '"a"' }, { etag = "" })
    answers(PROCEED, { if_match = "*" }, { etag = "" })
  end)
end)

describe("If-None-Match", function()
  it("answers 304 to GET for what it names, compared weakly", function()
    for _, value in ipairs { '"a"', 'W/"a"', '"b", W/"a"', "*", '"x","a","y"', '\t"a"' } do
      answers(NOT_MODIFIED, { if_none_match = value })
      answers(FAILED, { if_none_match = value }, { is_get = false })
    end
    answers(NOT_MODIFIED, { if_none_match = '"a"' }, { etag = 'W/"a"' })
    for _, value in ipairs { '"b"', '"aa"', '""', '"A"', 'W/"b"' } do
      answers(PROCEED, { if_none_match = value })
      answers(PROCEED, { if_none_match = value }, { is_get = false })
    end
  end)

  it("matches nothing when it is malformed", function()
    for _, value in ipairs { "", "a", '"a', '"a" "a"', '"a"x', 'w/"a"', '*, "a"', '"a", *' } do
      answers(PROCEED, { if_none_match = value })
    end
  end)

  it("lets a target be made that is not there yet", function()
    answers(PROCEED, { if_none_match = "*" }, { exists = false, is_get = false })
    answers(FAILED, { if_none_match = "*" }, { is_get = false })
    answers(FAILED, { if_none_match = "*" }, { is_get = false, etag = "" })
    answers(PROCEED, { if_none_match = '"a"' }, { etag = "" })
  end)

  it("takes any visible byte in a tag, and bytes from 0x80 on", function()
    for byte = 1, 255 do
      local tag = '"' .. string.char(byte) .. '"'
      local is_allowed = byte == 0x21 or (byte >= 0x23 and byte ~= 0x7f)
      answers(is_allowed and NOT_MODIFIED or PROCEED, { if_none_match = tag }, { etag = tag })
      assert.are.equal(is_allowed,
        C.jh_conditional_etag_is_valid(ffi.new("jh_str", { tag, #tag })))
    end
  end)
end)

describe("If-Modified-Since", function()
  it("answers 304 when nothing was modified since", function()
    answers(PROCEED, { if_modified_since = BEFORE })
    answers(NOT_MODIFIED, { if_modified_since = SAME })
    answers(NOT_MODIFIED, { if_modified_since = AFTER })
    answers(NOT_MODIFIED, { if_modified_since = "Sunday, 06-Nov-94 08:49:37 GMT" })
    answers(NOT_MODIFIED, { if_modified_since = "Sun Nov  6 08:49:37 1994" })
  end)

  it("is ignored when it cannot be read or compared, and for other methods", function()
    for _, value in ipairs { "", "x", "Sun, 06 Nov 1994 08:49:38 UTC", AFTER .. ", " .. AFTER } do
      answers(PROCEED, { if_modified_since = value })
    end
    answers(PROCEED, { if_modified_since = AFTER }, { is_get = false })
    answers(PROCEED, { if_modified_since = AFTER }, { has_last_modified = false })
    answers(PROCEED, { if_modified_since = AFTER }, { exists = false })
  end)

  it("is ignored beside If-None-Match, whatever that says", function()
    answers(PROCEED, { if_none_match = '"b"', if_modified_since = AFTER })
    answers(PROCEED, { if_none_match = "junk", if_modified_since = AFTER })
    answers(NOT_MODIFIED, { if_none_match = '"a"', if_modified_since = BEFORE })
  end)
end)

describe("If-Unmodified-Since", function()
  it("fails when there was a change since", function()
    answers(FAILED, { if_unmodified_since = BEFORE })
    answers(FAILED, { if_unmodified_since = BEFORE }, { is_get = false })
    answers(PROCEED, { if_unmodified_since = SAME })
    answers(PROCEED, { if_unmodified_since = AFTER }, { is_get = false })
  end)

  it("is ignored when it cannot be read or compared, and beside If-Match", function()
    answers(PROCEED, { if_unmodified_since = "x" })
    answers(PROCEED, { if_unmodified_since = BEFORE }, { has_last_modified = false })
    answers(PROCEED, { if_match = '"a"', if_unmodified_since = BEFORE })
    answers(FAILED, { if_match = '"b"', if_unmodified_since = AFTER })
  end)
end)

describe("preconditions together", function()
  it("are judged in order: first what must hold, then what must not", function()
    answers(NOT_MODIFIED, { if_match = '"a"', if_none_match = '"a"' })
    answers(FAILED, { if_match = '"b"', if_none_match = '"a"' })
    answers(FAILED, { if_unmodified_since = BEFORE, if_none_match = '"a"' })
    answers(FAILED, { if_unmodified_since = BEFORE, if_modified_since = AFTER })
    answers(NOT_MODIFIED, { if_unmodified_since = SAME, if_modified_since = SAME })
    answers(NOT_MODIFIED, { if_none_match = '"a"', if_range = '"b"' })
    answers(FAILED, { if_match = '"b"', if_range = '"a"' })
    answers(WHOLE, { if_match = '"a"', if_range = '"b"' })
    answers(PROCEED, {})
    answers(PROCEED, {}, { exists = false, is_get = false })
  end)
end)

describe("If-Range", function()
  it("keeps the range for the same strong tag alone", function()
    answers(PROCEED, { if_range = '"a"' })
    for _, value in ipairs { '"b"', 'W/"a"', "a", "*", '"a", "b"', '"a"x', "", 'w/"a"' } do
      answers(WHOLE, { if_range = value })
    end
    answers(WHOLE, { if_range = 'W/"a"' }, { etag = 'W/"a"' })
    answers(WHOLE, { if_range = '"a"' }, { etag = 'W/"a"' })
    answers(WHOLE, { if_range = '"a"' }, { etag = "" })
    answers(WHOLE, { if_range = '"a"' }, { exists = false })
  end)

  it("keeps the range for exactly the same date, once its second is over", function()
    answers(PROCEED, { if_range = SAME })
    answers(WHOLE, { if_range = BEFORE })
    answers(WHOLE, { if_range = AFTER })
    answers(WHOLE, { if_range = SAME }, { has_last_modified = false })
    answers(WHOLE, { if_range = SAME }, { now_s = MODIFIED })
    answers(WHOLE, { if_range = SAME }, { now_s = MODIFIED + 1 })
    answers(PROCEED, { if_range = SAME }, { now_s = MODIFIED + 2 })
  end)

  it("is ignored without a range and for other methods", function()
    answers(PROCEED, { if_range = '"b"' }, { has_range = false })
    answers(PROCEED, { if_range = '"b"' }, { is_get = false })
  end)
end)
