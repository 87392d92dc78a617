-- Reading by line, length and pattern, over pieces of every size: compared with what a search in
-- the whole text finds.
local bytes = require "justhttp.bytes"

describe("bytes", function()
  local Source = { __name = "source" }
  Source.__index = Source
  bytes.mixin(Source, "source")
  function Source:_pull()
    local piece = table.remove(self.pieces, 1)
    if not piece then return nil, self.ending or "closed" end
    return piece
  end

  local function source(pieces, ending)
    return setmetatable({ _data = "", _at = 1, pieces = pieces, ending = ending }, Source)
  end

  -- The text in pieces of random sizes.
  local function cut(text, most)
    local pieces, at = {}, 1
    while at <= #text do
      local size = math.random(most)
      pieces[#pieces + 1] = text:sub(at, at + size - 1)
      at = at + size
    end
    return pieces
  end

  local function random_text(length, alphabet)
    local letters = {}
    for i = 1, length do
      local at = math.random(#alphabet)
      letters[i] = alphabet:sub(at, at)
    end
    return table.concat(letters)
  end

  -- What receiveuntil is to give: parts in front of each pattern, and the rest.
  local function naive_parts(text, pattern)
    local parts, at = {}, 1
    while true do
      local from, to = text:find(pattern, at, true)
      if not from then return parts, text:sub(at) end
      parts[#parts + 1] = text:sub(at, from - 1)
      at = to + 1
    end
  end

  it("finds every pattern that a naive search finds, wherever the pieces end", function()
    math.randomseed(7)
    for _ = 1, 3000 do
      local pattern = random_text(math.random(5), "ab")
      local text = random_text(math.random(0, 60), "ab")
      local parts, rest = naive_parts(text, pattern)
      local is_inclusive = math.random(2) == 1
      local s = source(cut(text, math.random(8)))
      local reader = s:receiveuntil(pattern, { inclusive = is_inclusive })
      for _, part in ipairs(parts) do
        assert.are.equal(is_inclusive and part .. pattern or part, (reader()))
      end
      assert.are.same({ nil, "closed", rest }, { reader() })
    end
  end)

  it("gives parts in pieces of a size, and nil behind each", function()
    math.randomseed(8)
    for _ = 1, 3000 do
      local pattern = random_text(math.random(4), "ab")
      local text = random_text(math.random(0, 50), "ab")
      local parts, rest = naive_parts(text, pattern)
      local is_inclusive = math.random(2) == 1
      local size = math.random(6)
      local reader = source(cut(text, math.random(7))):receiveuntil(pattern,
        { inclusive = is_inclusive })
      for _, part in ipairs(parts) do
        if is_inclusive then part = part .. pattern end
        local got = {}
        while true do
          local piece, err = reader(size)
          assert.is_nil(err)
          if not piece then break end
          assert.is_true(#piece <= size)
          got[#got + 1] = piece
        end
        assert.are.equal(part, table.concat(got))
      end
      local got = {}
      while true do
        local piece, err, partial = reader(size)
        if not piece then
          assert.are.equal("closed", err)
          got[#got + 1] = partial
          break
        end
        got[#got + 1] = piece
      end
      assert.are.equal(rest, table.concat(got))
    end
  end)

  it("goes on in whichever way it is asked next", function()
    math.randomseed(9)
    for _ = 1, 2000 do
      local text = random_text(math.random(200), "ab\n\r")
      local s, at = source(cut(text, math.random(20))), 1
      while at <= #text do
        local kind = math.random(3)
        if kind == 1 then
          local count = math.random(20)
          local data, err, partial = s:receive(count)
          local want = text:sub(at, at + count - 1)
          if #want < count then
            assert.are.same({ nil, "closed", want }, { data, err, partial })
            break
          end
          assert.are.equal(want, data)
          at = at + count
        elseif kind == 2 then
          local from, to = text:find("\n", at, true)
          local data, err, partial = s:receive()
          if not from then
            assert.are.same({ nil, "closed", text:sub(at) }, { data, err, partial })
            break
          end
          local line = text:sub(at, from - 1)
          if line:sub(-1) == "\r" then line = line:sub(1, -2) end
          assert.are.equal(line, data)
          at = to + 1
        else
          local most = math.random(10)
          local data = s:receiveany(most)
          assert.is_true(#data >= 1 and #data <= most)
          assert.are.equal(text:sub(at, at + #data - 1), data)
          at = at + #data
        end
      end
    end
  end)

  it("takes many small lines out of a large piece in time that grows with their number", function()
    local text = ("line\n"):rep(200000)
    local s = source { text }
    local started = os.clock()
    for _ = 1, 200000 do s:receive() end
    assert.is_true(os.clock() - started < 2)
    assert.are.equal(0, bytes.waiting(s))
  end)

  it("ends a line that is too long", function()
    local s = source { ("x"):rep(50), ("x"):rep(60), "\n" }
    assert.are.same({ nil, "the line is too long" }, { s:receiveline(100) })
  end)

  it("puts back what an interrupted operation had gathered", function()
    local s = source { "ab", "cd" }
    local pull = s._pull
    function s:_pull()
      if self.pieces[1] == nil then error "interrupted" end
      return pull(self)
    end
    assert.is_false(pcall(s.receive, s, 10))
    bytes.restore(s)
    assert.are.equal("abcd", s:receive(4))
  end)
end)
