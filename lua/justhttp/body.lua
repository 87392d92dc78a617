--- More of the request side of ctx: limits of bodies, iteration, trailers, forms and files.
--
-- Reading itself is in request.lua; the parts of forms are in multipart.lua, the files in
-- upload.lua.

local ffi = require "ffi"
local door = require "justhttp.door"
local media_type = require "justhttp.media_type"
local size = require "justhttp.size"
local slots = require "justhttp.slots"

local C = door.C
local BODY, ENDING = slots.BODY, slots.ENDING
local rawset, type, error, tostring, tonumber = rawset, type, error, tostring, tonumber
local lower = string.lower

local Trailers = { __name = "justhttp.trailers" }
Trailers.__index = function(trailers, name)
  return type(name) == "string" and rawget(trailers, lower(name)) or nil
end

---@param context table
return function(context)
  local getters, methods = context.getters, context.methods
  local alive, kept = context.alive, context.kept

  -- ---- limits ----------------------------------------------------------------------------------

  --- Sets limits for this request, in place of the server's or the route's: `body`, its most bytes
  -- ("2g"), and `body_timeout`, seconds between two reads. False when the body is known to be
  -- longer.
  ---@param options justhttp.limits_options
  ---@return boolean
  function methods:limits(options)
    alive(self)
    if type(options) ~= "table" then
      error('ctx:limits: give a table such as { body = "2g" }, got a ' .. type(options), 2)
    end
    local seconds = options.body_timeout
    if seconds ~= nil then
      if type(seconds) ~= "number" or not (seconds >= 0 and seconds <= 86400) then
        error("ctx:limits: body_timeout: give seconds, at most 86400, got " .. tostring(seconds), 2)
      end
      self:_limit_body_time(math.ceil(seconds * 1000))
    end
    if options.body == nil then return self:_body_fits() end
    return self:_limit_body(size.check("ctx:limits: body", options.body, 2))
  end

  --- Lowers or raises the limit of the body. False when it is known to be longer.
  function methods:_limit_body(bytes)
    return C.jh_ctx_limit_body(alive(self), bytes) == 0
  end

  function methods:_limit_body_time(ms)
    C.jh_ctx_set_body_timeout(alive(self), ms)
  end

  --- False when the body is known to be above its limit.
  function methods:_body_fits()
    return C.jh_ctx_check_body(alive(self)) == 0
  end

  --- True when something was set to answer with.
  function methods:_has_answer()
    alive(self)
    return self[BODY] ~= false or (self[ENDING] and self[ENDING] ~= context.send) or false
  end

  function methods:_expects_continue()
    return C.jh_ctx_expects_continue(alive(self))
  end

  function methods:_continue()
    C.jh_ctx_continue(alive(self))
  end

  --- Declared length of the body; nil when it comes in chunks.
  function getters.content_length(ctx)
    local length = tonumber(C.jh_ctx_content_length(alive(ctx)))
    return length >= 0 and length or nil
  end

  -- ---- pieces and trailers ---------------------------------------------------------------------

  --- Goes through the body in pieces of at most `bytes` (65536), waiting for them:
  -- `for piece in ctx:pieces() do`. When the body does not come as it should that is raised, and
  -- answered with 413, 408 or 400.
  ---@param bytes integer?
  ---@return fun(): string?
  function methods:pieces(bytes)
    alive(self)
    if bytes ~= nil and (type(bytes) ~= "number" or bytes < 1) then
      error("ctx:pieces: give a number of bytes, got " .. tostring(bytes), 2)
    end
    return function()
      local piece, err, status = self:read(bytes)
      if err then error(context.status_error(status, err), 0) end
      return piece
    end
  end

  --- Fields that came behind a chunked body, by name in any case; a repeated one is joined with ",
  -- ". Empty before the body has ended. `pairs` gives the names in lower case.
  function getters.trailers(ctx)
    local c = alive(ctx)
    local trailers = kept(ctx, "_trailers")
    if trailers then return trailers end
    local name, value = ffi.new "jh_str", ffi.new "jh_str"
    local index = 0
    trailers = setmetatable({}, Trailers)
    while C.jh_ctx_trailer_at(c, index, name, value) == 0 do
      local key = lower(ffi.string(name.ptr, name.len))
      local text, before = ffi.string(value.ptr, value.len), rawget(trailers, key)
      rawset(trailers, key, before and before .. ", " .. text or text)
      index = index + 1
    end
    if index > 0 then rawset(ctx, "_trailers", trailers) end
    return trailers
  end

  -- ---- forms -----------------------------------------------------------------------------------

  local function essence(ctx)
    return media_type.essence(ctx.headers["content-type"])
  end

  --- Reads a form, urlencoded or multipart/form-data: of a repeated name the first value; the third
  -- result has all. Files of a multipart form are kept for `ctx:files()`. nil and why when the body
  -- is of another type.
  ---@param options justhttp.form_options? limits for multipart forms
  ---@return table<string, string>? fields
  ---@return string? err
  ---@return table<string, string[]>? all
  function methods:form(options)
    alive(self)
    local form = kept(self, "_form")
    if not form and essence(self) ~= "multipart/form-data" then
      return require "justhttp.form".parse(self.body, self.headers["content-type"])
    end
    form = form or require "justhttp.multipart".collect(self, options)
    return form.fields, nil, form.all
  end

  --- The files of a multipart/form-data body by the names of their fields:
  -- `for _, file in ipairs(ctx:files().photo or {}) do`. Small ones are in memory, larger ones in
  -- temporary files that are gone at the end of the request. nil and why when the body is of
  -- another type.
  ---@param options justhttp.form_options?
  ---@return table<string, justhttp.file[]>? files
  ---@return string? err
  function methods:files(options)
    alive(self)
    local form = kept(self, "_form")
    if not form then
      local found = essence(self)
      if found ~= "multipart/form-data" then
        return nil, "the body is " .. (found or "of no declared type")
          .. ", not multipart/form-data"
      end
      form = require "justhttp.multipart".collect(self, options)
    end
    return form.files
  end

  --- Goes through the parts of a multipart/form-data body while it comes in:
  -- `for part in ctx:parts() do`. What is not read of a part is passed over. A body that is no such
  -- form is answered 415, a malformed one 400, one over a limit 413.
  ---@param options justhttp.form_options?
  ---@return fun(): justhttp.part?
  function methods:parts(options)
    alive(self)
    return require "justhttp.multipart".parts(self, options)
  end
end
