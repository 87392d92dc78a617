--- Rooms to talk in: messages and who is there, across all workers, by topics of the hub.
--
-- What is published reaches every page, whichever worker it is connected to, but no Lua. So what
-- workers need to know of each other goes through the pages: each worker tells a room whom it has
-- there, and pages ask for that again when somebody came to another worker. Messages are kept in a
-- file per room, which all workers append to and read from when a page connects.
local http = require "justhttp"

local app = http.app()
local json = http.json

local HERE = debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$" or "."
local STORE = os.getenv "CHAT_STORE" or HERE .. "/store"
local TEXT_BYTES, NAME_BYTES = 2000, 40
local KEPT_BYTES = 1024 ^ 2 -- of a room; what is older goes into a second file, and then away
local READ_BYTES = 256 * 1024
local SHOWN_MESSAGES = 50   -- to who comes anew
local OVERLAP_MESSAGES = 20 -- workers may publish in another order than they write
local PRESENT_SECONDS, GATHER_SECONDS = 10, 0.05
local BURST, PER_SECOND = 20, 2 -- messages

local function random_id()
  local source = assert(io.open("/dev/urandom", "rb"))
  local bytes = source:read(6)
  source:close()
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

local WORKER = random_id()
local said = 0
local rooms = {} -- by name: { members = { [ws] = name } }

-- ---- messages -----------------------------------------------------------------------------------

local function file_of(room) return STORE .. "/" .. room .. ".jsonl" end

local function keep(room, line)
  local path = file_of(room)
  local file, err = io.open(path, "a")
  if not file then return http.log.error("chat: %s", err) end
  file:write(line, "\n")
  local bytes = file:seek "end"
  file:close()
  if bytes > KEPT_BYTES then os.rename(path, path .. ".old") end
end

-- The lines of a room's file, from its end; the first one may be half of one.
local function read_lines(path)
  local file = io.open(path, "r")
  if not file then return {} end
  local bytes = file:seek "end"
  file:seek("set", math.max(bytes - READ_BYTES, 0))
  local lines = {}
  for line in file:lines() do
    if line:sub(1, 1) == "{" and line:sub(-1) == "}" then lines[#lines + 1] = line end
  end
  file:close()
  return lines
end

-- What a page has missed that saw the message `since` last.
local function missed(room, since)
  local lines = read_lines(file_of(room))
  if #lines < SHOWN_MESSAGES then
    local older = read_lines(file_of(room) .. ".old")
    for _, line in ipairs(lines) do older[#older + 1] = line end
    lines = older
  end
  local first = math.max(#lines - SHOWN_MESSAGES + 1, 1)
  if since and since:find "^%w+$" then
    for at = #lines, 1, -1 do
      if lines[at]:find('"id":"' .. since .. '"', 1, true) then
        first = math.max(at - OVERLAP_MESSAGES, 1)
        break
      end
    end
  end
  return { unpack(lines, first) }
end

local function send_missed(ws, room, since)
  local lines = missed(room, since)
  for from = 1, #lines, SHOWN_MESSAGES do
    local piece = table.concat(lines, ",", from, math.min(from + SHOWN_MESSAGES - 1, #lines))
    ws:send('{"type":"history","messages":[' .. piece .. "]}")
  end
  ws:send '{"type":"ready"}'
end

-- True when this page may speak now.
local function may_say(member)
  local now = os.time()
  member.left = math.min(BURST, member.left + (now - member.since) * PER_SECOND)
  member.since = now
  if member.left < 1 then return false end
  member.left = member.left - 1
  return true
end

local function say(ws, member, message)
  local text, nonce = message.text, message.nonce
  if type(nonce) ~= "string" or #nonce > 64 then nonce = nil end
  if type(text) ~= "string" or not text:find "%S" or #text > TEXT_BYTES then
    return ws:send(json.encode { type = "refused", nonce = nonce,
      reason = "A message has 1 to " .. TEXT_BYTES .. " bytes." })
  end
  if not may_say(member) then
    return ws:send(json.encode { type = "refused", nonce = nonce,
      reason = "That was a lot at once. Wait a little." })
  end
  said = said + 1
  local line = json.encode { type = "message", id = WORKER .. said, at = os.time(),
    name = member.name, text = text, nonce = nonce }
  keep(member.room, line)
  app:publish("room:" .. member.room, line)
end

-- ---- who is there -------------------------------------------------------------------------------

local function tell_present(room, asks)
  local names = {}
  for _, member in pairs(rooms[room] and rooms[room].members or {}) do
    names[#names + 1] = member.name
  end
  table.sort(names)
  app:publish("room:" .. room, json.encode { type = "present", worker = WORKER, asks = asks,
    names = names })
end

-- Soon, so that many who come or go at once are told of by one message.
local function will_tell_present(room, asks)
  local state = rooms[room]
  state.asks = state.asks or asks
  if state.is_telling then return end
  state.is_telling = true
  app:after(GATHER_SECONDS, function()
    asks, state.asks, state.is_telling = state.asks, false, false
    tell_present(room, asks)
    if not next(state.members) and rooms[room] == state then rooms[room] = nil end
  end)
end

app:every(PRESENT_SECONDS, function()
  for room in pairs(rooms) do tell_present(room, false) end
end)

-- ---- connections --------------------------------------------------------------------------------

local function clean_name(name)
  name = (name or ""):gsub("%c", ""):match "^%s*(.-)%s*$"
  if name == "" or #name > NAME_BYTES then return "guest " .. random_id():sub(1, 4) end
  return name
end

local chat = { max_message_bytes = 4 * TEXT_BYTES, compress = true, ping_interval = 15,
  idle_timeout = 40 }

function chat.open(ws, ctx)
  local room = ctx.params.room
  if #room > 32 or not room:find "^[%w-]+$" then return ws:close(4004, "no such room") end
  local member = { name = clean_name(ctx.query.name), room = room, left = BURST, since = os.time() }
  ws.member = member
  rooms[room] = rooms[room] or { members = {} }
  rooms[room].members[ws] = member
  -- First this, then the file: what is said in between comes twice, and pages know it by its id.
  ws:subscribe("room:" .. room, { slow = "disconnect", max_backlog_bytes = 262144 })
  ws:send(json.encode { type = "welcome", worker = WORKER, name = member.name })
  send_missed(ws, room, ctx.query.since)
  will_tell_present(room, true)
end

function chat.message(ws, text, kind)
  local ok, message = pcall(json.decode, text)
  if kind ~= "text" or not ok or type(message) ~= "table" then
    return ws:close(4000, "not a message")
  end
  if message.type == "say" then
    say(ws, ws.member, message)
  elseif message.type == "sync" then
    will_tell_present(ws.member.room, false)
  end
end

function chat.close(ws)
  local member = rawget(ws, "member")
  if not member then return end
  rooms[member.room].members[ws] = nil
  if http.is_stopping() then
    tell_present(member.room, false)
  else
    will_tell_present(member.room, false)
  end
end

app:use(http.middleware.secure_headers())
app:websocket("/rooms/:room", chat)
app:static("/", "public")

app:on_start(function() os.execute("mkdir -p '" .. STORE:gsub("'", "'\\''") .. "'") end)

return app
