-- date_spec.lua: dates in the three forms of RFC 9110, and the many that are none.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/date.h", "base/alloc.h", "base/clock.h")

local NOW = 1800000000 -- in January 2027

local function parse(text, now)
  local memory = ffi.gc(ffi.cast("char *", C.jh_alloc(math.max(#text, 1))), C.jh_free)
  ffi.copy(memory, text, #text)
  local out = ffi.new "int64_t[1]"
  local result = C.jh_date_parse(ffi.new("jh_str", { memory, #text }), now or NOW, out)
  if result ~= 0 then
    assert.are.equal(C.JH_EINVAL, result)
    return nil
  end
  return tonumber(out[0])
end

local function year_of(text, now) return tonumber(os.date("!%Y", parse(text, now))) end

describe("date", function()
  it("is read in all three forms", function()
    assert.are.equal(784111777, parse "Sun, 06 Nov 1994 08:49:37 GMT")
    assert.are.equal(784111777, parse "Sunday, 06-Nov-94 08:49:37 GMT")
    assert.are.equal(784111777, parse "Sun Nov  6 08:49:37 1994")
    assert.are.equal(784111777, parse "Sun Nov 06 08:49:37 1994")
    assert.are.equal(784975777, parse "Wed Nov 16 08:49:37 1994")
  end)

  it("reads what the clock writes, for every day of four centuries", function()
    local date = ffi.new "jh_date"
    for day = 0, 146097 do
      local second = day * 86400 + (day * 7919) % 86400
      C.jh_date_update(date, second)
      if parse(ffi.string(date.text, 29)) ~= second then
        error(ffi.string(date.text, 29) .. " is not " .. second)
      end
    end
  end)

  it("knows every month and every weekday", function()
    local months = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
      "Dec" }
    for i, month in ipairs(months) do
      local want = os.time { year = 2001, month = i, day = 2, hour = 0, min = 0, sec = 0 }
        - os.time { year = 2001, month = 1, day = 2, hour = 0, min = 0, sec = 0 }
      local got = parse("Mon, 02 " .. month .. " 2001 00:00:00 GMT")
        - parse "Mon, 02 Jan 2001 00:00:00 GMT"
      assert.are.equal(want / 86400, got / 86400, month)
    end
    for _, day in ipairs { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
      "Saturday" } do
      assert.are.equal(784111777, parse(day .. ", 06-Nov-94 08:49:37 GMT"))
      assert.are.equal(784111777, parse(day:sub(1, 3) .. ", 06 Nov 1994 08:49:37 GMT"))
      assert.are.equal(784111777, parse(day:sub(1, 3) .. " Nov  6 08:49:37 1994"))
    end
  end)

  it("places years of two digits within fifty years of now", function()
    local function year(digits, now)
      return year_of("Sunday, 06-Nov-" .. digits .. " 08:49:37 GMT", now)
    end
    assert.are.same({ 1994, 2027, 2077, 1978, 2000, 1999 },
      { year "94", year "27", year "77", year "78", year "00", year "99" })
    local in_1995 = parse "Sun, 06 Nov 1995 08:49:37 GMT"
    assert.are.same({ 1995, 2005, 2045, 1946 },
      { year("95", in_1995), year("05", in_1995), year("45", in_1995), year("46", in_1995) })
  end)

  it("counts leap years and a leap second", function()
    assert.are.equal(951782400, parse "Tue, 29 Feb 2000 00:00:00 GMT")
    assert.are.equal(1709164800, parse "Thu, 29 Feb 2024 00:00:00 GMT")
    assert.is_nil(parse "Thu, 29 Feb 2023 00:00:00 GMT")
    assert.is_nil(parse "Thu, 29 Feb 1900 00:00:00 GMT")
    assert.are.equal(parse "Sun, 01 Jan 2017 00:00:00 GMT", parse "Sat, 31 Dec 2016 23:59:60 GMT")
  end)

  it("goes beyond the years that clocks have", function()
    assert.are.equal(-1, parse "Wed, 31 Dec 1969 23:59:59 GMT")
    assert.are.equal(-62167219200, parse "Sat, 01 Jan 0000 00:00:00 GMT")
    assert.are.equal(253402300799, parse "Fri, 31 Dec 9999 23:59:59 GMT")
  end)

  it("refuses impossible moments", function()
    for _, text in ipairs {
      "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT",
      "Sun, 32 Dec 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
      "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
      "Sun Nov  0 08:49:37 1994", "Sun Nov 31 08:49:37 1994", "Sunday, 31-Jun-94 08:49:37 GMT",
    } do
      assert.is_nil(parse(text), text)
    end
  end)

  it("refuses everything that is written otherwise", function()
    for _, text in ipairs {
      "", "0", "784111777", "now", "Sun", "Sun,", "Sunday,", "Sun, 06 Nov 1994 08:49:37",
      "Sun, 06 Nov 1994 08:49:37 GMT ", " Sun, 06 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 +0000",
      "sun, 06 Nov 1994 08:49:37 GMT", "SUN, 06 Nov 1994 08:49:37 GMT",
      "Sun, 06 nov 1994 08:49:37 GMT", "Sun, 06 NOV 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 08:49:37 gmt", "Sun, 6 Nov 1994 08:49:37 GMT",
      "Sun,  6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
      "Sun, 06-Nov-1994 08:49:37 GMT", "Sun, 06-Nov-94 08:49:37 GMT",
      "Sunday, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT", "Sux, 06 Nov 1994 08:49:37 GMT",
      "unM, 06 Nov 1994 08:49:37 GMT", "Sun, 06 anF 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 08.49.37 GMT", "Sun, 06 Nov 1994 08:49:37 GM\0",
      "Sun, +6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov -994 08:49:37 GMT",
      "Sun Nov  6 08:49:37 1994 GMT", "Sun Nov 6 08:49:37 1994", "Sun Nov   6 08:49:37 1994",
      "Sun Nov  6 08:49:37 94", "Sunday Nov  6 08:49:37 1994", "Sunday, 06-Nov-94",
      "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 08:49:37 GMT; length=5",
    } do
      assert.is_nil(parse(text), text)
    end
  end)

  it("refuses every form with any byte changed to one that has no place there", function()
    for _, text in ipairs {
      "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
    } do
      for at = 1, #text do
        for _, byte in ipairs { "\0", "?", "x", "/", "\xff" } do
          assert.is_nil(parse(text:sub(1, at - 1) .. byte .. text:sub(at + 1)))
        end
        assert.is_nil(parse(text:sub(1, at - 1)))
      end
    end
  end)
end)
