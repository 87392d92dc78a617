-- apps/chat, started for real: what its page and its WebSockets do. spec/browser/chat_spec.lua has
-- it in a browser.
local json = require "justhttp.json"
local server = require "spec.support.server"
local sys = require "spec.support.sys"
local websocket = require "spec.support.websocket"

describe("apps/chat", function()
  local s, store

  setup(function()
    store = sys.temp_dir()
    s = server.start { app = "apps/chat", env = { CHAT_STORE = store } }
  end)
  teardown(function()
    s:stop()
    sys.remove(store)
  end)

  local function enter(room, query)
    local c = websocket.connect(s, "/rooms/" .. room .. "?" .. (query or ""))
    c.seen = {}
    return c
  end

  -- The next message of a type; what came before it is in c.seen.
  local function next_of(c, kind)
    while true do
      local message = json.decode(c:receive())
      if message.type == kind then return message end
      c.seen[#c.seen + 1] = message
    end
  end

  local function say(c, text, nonce)
    c:text(json.encode { type = "say", text = text, nonce = nonce })
  end

  it("serves its page", function()
    assert.matches("chat.js", s:get("/").body)
    assert.equal(200, s:get("/chat.js").status)
  end)

  it("greets, tells who is there, and passes on what is said", function()
    local ann, ben = enter("one", "name=Ann"), enter("one", "name=Ben")
    assert.equal("Ann", next_of(ann, "welcome").name)
    repeat local names = next_of(ann, "present").names until table.concat(names, " ") == "Ann Ben"
    next_of(ben, "ready")
    say(ann, "hello", "n1")
    local heard = next_of(ben, "message")
    assert.same({ "Ann", "hello", "n1" }, { heard.name, heard.text, heard.nonce })
    ann:close_frame(1000):close()
    repeat local names = next_of(ben, "present").names until table.concat(names, " ") == "Ben"
    ben:close()
  end)

  it("tells who comes back what was said since", function()
    local c = enter("two", "name=Ann")
    local ids = {}
    for i = 1, 5 do
      say(c, "message " .. i)
      ids[i] = next_of(c, "message").id
    end
    local back = enter("two", "since=" .. ids[3])
    local texts = {}
    for _, message in ipairs(next_of(back, "history").messages) do texts[message.text] = true end
    assert.is_true(texts["message 4"] and texts["message 5"])
    c:close()
    back:close()
  end)

  it("refuses what is no message, too long, or too much", function()
    local c = enter("three", "name=Ann")
    say(c, ("x"):rep(2001), "n2")
    assert.equal("n2", next_of(c, "refused").nonce)
    for _ = 1, 40 do say(c, "again") end
    assert.matches("a lot", next_of(c, "refused").reason)
    c:text "{"
    local frame
    repeat frame = c:read_frame() until frame.opcode == websocket.CLOSE
    assert.equal(4000, frame.code)
    c:close()
    c = enter("no%20room")
    repeat frame = c:read_frame() until frame.opcode == websocket.CLOSE
    assert.equal(4004, frame.code)
    c:close()
  end)
end)
