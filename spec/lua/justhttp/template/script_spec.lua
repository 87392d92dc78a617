-- Strings, regular expressions and comments in JavaScript.
local Script = require "justhttp.template.script"

-- "@" stands for a value.
local function is_code(text)
  local script = Script.new()
  local from = 1
  for at in text:gmatch "()@" do
    script:read(text:sub(from, at - 1))
    script:skip_value()
    from = at + 1
  end
  script:read(text:sub(from))
  return script:is_code()
end

describe("template.script", function()
  it("is in code between strings and comments", function()
    for _, text in ipairs {
      "", "let a = ", "a = 'b' + ", 'a = "\\"" + ', "a = `b\n` + ", "// it's\n", "/* ' */ ",
      "a = b / c / ", "a = (b) / ", "a = b[0] / ", "x = /'/ + ", "x = /[/']/ + ", "f(/\\/'/, ",
      "return /\"/.test(", "a = @ / ", "a = 'open\n", "a = '\\\n' + ",
    } do
      assert.is_true(is_code(text), text)
    end
  end)

  it("is not in code inside of strings, expressions and comments", function()
    for _, text in ipairs {
      "a = '", 'a = "b', "a = 'b\\'", "a = `", "a = `${", "// ", "/* ", "/* * /", "x = /a",
      "x = /[/",
      "a = '@", "a = '\"", "return /a", "a = `\n", "a = @ + '",
    } do
      assert.is_false(is_code(text), text)
    end
  end)
end)
