-- Dates as HTTP and logs write them.
local date = require "justhttp.date"

describe("date", function()
  it("writes the three forms", function()
    assert.equal("Sun, 06 Nov 1994 08:49:37 GMT", date.http(784111777))
    assert.equal("06/Nov/1994:08:49:37 +0000", date.clf(784111777))
    assert.equal("1994-11-06T08:49:37Z", date.iso(784111777))
  end)

  it("names every day and month in English whatever the locale", function()
    assert.equal("Thu, 01 Jan 1970 00:00:00 GMT", date.http(0))
    assert.equal("Sat, 29 Feb 2020 23:59:59 GMT", date.http(1583020799))
  end)
end)
