-- JSON: what lua-cjson does, and what is added to it.
local json = require "justhttp.json"

describe("json.encode", function()
  it("writes values", function()
    assert.equal('{"a":[1,2.5,"x",true,null]}',
      json.encode { a = { 1, 2.5, "x", true, json.null } })
    assert.equal('"x"', json.encode "x")
    assert.equal("null", json.encode(nil))
  end)

  it("keeps empty objects and empty arrays apart", function()
    assert.equal("{}", json.encode {})
    assert.equal("[]", json.encode(json.array()))
    assert.equal('[[],{},[[]]]', json.encode { json.array(), {}, { json.array() } })
  end)

  it("leaves the tables as they were", function()
    local list = json.array()
    local value = { list = list, id = 1234567890123456 }
    json.encode(value)
    assert.is_nil(next(list))
    assert.equal(1234567890123456, value.id)
  end)

  it("leaves them so after a failure too", function()
    local list = json.array()
    pcall(json.encode, { list = list, bad = print })
    assert.is_nil(next(list))
  end)

  it("writes a marked array that has elements like any other", function()
    assert.equal("[1,2]", json.encode(json.array { 1, 2 }))
  end)

  it("writes whole numbers exactly", function()
    assert.equal("9007199254740992", json.encode(2 ^ 53))
    assert.equal('[-9007199254740991,123456789012345]',
      json.encode { -2 ^ 53 + 1, 123456789012345 })
    assert.equal("1e+20", json.encode(1e20))
    assert.equal('["1e+20"]', json.encode { "1e+20" })
  end)

  it("does not escape slashes, and keeps backslashes", function()
    assert.equal([["http://a/\\/b"]], json.encode [[http://a/\/b]])
  end)

  it("makes sparse lists objects", function()
    assert.equal('{"1001":"x"}', json.encode { [1001] = "x" })
  end)

  it("names the place of what has no JSON form", function()
    assert.error_matches(function() json.encode { items = { 1, { price = 0 / 0 } } } end,
      "json.encode: at items%[2%].price: NaN is not a JSON number")
    assert.error_matches(function() json.encode { f = print } end, "at f: a function has no JSON")
    assert.error_matches(function() json.encode(math.huge) end, "infinity is not")
    assert.error_matches(function() json.encode { [true] = 1 } end, "a key is a boolean")
    local loop = {}
    loop.a = { loop }
    assert.error_matches(function() json.encode(loop) end, "at a%[1%]: the table contains itself")
    local deep = {}
    for _ = 1, json.MAX_DEPTH + 1 do deep = { deep } end
    assert.error_matches(function() json.encode(deep) end, "levels deep")
  end)
end)

describe("json.decode", function()
  it("reads values", function()
    local value = json.decode '{"a":[1,null,"\\u00e9"],"b":{}}'
    assert.equal(1, value.a[1])
    assert.equal(json.null, value.a[2])
    assert.equal("é", value.a[3])
  end)

  it("keeps empty arrays apart from empty objects, so that they survive", function()
    local text = '{"a":[],"b":{"c":[[ ],{}]}}'
    local value = json.decode(text)
    assert.is_true(json.is_array(value.a))
    assert.is_nil(next(value.a))
    assert.is_true(json.is_array(value.b.c[1]))
    assert.is_false(json.is_array(value.b.c[2]))
    assert.equal("[]", json.encode(json.decode "[\n]"))
    assert.equal("{}", json.encode(json.decode "{}"))
    assert.equal('[[],{}]', json.encode(json.decode "[[],{}]"))
  end)

  it("is not misled by brackets in strings", function()
    local value = json.decode [==[{"[]":"a[]\"[]\\","x":[ ]}]==]
    assert.equal([==[a[]"[]\]==], value["[]"])
    assert.is_true(json.is_array(value.x))
  end)

  it("says what is wrong and where", function()
    local cases = {
      ['{"a":1,\n "b" 2}'] = "expected colon but found a number %(line 2, column 6%)",
      [""] = "found the end of the text",
      ["[1,2"] = "found the end of the text",
      ["[1,]"] = "line 1, column 4",
      ["nan"] = "invalid token",
      ["{'a':1}"] = "invalid token",
      ["[1] x"] = "invalid token",
      ['"\\ud800"'] = "unicode",
    }
    for text, pattern in pairs(cases) do
      local value, err = json.decode(text)
      assert.is_nil(value)
      assert.matches("^not JSON: .*" .. pattern, err)
    end
  end)

  it("bounds the depth", function()
    assert.is_table(json.decode(("["):rep(json.MAX_DEPTH) .. ("]"):rep(json.MAX_DEPTH)))
    local value, err = json.decode(("["):rep(100000))
    assert.is_nil(value)
    assert.matches("too many nested", err)
  end)

  it("raises for what is no text", function()
    assert.error_matches(function() json.decode(nil) end, "give a string, got nil")
  end)

  it("leaves the app's own cjson alone", function()
    local cjson = require "cjson"
    assert.is_false((pcall(cjson.encode, { [1] = 1, [1000] = 2 })))
  end)
end)
