--- justhttp: the public face. `local http = require "justhttp"`.
--
-- Everything else is loaded when it is first used, so requiring this costs nothing and works in a
-- plain LuaJIT too, where specs and tools use the parts that need no server (json, query, …).

---@alias justhttp.get
---| fun(url: string, options: justhttp.request_options?): justhttp.client_response?, string?
---@alias justhttp.post
---| fun(url: string, body: string|justhttp.request_options?, options: table?):
---  justhttp.client_response?, string?, string?

---@class justhttp
---@field middleware justhttp.middlewares
---@field json justhttp.json
---@field query justhttp.query
---@field log justhttp.log
---@field get justhttp.get http.get(url, options)
---@field head justhttp.get
---@field delete justhttp.get
---@field options justhttp.get
---@field post justhttp.post http.post(url, body or options, options)
---@field put justhttp.post
---@field patch justhttp.post
---@field socket justhttp.sockets
---@field resolve fun(name: string, seconds: number?): string[]?, string?
---@field fd_wait fun(fd: integer, events: "r"|"w"|"rw", seconds: number?): string?, string?
---@field offload fun(fn: function, ...): ... runs fn on another thread
---@field null any stands for JSON's null
---@field version string "0.1.0"
local M = {}

--- Makes an empty app.
---@return justhttp.app
function M.app()
  return require "justhttp.app".new()
end

--- Makes an engine for the templates of a directory, "views" when absent; template.lua says what a
-- template is. For pages of an app see `app:templates`.
---@param options string|justhttp.template_options|nil the directory, or options
---@return justhttp.template_engine
function M.template(options)
  local engine = require "justhttp.views".engine(options, 2)
  return engine
end

--- Makes a jar of cookies that follows the rules of browsers; sessions have one already.
---@param options justhttp.cookie_jar_options?
---@return justhttp.cookie_jar
function M.cookie_jar(options)
  return require "justhttp.cookie_jar".new(options)
end

--- Makes a client that keeps cookies, knows a base URL and says where it comes from.
---@param options justhttp.session_options?
---@return justhttp.session
function M.session(options)
  return require "justhttp.session".new(options)
end

--- Makes a client that spreads its requests over many upstreams.
---@param options justhttp.balancer_options
---@return justhttp.balancer
function M.balancer(options)
  return require "justhttp.balancer".new(options)
end

--- Makes a handler that passes requests on to a server behind this one:
-- `app:any("/api/*rest", http.proxy { upstream = "http://127.0.0.1:9000" })`.
---@param options justhttp.proxy_options
---@return justhttp.handler
function M.proxy(options)
  local handler = require "justhttp.proxy".new(options)
  return handler
end

-- The three functions of the scheduler put themselves in the place of these on their first call.
local function from_scheduler(name)
  M[name] = require "justhttp.scheduler"[name]
  return M[name]
end

--- Suspends the running handler or task; others run meanwhile.
---@param seconds number
function M.sleep(seconds)
  return from_scheduler "sleep"(seconds)
end

--- Runs a function as a task of its own, beside the caller.
---@param fn fun(...): ...
---@param ... any its arguments
---@return justhttp.task
function M.spawn(fn, ...)
  return from_scheduler "spawn"(fn, ...)
end

--- Waits for a task. Returns what its function returned, raises what it raised; nil and "timeout"
-- when it takes longer than `seconds`.
---@param task justhttp.task
---@param seconds number?
---@return any ...
function M.wait(task, seconds)
  return from_scheduler "wait"(task, seconds)
end

--- True from the moment the server was asked to stop. What goes on for ever (an event stream, a
-- loop in a task) may look at it, so that the server need not wait for shutdown_timeout_ms.
---@return boolean
function M.is_stopping()
  local door = require "justhttp.door"
  return door.generation ~= nil and door.C.jh_generation_is_stopping(door.generation)
end

-- ---- the client --------------------------------------------------------------------------------

--- Makes an HTTP client with options of its own, and links of its own.
---@param options justhttp.client_options?
---@return justhttp.client
function M.client(options)
  return require "justhttp.client".new(options)
end

--- Makes a client that has many requests on one link at the same time.
---@param options justhttp.pipeline_options
---@return justhttp.pipeline
function M.pipeline(options)
  return require "justhttp.pipeline".new(options)
end

--- Sends a request with the default client.
---@param method string|justhttp.request_options
---@param url string?
---@param options justhttp.request_options?
---@return justhttp.client_response? response
---@return string? err names the URL and what failed
---@return justhttp.failure_kind? kind
function M.request(method, url, options)
  return require "justhttp.client".default():request(method, url, options)
end

-- http.get(url, options) and so on: methods of the default client, put in place on first use.
local function from_default_client(name)
  local client = require "justhttp.client".default()
  local method = client[name]
  return function(...) return method(client, ...) end
end

--- Opens a WebSocket to "ws://…" or "wss://…"; see websocket_client.lua.
---@param url string
---@param options table?
---@return justhttp.websocket? ws
---@return string? err
---@return string? kind
function M.websocket(url, options)
  M.websocket = require "justhttp.websocket_client"
  return M.websocket(url, options)
end

local LAZY = {
  middleware = function() return require "justhttp.middleware" end,
  fd_wait = function() return require "justhttp.fd_wait".fd_wait end,
  json = function() return require "justhttp.json" end,
  query = function() return require "justhttp.query" end,
  log = function() return require "justhttp.log" end,
  offload = function() return require "justhttp.offload".offload end,
  resolve = function() return require "justhttp.resolve".resolve end,
  socket = function() return require "justhttp.socket" end,
  null = function() return require "justhttp.json".null end,
  get = function() return from_default_client "get" end,
  head = function() return from_default_client "head" end,
  post = function() return from_default_client "post" end,
  put = function() return from_default_client "put" end,
  patch = function() return from_default_client "patch" end,
  delete = function() return from_default_client "delete" end,
  options = function() return from_default_client "options" end,
  version = function() return require "justhttp.door".version end,
}

return setmetatable(M, {
  __name = "justhttp",
  __index = function(_, name)
    local load = LAZY[name]
    if not load then return nil end
    local value = load()
    M[name] = value
    return value
  end,
})
