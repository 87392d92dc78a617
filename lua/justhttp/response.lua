--- The response side of ctx: what is answered.
--
-- Nothing goes on the wire before the handler is done: until then headers, status and body may be
-- set in any order and again, by middleware as well. What a handler returns becomes the response
-- through `apply`; what it sets by hand stays when it returns nothing.

local ffi = require "ffi"
local door = require "justhttp.door"
local explain = require "justhttp.explain"
local json = require "justhttp.json"
local slots = require "justhttp.slots"

local C, out = door.C, door.out
local ROUTE, STATUS, BODY = slots.ROUTE, slots.STATUS, slots.BODY
local CORE, TYPE, ENDING = slots.CORE, slots.TYPE, slots.ENDING
local encode = json.encode_response
local type, error, tostring, tonumber = type, error, tostring, tonumber
local format, find = string.format, string.find

local TEXT, HTML = tonumber(C.JH_TYPE_TEXT), tonumber(C.JH_TYPE_HTML)
local JSON = tonumber(C.JH_TYPE_JSON)

local REDIRECTS = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

-- "404 Not Found"; names of the statuses an app answers by number.
local REASONS = {
  [400] = "Bad Request", [401] = "Unauthorized", [402] = "Payment Required", [403] = "Forbidden",
  [404] = "Not Found", [405] = "Method Not Allowed", [406] = "Not Acceptable",
  [408] = "Request Timeout", [409] = "Conflict", [410] = "Gone", [411] = "Length Required",
  [412] = "Precondition Failed", [413] = "Content Too Large", [414] = "URI Too Long",
  [415] = "Unsupported Media Type", [416] = "Range Not Satisfiable", [417] = "Expectation Failed",
  [418] = "I'm a teapot", [421] = "Misdirected Request", [422] = "Unprocessable Content",
  [423] = "Locked", [424] = "Failed Dependency", [425] = "Too Early", [426] = "Upgrade Required",
  [428] = "Precondition Required", [429] = "Too Many Requests",
  [431] = "Request Header Fields Too Large", [451] = "Unavailable For Legal Reasons",
  [500] = "Internal Server Error", [501] = "Not Implemented", [502] = "Bad Gateway",
  [503] = "Service Unavailable", [504] = "Gateway Timeout", [505] = "HTTP Version Not Supported",
  [507] = "Insufficient Storage",
}

---@param context table
return function(context)
  local getters, methods, alive = context.getters, context.methods, context.alive
  local kept = context.kept

  local function check_status(what, status, level)
    if type(status) ~= "number" or status < 200 or status > 599 or status % 1 ~= 0 then
      error(format("%s: the status must be a whole number from 200 to 599, got %s", what,
        tostring(status)), level + 1)
    end
  end

  --- The reason phrase of a status.
  function context.reason(status) return REASONS[status] or "Error" end

  -- Who returned a value, and the place that declared it: "app.lua:3: the handler returned ".
  -- `index` is its place in the chain of its route; nil for a handler without middleware;
  -- "on_error".
  local function who_returned(ctx, index)
    if index == "on_error" then return "on_error returned " end
    local places = ctx[ROUTE].places or {}
    index = index or #places
    local where = places[index]
    return (where and where .. ": " or "")
      .. (index < #places and "a middleware returned " or "the handler returned ")
  end

  local RETURNS = "; return a string, a table (JSON), or a status before one of them"

  local function refuse(ctx, first, index)
    local kind = type(first)
    if kind == "number" then
      error(who_returned(ctx, index) .. "the status " .. tostring(first)
        .. "; a status is a whole number from 200 to 599", 0)
    end
    if kind == "function" then
      kind = "function (to make a middleware call it first: http.middleware.logger())"
    end
    error(who_returned(ctx, index) .. "a " .. kind .. RETURNS, 0)
  end

  --- Makes what a handler returned the response: [status,] string | table | nil.
  ---@param ctx justhttp.ctx
  ---@param first any
  ---@param second any
  ---@param index integer|string|nil who returned it; see `who_returned`
  function context.apply(ctx, first, second, index)
    local kind = type(first)
    if kind == "number" then
      if first < 200 or first > 599 or first % 1 ~= 0 then refuse(ctx, first, index) end
      ctx[STATUS] = first
      if second == nil then return end
      first, kind = second, type(second)
    end
    if kind == "string" then
      ctx[BODY] = first
      if ctx[TYPE] == 0 then ctx[TYPE] = TEXT end
    elseif kind == "table" then
      ctx[BODY], ctx[TYPE] = encode(first), JSON
    else
      refuse(ctx, first, index)
    end
  end

  explain.describe(context.apply, function(ctx, index)
    return who_returned(ctx, index) .. "a table that is no JSON"
  end)

  --- The status of the response as it stands.
  function getters.status(ctx)
    return ctx[STATUS] or 200
  end

  --- Bytes of the body as it stands; of a stream those written so far.
  function getters.response_bytes(ctx)
    local stream = kept(ctx, "_stream")
    if stream then return stream:bytes() end
    return context.file_bytes(ctx) or ctx[BODY] and #ctx[BODY] or 0
  end

  -- ---- headers ---------------------------------------------------------------------------------

  local function set_header(ctx, call, name, value, is_appended)
    local c = alive(ctx)
    local kind = type(value)
    if kind == "number" then
      value = tostring(value)
    elseif kind ~= "string" then
      error(format("%s: the value of %q must be a string or a number, got a %s", call,
        tostring(name), kind), 3)
    end
    if type(name) ~= "string" then
      error(format("%s: the name must be a string, got a %s", call, type(name)), 3)
    end
    local code = C.jh_ctx_set_header(c, name, #name, value, #value, is_appended)
    if code == 0 then return end
    if code == C.JH_EINVAL then
      error(format("%s: %q: %q cannot be sent: a name is a token, a value has no CR, LF or NUL",
        call, name, value), 3)
    elseif code == C.JH_EUNSUPPORTED then
      error(format("%s: %s is the server's own business", call, name), 3)
    end
    error(format("%s: %s: %s", call, name, door.strerror(code)), 3)
  end

  local function check_name(call, name)
    if type(name) == "string" then return end
    error(format("%s: the name must be a string, got a %s", call, type(name)), 3)
  end

  --- Sets a response header, in place of any of that name; nil removes it.
  ---@param name string
  ---@param value string|number|nil
  function methods:set(name, value)
    if value == nil then
      check_name("ctx:set", name)
      C.jh_ctx_remove_header(alive(self), name, #name)
      return
    end
    set_header(self, "ctx:set", name, value, false)
  end

  --- Adds a response header beside others of that name.
  ---@param name string
  ---@param value string|number
  function methods:append(name, value)
    set_header(self, "ctx:append", name, value, true)
  end

  --- A response header as it stands, or nil.
  ---@param name string
  ---@return string?
  function methods:response_header(name)
    check_name("ctx:response_header", name)
    if C.jh_ctx_response_header(alive(self), name, #name, out) ~= 0 then return nil end
    return ffi.string(out.ptr, out.len)
  end

  --- Sets a cookie; see cookie.lua for the options. A value of nil has the browser drop it. Over
  -- TLS it is secure unless the options say `secure = false`.
  ---@param name string
  ---@param value string|number|nil
  ---@param options justhttp.cookie_options?
  function methods:cookie(name, value, options)
    set_header(self, "ctx:cookie", "Set-Cookie",
      require "justhttp.cookie".serialise(name, value, options, self.scheme == "https"), true)
  end

  -- ---- bodies ----------------------------------------------------------------------------------

  local function set_body(ctx, call, body, content_type, status)
    alive(ctx)
    if type(body) ~= "string" then
      if type(body) ~= "number" then
        error(format("%s: give a string, got a %s", call, type(body)), 3)
      end
      body = tostring(body)
    end
    if status ~= nil then
      check_status(call, status, 3)
      ctx[STATUS] = status
    end
    ctx[BODY], ctx[TYPE] = body, content_type
    context.drop_file(ctx)
  end

  --- Answers plain text.
  ---@param body string|number
  ---@param status integer?
  function methods:text(body, status) set_body(self, "ctx:text", body, TEXT, status) end

  --- Answers HTML.
  ---@param body string
  ---@param status integer?
  function methods:html(body, status) set_body(self, "ctx:html", body, HTML, status) end

  --- Answers HTML that a template makes: `ctx:render("users", { users = users })`. Templates are
  -- those that `app:templates` named, in the innermost group that did.
  ---@param name string
  ---@param values table? the template's variables
  ---@param status integer?
  function methods:render(name, values, status)
    alive(self)
    local engine = kept(self, "_templates") or self[ROUTE].templates
    if not engine then
      error('ctx:render: this app has no templates; say where they are: app:templates "views"', 2)
    end
    set_body(self, "ctx:render", engine:render(name, values), HTML, status)
  end

  --- With a value answers it as JSON; without one reads the request's body as JSON.
  ---@param value any
  ---@param status integer?
  ---@return any value
  ---@return string? err
  function methods:json(value, status)
    if value == nil then
      local body = self.body
      if body == "" then return nil, "not JSON: the body is empty" end
      return json.decode(body)
    end
    set_body(self, "ctx:json", encode(value), JSON, status)
  end

  --- Sends the client elsewhere. Other statuses than 301, 302, 303, 307 and 308 are an error.
  ---@param location string
  ---@param status integer? 302
  function methods:redirect(location, status)
    status = status or 302
    if not REDIRECTS[status] then
      error("ctx:redirect: the status is 301, 302, 303, 307 or 308, not " .. tostring(status), 2)
    end
    if type(location) ~= "string" then
      error("ctx:redirect: the location must be a string, got a " .. type(location), 2)
    end
    set_header(self, "ctx:redirect", "Location", location, false)
    set_body(self, "ctx:redirect", "", TEXT, status)
  end

  -- Headers that describe the body which an error takes the place of. The others stay: a request id
  -- or the CORS headers matter most when something went wrong.
  local ABOUT_BODY = {
    "Content-Type", "Content-Encoding", "Content-Disposition", "Content-Range", "Content-Language",
    "ETag", "Last-Modified", "Cache-Control", "Expires", "Accept-Ranges",
  }

  --- Forgets body or stream, status, and the headers that describe the body.
  function context.reset_body(ctx)
    local c = alive(ctx)
    for i = 1, #ABOUT_BODY do C.jh_ctx_remove_header(c, ABOUT_BODY[i], #ABOUT_BODY[i]) end
    ctx[BODY], ctx[TYPE], ctx[STATUS] = false, 0, false
    context.drop_file(ctx)
    if ctx[ENDING] then ctx[ENDING] = context.send end
  end

  --- Answers an error in place of what was set before: a line of text, or JSON for clients that
  -- prefer it.
  ---@param status integer
  ---@param message string? "Not Found" for 404, and so on
  function methods:error(status, message)
    check_status("ctx:error", status, 2)
    if message ~= nil and type(message) ~= "string" then
      error("ctx:error: the message must be a string, got a " .. type(message), 2)
    end
    context.reset_body(self)
    message = message or context.reason(status)
    local accept = self.headers.accept or ""
    if find(accept, "application/json", 1, true) and not find(accept, "text/", 1, true) then
      set_body(self, "ctx:error", encode { status = status, error = message }, JSON, status)
    else
      set_body(self, "ctx:error", message .. "\n", TEXT, status)
    end
  end

  --- Tells the browser what it will need while the response is made (103 Early Hints).
  ---@param links string[] Link values: { "</app.css>; rel=preload; as=style" }
  function methods:early_hints(links)
    local c = alive(self)
    if type(links) ~= "table" then
      error("ctx:early_hints: give a list of Link values, got a " .. type(links), 2)
    end
    local fields = ""
    for i = 1, #links do
      if type(links[i]) ~= "string" or find(links[i], "[%c]") then
        error("ctx:early_hints: give Link values without control characters", 2)
      end
      fields = fields .. "Link: " .. links[i] .. "\r\n"
    end
    C.jh_ctx_inform(c, 103, fields, #fields)
  end

  -- ---- shadows ---------------------------------------------------------------------------------

  --- Splits the exchange from this ctx, which becomes a shadow: its reads still work, its writes go
  -- nowhere. Returns the ctx to answer on, or nil when the client is gone.
  function methods:_detach()
    local slot = ffi.new "uint32_t[1]"
    local c = C.jh_ctx_detach(alive(self), slot)
    if c == nil then return nil end
    context.keep(self, "_is_shadow", true)
    return context.new(c, self[ROUTE])
  end

  --- Lets a shadow go; the ctx is over.
  function methods:_release()
    local c = self[CORE]
    if not c then return end
    self[CORE] = false
    C.jh_ctx_release(c)
  end

  --- Sends what was set on a ctx from `_detach`.
  function methods:_finish()
    context.finish(self)
  end
end
