-- Dates in Set-Cookie fields, in the forms that servers write and those no server should.
local cookie_date = require "justhttp.cookie_date"

local function reads(cases)
  for text, want in pairs(cases) do
    local seconds = cookie_date.parse(text)
    assert.equal(want, seconds and os.date("!%Y-%m-%d %H:%M:%S", seconds), text)
  end
end

describe("cookie_date.parse", function()
  it("reads the usual forms", function()
    reads {
      ["Sun, 06 Nov 1994 08:49:37 GMT"] = "1994-11-06 08:49:37",
      ["Sunday, 06-Nov-94 08:49:37 GMT"] = "1994-11-06 08:49:37",
      ["Sun Nov  6 08:49:37 1994"] = "1994-11-06 08:49:37",
      ["Mon, 10-Dec-2007 17:02:24 GMT"] = "2007-12-10 17:02:24",
      ["Wed, 09 Dec 2009 16:27:23 GMT"] = "2009-12-09 16:27:23",
      ["Mon, 1977 Dec 24 16:32:30 GMT"] = "1977-12-24 16:32:30",
    }
  end)

  it("reads pieces in any order, with any delimiters and words between", function()
    reads {
      ["08:49:37 6 nov 1994"] = "1994-11-06 08:49:37",
      ["1994/NOVEMBER/6;8:49:7"] = "1994-11-06 08:49:07",
      ["6th_of{Novembre}1994, at 08:49:37 +0100 (CET)"] = "1994-11-06 08:49:37",
      ["1:2:3x 4y Febz 2000z"] = "2000-02-04 01:02:03",
    }
  end)

  it("takes two digits of a year as 1970 to 2069", function()
    reads {
      ["1 Jan 70 00:00:00"] = "1970-01-01 00:00:00", ["1 Jan 69 00:00:00"] = "2069-01-01 00:00:00",
      ["1 Jan 99 00:00:00"] = "1999-01-01 00:00:00", ["1 Jan 00 00:00:00"] = "2000-01-01 00:00:00",
    }
  end)

  it("lets the first of each kind of piece count", function()
    reads {
      ["1 2 Jan Feb 2001 2002 03:04:05 06:07:08"] = "2001-01-01 03:04:05",
      ["1 Jan Feb 2001 2002 03:04:05 06:07:08"] = "2001-01-01 03:04:05",
    }
  end)

  it("refuses what is no date", function()
    for _, text in ipairs {
      "", "GMT", "0", "1 Jan 2001", "Jan 2001 00:00:00", "1 2001 00:00:00", "1 Jan 00:00:00",
      "0 Jan 2001 00:00:00", "32 Jan 2001 00:00:00", "30 Feb 2001 00:00:00",
      "29 Feb 2001 00:00:00", "29 Feb 1900 00:00:00", "31 Apr 2001 00:00:00",
      "1 Jan 1600 00:00:00", "1 Jan 2001 24:00:00", "1 Jan 2001 00:60:00", "1 Jan 2001 00:00:60",
      "1 Jan 20010 00:00:00", "1 Jan 2001 000:00:00", "1 Jan 2001 00:00:000", "1 Ja 2001 00:00:00",
    } do
      assert.is_nil(cookie_date.parse(text), text)
    end
  end)

  it("knows leap years and the first year there is", function()
    reads {
      ["29 Feb 2000 00:00:00"] = "2000-02-29 00:00:00",
      ["29 Feb 2024 23:59:59"] = "2024-02-29 23:59:59",
    }
    assert.equal(-11644473600, cookie_date.parse "1 Jan 1601 00:00:00")
  end)

  it("agrees with os.time on every day of some centuries", function()
    local at = os.time { year = 1970, month = 1, day = 1, hour = 12 }
    for i = 0, 60000, 7 do
      local t = os.date("!*t", at + i * 86400)
      local text = ("%d %s %d 10:20:30"):format(t.day, os.date("!%b", at + i * 86400), t.year)
      local seconds = cookie_date.parse(text)
      assert.equal(os.date("!%Y-%m-%d 10:20:30", at + i * 86400),
        os.date("!%Y-%m-%d %H:%M:%S", seconds))
    end
  end)
end)
