-- attachment_spec.lua: names of downloads, as RFC 6266 and RFC 8187 write them.
local attachment = require "justhttp.attachment"

local function of(name) return attachment.disposition(name) end

describe("the Content-Disposition of an attachment", function()
  it("has no name when none is given", function()
    assert.equal("attachment", of(nil))
    assert.equal("attachment", of "")
    assert.equal("attachment", of "reports/")
  end)

  it("quotes a plain name", function()
    assert.equal('attachment; filename="report.pdf"', of "report.pdf")
    assert.equal('attachment; filename="my report (2).pdf"', of "my report (2).pdf")
  end)

  it("leaves directories out", function()
    assert.equal('attachment; filename="passwd"', of "../../etc/passwd")
    assert.equal('attachment; filename="a.txt"', of "C:\\temp\\a.txt")
  end)

  it("says a name beyond ASCII twice", function()
    assert.equal([[attachment; filename="na_ve.txt"; filename*=UTF-8''na%C3%AFve.txt]],
      of "naïve.txt")
    assert.equal([[attachment; filename="__.txt"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.txt]],
      of "日本.txt")
  end)

  it("escapes quotes, and percent signs that old clients would decode", function()
    assert.equal([[attachment; filename="a\"b.txt"; filename*=UTF-8''a%22b.txt]], of 'a"b.txt')
    assert.equal([[attachment; filename="50_41.txt"; filename*=UTF-8''50%2541.txt]], of "50%41.txt")
  end)

  it("never holds control characters", function()
    assert.equal('attachment; filename="aSet-Cookie: b"', of "a\r\nSet-Cookie: b")
    assert.equal('attachment; filename="ab"', of "a\0b\127")
    assert.equal('attachment; filename="ab"', of "a\194\133b")
  end)

  it("survives names that are not UTF-8", function()
    assert.equal([[attachment; filename="a_b"; filename*=UTF-8''a%FFb]], of "a\255b")
  end)
end)
