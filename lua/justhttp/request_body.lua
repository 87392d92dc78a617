--- Bodies of outgoing requests: JSON, forms, multipart forms with files from disk.
--
-- Used by client_options.lua. A multipart form with files is not put together in memory: its length
-- is known from the sizes of the files, and the files are read while it is sent.

local request_head = require "justhttp.request_head"

local type, error, pairs, ipairs, tostring = type, error, pairs, ipairs, tostring
local format, concat, sort = string.format, table.concat, table.sort
local open = io.open

local PIECE_BYTES = 65536

local M = {}

local function set_type(request, content_type)
  if not request_head.find(request.headers, "content-type") then
    request.headers[#request.headers + 1] = { "Content-Type", content_type }
  end
end

-- ---- multipart ----------------------------------------------------------------------------------

-- As browsers write them (WHATWG form submission): what would end the quotes or the line is
-- percent-encoded.
local ESCAPES = { ['"'] = "%22", ["\r"] = "%0D", ["\n"] = "%0A" }
local function quoted(text) return (text:gsub('["\r\n]', ESCAPES)) end

local function base_name(path) return path:match "([^/]*)$" end

local function size_of(file)
  local at = file:seek "end"
  file:seek "set"
  return at
end

-- A boundary that none of the texts holds; files are not looked into, which nobody does: 26 random
-- letters do not occur by chance.
local function make_boundary()
  local letters = {}
  local source = open("/dev/urandom", "rb")
  local bytes = source and source:read(26)
  if source then source:close() end
  for i = 1, 26 do
    local value = bytes and bytes:byte(i) or math.random(0, 255)
    letters[i] = string.char(97 + value % 26)
  end
  return "justhttp-" .. concat(letters)
end

local function part_head(boundary, name, part)
  local lines = format('--%s\r\nContent-Disposition: form-data; name="%s"', boundary, quoted(name))
  if part.filename then lines = lines .. format('; filename="%s"', quoted(part.filename)) end
  if part.type then
    if part.type:find "[%c]" then error(format("multipart: %q is no media type", part.type), 0) end
    lines = lines .. "\r\nContent-Type: " .. part.type
  end
  return lines .. "\r\n\r\n"
end

-- A part as { text = } or { file =, bytes = }, from what the caller gave.
local function read_part(name, value)
  if type(value) == "number" or type(value) == "boolean" then value = tostring(value) end
  if type(value) == "string" then return { text = value } end
  if type(value) ~= "table" then
    error(format("multipart: %s must be a string or a table, got a %s", name, type(value)), 0)
  end
  local part = { filename = value.filename, type = value.type, text = value.data or value.body }
  if value.path then
    local file, err = open(value.path, "rb")
    if not file then return nil, err end
    part.file, part.bytes = file, size_of(file)
    if not part.bytes then
      file:close()
      return nil, value.path .. ": its size is unknown"
    end
    part.filename = part.filename or base_name(value.path)
  elseif type(part.text) ~= "string" then
    error(format("multipart: %s needs data or a path", name), 0)
  end
  if part.filename then part.type = part.type or "application/octet-stream" end
  return part
end

local function each_field(fields)
  local list = {}
  for name, value in pairs(fields) do
    if type(name) == "number" then
      list[#list + 1] = { value.name or error("multipart: a part in a list needs a name", 0), value,
        name }
    elseif type(value) == "table" and value[1] ~= nil then
      for _, one in ipairs(value) do list[#list + 1] = { name, one, 0 } end
    else
      list[#list + 1] = { name, value, 0 }
    end
  end
  -- Parts in a list keep their order; names come in the order of the alphabet, so that the same
  -- form is the same bytes.
  for i, field in ipairs(list) do field[4] = i end
  sort(list, function(a, b)
    if a[3] ~= b[3] then return a[3] < b[3] end
    if a[3] == 0 and a[1] ~= b[1] then return a[1] < b[1] end
    return a[4] < b[4]
  end)
  return list
end

local function close_files(segments)
  for _, segment in ipairs(segments) do
    if type(segment) == "table" then segment.file:close() end
  end
end

-- The body as texts and files in order, and its length.
local function segments_of(fields, boundary)
  local segments, length = {}, 0
  for _, field in ipairs(each_field(fields)) do
    local part, err = read_part(field[1], field[2])
    if not part then
      close_files(segments)
      return nil, err
    end
    local text = part_head(boundary, field[1], part)
    if part.file then
      segments[#segments + 1], segments[#segments + 2] = text, part
      segments[#segments + 1] = "\r\n"
      length = length + #text + part.bytes + 2
    else
      text = text .. part.text .. "\r\n"
      segments[#segments + 1] = text
      length = length + #text
    end
  end
  local last = "--" .. boundary .. "--\r\n"
  segments[#segments + 1] = last
  return segments, length + #last
end

local function has_files(segments)
  for _, segment in ipairs(segments) do
    if type(segment) == "table" then return true end
  end
  return false
end

-- Gives the segments piece by piece. A file that changes its size meanwhile is an error: the length
-- was said already.
local function streamer(segments)
  local index = 1
  return function()
    while true do
      local segment = segments[index]
      if segment == nil then return nil end
      if type(segment) == "string" then
        index = index + 1
        return segment
      end
      local left = segment.bytes
      if left > 0 then
        local piece = segment.file:read(left < PIECE_BYTES and left or PIECE_BYTES)
        if not piece then
          close_files(segments)
          return nil, "a file became shorter while it was sent"
        end
        segment.bytes = left - #piece
        return piece
      end
      segment.file:close()
      segment.file = { close = function() end }
      index = index + 1
    end
  end
end

local function put_multipart(request, fields)
  local boundary = make_boundary()
  local segments, length = segments_of(fields, boundary)
  if not segments then return nil, length end
  set_type(request, "multipart/form-data; boundary=" .. boundary)
  if has_files(segments) then
    request.body, request.content_length = streamer(segments), length
  else
    request.body = concat(segments)
  end
  return true
end

-- ---- the others ---------------------------------------------------------------------------------

--- Gives a request the body that its options describe. nil and why when a file cannot be read.
---@param request justhttp.outgoing
---@param options justhttp.request_options
---@return true?
---@return string? err
function M.put(request, options)
  local given = 0
  for _, name in ipairs { "body", "json", "form", "multipart" } do
    if options[name] ~= nil then given = given + 1 end
  end
  if given == 0 then return true end
  if given > 1 then error("give one of body, json, form and multipart", 0) end
  if options.body ~= nil then
    local kind = type(options.body)
    if kind ~= "string" and kind ~= "function" then
      error("body must be a string or a function that gives pieces, got a " .. kind, 0)
    end
    request.body = options.body
  elseif options.json ~= nil then
    request.body = require "justhttp.json".encode(options.json)
    set_type(request, "application/json")
  elseif options.form ~= nil then
    request.body = require "justhttp.query".encode(options.form)
    set_type(request, "application/x-www-form-urlencoded")
  else
    return put_multipart(request, options.multipart)
  end
  return true
end

return M
