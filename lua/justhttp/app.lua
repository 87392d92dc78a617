--- The application: what `http.app()` returns and an app.lua builds.
--
-- While the file loads, its calls only write down declarations: a tree of scopes (the app, its
-- groups, hosts and mounted apps), each with routes and middleware in order. When the app starts,
-- the dispatcher asks for the flat list (`_routes`, `_fallback`), gives the patterns to the router
-- of the core and composes each handler with its middleware once. So nothing here runs per request
-- but the guards of path-prefixed middleware.
--
-- Middleware of a scope wraps every route of the scope, also those declared above the `use` line:
-- forgetting to put a guard first must not open a door. It runs for requests without a route too
-- (so that logs and CORS see them), as far as their path lies in the scope.

local explain = require "justhttp.explain"
local routes = require "justhttp.routes"
local slots = require "justhttp.slots"

local find, gsub, sub, format = string.find, string.gsub, string.sub, string.format
local lower, upper = string.lower, string.upper
local getinfo = debug.getinfo
local join = routes.join

---@class justhttp.scope
---@field _prefix string what every pattern of the scope starts with, "" for the app itself
---@field _host string? host of every route of the scope
---@field _entries table[] routes and inner scopes in the order of their declaration
---@field _middleware table[] { fn, prefix, where }
local Scope = { __name = "justhttp.scope" }
Scope.__index = Scope

---@class justhttp.app : justhttp.scope
local App = setmetatable({ __name = "justhttp.app" }, { __index = Scope })
App.__index = App

---@class justhttp.timer
local Timer = { __name = "justhttp.timer" }
Timer.__index = Timer

local M = {}

local function new_scope(class, prefix, host, root)
  local scope = setmetatable({
    _prefix = prefix, _host = host, _entries = {}, _middleware = {},
  }, class)
  scope._root = root or scope
  return scope
end

--- Makes an empty app.
---@return justhttp.app
function M.new()
  local app = new_scope(App, "", nil, nil)
  app._start, app._stop, app._timers = {}, {}, {}
  return app
end

--- Makes an app of a bare function: it answers every method and path.
---@param handler justhttp.handler
---@return justhttp.app
function M.from_function(handler)
  local app = M.new()
  app:any("/*path", handler)
  local info = getinfo(handler, "S")
  app._entries[1].where = M._place(info.source, info.linedefined)
  return app
end

--- True for what `new` and `from_function` make.
---@param value any
---@return boolean
function M.is_app(value)
  return getmetatable(value) == App
end

--- "@apps/hello/app.lua", 12 -> "apps/hello/app.lua:12".
function M._place(source, line)
  local first = sub(source, 1, 1)
  local name = (first == "@" or first == "=") and sub(source, 2) or "(inline)"
  return format("%s:%d", name, line)
end

-- The place in the app that called: `level` is that of getinfo, seen from here.
local function place_of_caller(level)
  local info = getinfo(level, "Sl")
  return M._place(info.source, info.currentline)
end

-- ---- declarations -----------------------------------------------------------------------------

local function check_self(scope, call, level)
  local meta = getmetatable(scope)
  if meta == App or meta == Scope then return end
  error(format("%s: call it with a colon: %s(…)", (gsub(call, ":", ".")), call), level + 1)
end

local function check_open(scope, call, level)
  check_self(scope, call, level + 1)
  if scope._root._is_frozen then
    error(format("%s: the app has started and its routes are fixed; declare them while app.lua "
      .. "loads", call), level + 1)
  end
end

local function check_pattern(scope, call, path)
  if type(path) ~= "string" then
    error(format('%s: the path must be a string such as "/users/:id", got a %s', call,
      type(path)), 4)
  end
  if sub(path, 1, 1) ~= "/" and not (path == "" and scope._prefix ~= "") then
    error(format('%s: the path %q must start with "/": write %q', call, path, "/" .. path), 4)
  end
end

local function check_function(call, what, value, level)
  if type(value) == "function" then return end
  local hint = ""
  if value == nil then
    hint = " (is its name spelt right, and does its module return it?)"
  elseif M.is_app(value) then
    hint = " (to use an app inside another write app:mount(prefix, other))"
  end
  error(format("%s: the %s must be a function, got %s%s", call, what,
    value == nil and "nil" or "a " .. type(value), hint),
    level + 1)
end

-- `call` is how the caller wrote it ("app:get"), for the messages; `...` is middleware, then the
-- handler. Must be called by a method of Scope that the app's file called.
local function add_route(scope, call, methods, path, ...)
  check_open(scope, call, 3)
  check_pattern(scope, call, path)
  local count = select("#", ...)
  if count == 0 then
    error(format("%s(%q): the handler is missing: add function(ctx) … end", call, path), 3)
  end
  local chain = { ... }
  for i = 1, count do
    local what = i == count and "handler" or "middleware"
    check_function(format("%s(%q)", call, path), what, chain[i], 3)
  end
  local handler = chain[count]
  chain[count] = nil
  local where = place_of_caller(4)
  for i = 1, #methods do
    scope._entries[#scope._entries + 1] = {
      method = methods[i], path = path, middleware = chain, handler = handler, where = where,
    }
  end
end

--- Answers GET (and HEAD, unless there is a route for it) on a path.
-- The last function is the handler, those before it are middleware of this route alone.
-- Patterns: "/users/:id" takes one segment into `ctx.params.id`, "/files/*path" takes the rest.
---@param path string
---@param ... justhttp.handler|justhttp.middleware
---@return self
function Scope:get(path, ...)
  add_route(self, "app:get", { "GET" }, path, ...)
  return self
end

--- Answers POST on a path; see `get`.
---@param path string
---@param ... justhttp.handler|justhttp.middleware
---@return self
function Scope:post(path, ...)
  add_route(self, "app:post", { "POST" }, path, ...)
  return self
end

--- Answers PUT on a path; see `get`.
---@param path string
---@param ... justhttp.handler|justhttp.middleware
---@return self
function Scope:put(path, ...)
  add_route(self, "app:put", { "PUT" }, path, ...)
  return self
end

--- Answers PATCH on a path; see `get`.
---@param path string
---@param ... justhttp.handler|justhttp.middleware
---@return self
function Scope:patch(path, ...)
  add_route(self, "app:patch", { "PATCH" }, path, ...)
  return self
end

--- Answers DELETE on a path; see `get`.
---@param path string
---@param ... justhttp.handler|justhttp.middleware
---@return self
function Scope:delete(path, ...)
  add_route(self, "app:delete", { "DELETE" }, path, ...)
  return self
end

--- Answers HEAD on a path, in place of the GET route there; see `get`.
---@param path string
---@param ... justhttp.handler|justhttp.middleware
---@return self
function Scope:head(path, ...)
  add_route(self, "app:head", { "HEAD" }, path, ...)
  return self
end

--- Answers OPTIONS on a path, in place of the automatic answer; see `get`.
---@param path string
---@param ... justhttp.handler|justhttp.middleware
---@return self
function Scope:options(path, ...)
  add_route(self, "app:options", { "OPTIONS" }, path, ...)
  return self
end

--- Answers every method that has no route of its own on a path; see `get`.
---@param path string
---@param ... justhttp.handler|justhttp.middleware
---@return self
function Scope:any(path, ...)
  add_route(self, "app:any", { "ANY" }, path, ...)
  return self
end

Scope.all = Scope.any

--- Answers one method, or each of a list, on a path: `app:route({ "GET", "POST" }, "/form", fn)`.
---@param method string|string[]
---@param path string
---@param ... justhttp.handler|justhttp.middleware
---@return self
function Scope:route(method, path, ...)
  check_open(self, "app:route", 2)
  local methods = {}
  for i, name in ipairs(type(method) == "table" and method or { method }) do
    if type(name) ~= "string" or not find(name, "^[%w!#$%%&'*+%-.^_`|~]+$") then
      error(format('app:route: %q is no method; write a name such as "GET" or a list of names',
        tostring(name)), 2)
    end
    methods[i] = upper(name)
  end
  if #methods == 0 then
    error('app:route: the method is missing: app:route("GET", "/path", handler)', 2)
  end
  add_route(self, "app:route", methods, path, ...)
  return self
end

--- Answers GET and HEAD below a path with the files of a directory; static.lua has the options.
-- A relative directory starts at the app's. What is not there is answered like any other path
-- without a route.
---@param path string "/assets"
---@param directory string "public"
---@param options justhttp.static_options?
---@return self
function Scope:static(path, directory, options)
  check_open(self, "app:static", 2)
  if type(path) ~= "string" or (path ~= "" and sub(path, 1, 1) ~= "/")
    or find(path, "[:*]") then
    error(format('app:static: the path must be a prefix such as "/assets", got %s',
      type(path) == "string" and format("%q", path) or "a " .. type(path)), 2)
  end
  if type(directory) ~= "string" then
    error("app:static: the directory must be a string, got a " .. type(directory), 2)
  end
  local static = require "justhttp.static"
  local base = require "justhttp.loader".directory
    or sub(getinfo(2, "S").source, 2):match "^(.*)/[^/]*$"
  local ok, handler, open = pcall(static.handler, directory, base, options or {})
  if not ok then error(handler, 2) end
  path = path:gsub("/+$", "")
  add_route(self, "app:static", { "GET" }, path .. "/*path", handler)
  if path ~= "" or self._prefix ~= "" then
    add_route(self, "app:static", { "GET" }, path, static.redirect_to_directory)
  end
  local start = self._root._start
  start[#start + 1] = open
  return self
end

--- Says where `ctx:render` finds the templates of this scope: a directory ("views" when absent),
-- options of template.lua, or an engine of `http.template`. A relative directory starts at the
-- app's. Groups and mounted apps may have their own.
---@param options string|justhttp.template_options|justhttp.template_engine|nil
---@return self
function Scope:templates(options)
  check_open(self, "app:templates", 2)
  self._templates = require "justhttp.views".engine(options, 2)
  return self
end

--- Wraps the routes of this scope in middleware, or only those below a path:
-- `app:use("/admin", mw)`. The first `use` is the outermost.
---@param ... string|justhttp.middleware an optional path, then functions
---@return self
function Scope:use(...)
  check_open(self, "app:use", 2)
  local count, first, prefix = select("#", ...), 1, nil
  local given = { ... }
  if type(given[1]) == "string" then
    prefix, first = given[1], 2
    if sub(prefix, 1, 1) ~= "/" or find(prefix, "*", 1, true) then
      error(format('app:use: %q is no path prefix; write one such as "/admin" (everything below it '
        .. "is included)", prefix), 2)
    end
    if #prefix > 1 and sub(prefix, -1) == "/" then prefix = sub(prefix, 1, -2) end
    if prefix == "/" then prefix = nil end
  end
  if first > count then
    error("app:use: the middleware is missing: function(ctx, next) … end", 2)
  end
  local where = place_of_caller(3)
  for i = first, count do
    check_function("app:use", "middleware", given[i], 2)
    self._middleware[#self._middleware + 1] = { fn = given[i], prefix = prefix, where = where }
  end
  return self
end

--- Calls `fn(ctx)` for requests of this scope when their headers are there and before their body is
-- read. What it returns is the answer; when it returns nothing the request goes on. It may set
-- limits for this request: `ctx:limits{ body = "2g" }`. It has its place among the middleware.
---@param fn fun(ctx: justhttp.ctx): any, any
---@return self
function Scope:on_headers(fn)
  check_open(self, "app:on_headers", 2)
  check_function("app:on_headers", "argument", fn, 2)
  self._middleware[#self._middleware + 1] = {
    fn = require "justhttp.middleware.on_headers"(fn), where = place_of_caller(3),
  }
  return self
end

--- Decides about requests of this scope whose client waits for 100 Continue before it sends the
-- body: `fn(ctx)` returns nothing or 100 to let it, false for 417, or another answer.
---@param fn fun(ctx: justhttp.ctx): any, any
---@return self
function Scope:on_expect(fn)
  check_open(self, "app:on_expect", 2)
  check_function("app:on_expect", "argument", fn, 2)
  self._middleware[#self._middleware + 1] = {
    fn = require "justhttp.middleware.on_expect"(fn), where = place_of_caller(3),
  }
  return self
end

local function check_prefix(call, prefix, level)
  if type(prefix) ~= "string" or sub(prefix, 1, 1) ~= "/" then
    error(format('%s: the prefix must be a path such as "/api", got %s', call,
      type(prefix) == "string" and format("%q", prefix) or "a " .. type(prefix)), level + 1)
  end
  if find(prefix, "*", 1, true) then
    error(format("%s: the prefix %q cannot have a *rest", call, prefix), level + 1)
  end
  if sub(prefix, -1) == "/" then prefix = sub(prefix, 1, -2) end
  return prefix
end

-- Inner scopes know their whole prefix; only mounted apps learn theirs when the list is made.
local function add_scope(scope, prefix, host)
  local whole = join(scope._prefix, prefix)
  local inner = new_scope(Scope, whole, host or scope._host, scope._root)
  scope._entries[#scope._entries + 1] = { scope = inner }
  return inner
end

--- Makes a group of routes below a prefix, with middleware of its own.
---@param prefix string
---@param fn fun(group: justhttp.scope)? called with the group, when given
---@return justhttp.scope group
function Scope:group(prefix, fn)
  check_open(self, "app:group", 2)
  prefix = check_prefix("app:group", prefix, 2)
  if fn ~= nil then check_function("app:group", "second argument", fn, 2) end
  local group = add_scope(self, prefix, nil)
  if fn then fn(group) end
  return group
end

--- Makes a group of routes for one host, "api.example.com" or "*.example.com".
---@param host string
---@param fn fun(group: justhttp.scope)?
---@return justhttp.scope group
function Scope:host(host, fn)
  check_open(self, "app:host", 2)
  if type(host) ~= "string" or not find(host, "^[%w%-%._%*%[%]:]+$") then
    error(format('app:host: %q is no host; write a name such as "api.example.com"',
      tostring(host)), 2)
  end
  if fn ~= nil then check_function("app:host", "second argument", fn, 2) end
  local group = add_scope(self, "", lower(host))
  if fn then fn(group) end
  return group
end

local function contains(app, wanted)
  if app == wanted then return true end
  for _, entry in ipairs(app._entries) do
    local inner = entry.mounted or entry.scope
    if inner and contains(inner, wanted) then return true end
  end
  return false
end

--- Puts another app, or a function that answers everything, below a prefix.
-- The other app keeps its middleware, error handler and hooks; `ctx.path` stays the whole path.
---@param prefix string
---@param other justhttp.app|justhttp.handler
---@return self
function Scope:mount(prefix, other)
  check_open(self, "app:mount", 2)
  prefix = check_prefix("app:mount", prefix, 2)
  local where = place_of_caller(3)
  local entries = self._entries
  if type(other) == "function" then
    for _, path in ipairs { prefix, prefix .. "/*rest" } do
      if path ~= "" then
        entries[#entries + 1] = {
          method = "ANY", path = path, middleware = {}, handler = other, where = where,
        }
      end
    end
    return self
  end
  if not M.is_app(other) then
    error("app:mount: give an app or a function(ctx), got a " .. type(other), 2)
  end
  if contains(other, self._root) then error("app:mount: the app would contain itself", 2) end
  entries[#entries + 1] = { mounted = other, prefix = prefix }
  return self
end

--- Accepts WebSockets on a path. The last function is the handler, those before it are middleware
-- of this route and run before the upgrade: `fn(ws, ctx)` is a task of its own, and the connection
-- is closed when it returns. In place of a function a table of functions costs less memory per
-- connection: `open(ws, ctx)`, `message(ws, data, kind)`, `close(ws, code, reason)`. Options may
-- stand in that table or behind the function.
---@param path string
---@param ... justhttp.middleware|fun(ws: justhttp.websocket, ctx: justhttp.ctx)|table
---@return self
function Scope:websocket(path, ...)
  local arguments, count = { ... }, select("#", ...)
  local options
  if count > 1 and type(arguments[count - 1]) == "function" and type(arguments[count]) == "table"
    and not arguments[count].message and not arguments[count].open then
    options, count = arguments[count], count - 1
  end
  local websocket = require "justhttp.websocket"
  local definition = websocket.definition("app:websocket", arguments[count], options, 3)
  local context = require "justhttp.context"
  arguments[count] = function(ctx)
    local run = websocket.accept(ctx, definition)
    if run then context.keep(ctx, slots.ENDING, run) end
  end
  add_route(self, "app:websocket", { "GET" }, path, unpack(arguments, 1, count))
  return self
end

--- Sets what answers when a handler of this scope raised: `fn(ctx, err)`.
-- It answers as a handler does; when it returns nothing the usual 500 is sent.
---@param fn fun(ctx: justhttp.ctx, err: any): any
---@return self
function Scope:on_error(fn)
  check_open(self, "app:on_error", 2)
  check_function("app:on_error", "argument", fn, 2)
  self._on_error = fn
  return self
end

--- Sets what answers requests of this scope that no route matches.
---@param fn justhttp.handler
---@return self
function Scope:not_found(fn)
  check_open(self, "app:not_found", 2)
  check_function("app:not_found", "argument", fn, 2)
  self._not_found, self._not_found_where = fn, place_of_caller(3)
  return self
end

-- ---- life of the app ----------------------------------------------------------------------------

--- Calls `fn` when a worker has loaded the app and before it takes requests. It may wait.
---@param fn fun()
---@return self
function App:on_start(fn)
  check_self(self, "app:on_start", 2)
  check_function("app:on_start", "argument", fn, 2)
  self._start[#self._start + 1] = fn
  return self
end

--- Has `fn` find the certificate of a host that the options have none for. It gets the name that
-- the client asks for (nil: none) and returns `{ cert =, key = }`, PEM text or names of files, or
-- nil: the client then gets the first certificate of the options, or is refused. It may wait; the
-- handshake waits with it.
---@param fn fun(server_name: string?): { cert: string, key: string? }?
---@return self
function App:tls_certificate(fn)
  check_self(self, "app:tls_certificate", 2)
  check_function("app:tls_certificate", "argument", fn, 2)
  if self._tls_certificate then
    error("app:tls_certificate: there is such a function already; one finds all certificates", 2)
  end
  self._tls_certificate = fn
  return self
end

--- Calls `fn` when a worker stops, after its last request. It may wait, within the shutdown
-- timeout.
---@param fn fun()
---@return self
function App:on_stop(fn)
  check_self(self, "app:on_stop", 2)
  check_function("app:on_stop", "argument", fn, 2)
  self._stop[#self._stop + 1] = fn
  return self
end

local function forget(timer)
  local timers = timer._app._timers
  for i = 1, #timers do
    if timers[i] == timer then return table.remove(timers, i) end
  end
end

local function add_timer(app, kind, seconds, fn)
  local call = "app:" .. kind
  check_self(app, call, 3)
  if type(seconds) ~= "number" or seconds ~= seconds or seconds < 0
    or (kind == "every" and seconds == 0) then
    error(format("%s: the time must be a positive number of seconds, got %s", call,
      tostring(seconds)), 3)
  end
  check_function(call, "second argument", fn, 3)
  local timer = setmetatable({ _kind = kind, _seconds = seconds, _fn = fn, _app = app }, Timer)
  if kind == "after" then
    timer._fn = function()
      forget(timer)
      return fn()
    end
  end
  app._timers[#app._timers + 1] = timer
  if app._scheduler then timer._handle = app._scheduler[kind](seconds, timer._fn) end
  return timer
end

--- Calls `fn` every so many seconds, in each worker, from the start of the app on.
-- The next period begins when `fn` has returned, so calls never overlap.
---@param seconds number
---@param fn fun()
---@return justhttp.timer
function App:every(seconds, fn)
  local timer = add_timer(self, "every", seconds, fn)
  return timer
end

--- Calls `fn` once, so many seconds after the start of the app (or from now on when it runs).
---@param seconds number
---@param fn fun()
---@return justhttp.timer
function App:after(seconds, fn)
  local timer = add_timer(self, "after", seconds, fn)
  return timer
end

--- Stops a timer; harmless when it is over or stopped.
function Timer:cancel()
  self._is_cancelled = true
  if self._handle then
    self._handle:cancel()
    self._handle = nil
  end
  forget(self)
end

--- Sends a message to all who listen to a topic (`ws:subscribe`, `events:subscribe`), in all
-- workers of the server. May be called from anywhere in the app.
---@param topic string 1 to 255 bytes
---@param data string|number
---@param kind "text"|"binary"? text; binary messages go to WebSockets only
---@return integer count of listeners in this worker
function App:publish(topic, data, kind)
  check_self(self, "app:publish", 2)
  local count = require "justhttp.hub".publish("app:publish", topic, data, kind)
  return count
end

--- How many listen to a topic in this worker.
---@param topic string
---@return integer
function App:listeners(topic)
  check_self(self, "app:listeners", 2)
  local count = require "justhttp.hub".listeners(topic)
  return count
end

--- Runs a request inside this process, through parser, router, middleware and handler, and waits
-- for the response. For specs and warm-up.
---@param options justhttp.request_options
---@return justhttp.test_response? response
---@return string? err
function App:request(options)
  check_self(self, "app:request", 2)
  return require "justhttp.testing".request(self, options)
end

-- ---- what the dispatcher reads ----------------------------------------------------------------

--- The flat list of routes; from here on the app takes no more.
---@return justhttp.route[]
function App:_routes()
  return routes.list(self)
end

--- What surrounds requests without a route; see routes.lua.
---@return justhttp.fallback
function App:_fallback()
  return routes.fallback(self)
end

local function collect(app, field, list)
  for _, value in ipairs(app[field]) do list[#list + 1] = value end
  local function visit(scope)
    for _, entry in ipairs(scope._entries) do
      if entry.mounted then collect(entry.mounted, field, list) end
      if entry.scope then visit(entry.scope) end
    end
  end
  visit(app)
  return list
end

--- The on_start or on_stop functions of the app and of all apps mounted in it.
---@param when "start"|"stop"
---@return function[]
function App:_hooks(when)
  return collect(self, "_" .. when, {})
end

--- Starts the timers declared so far; later ones start at once. `scheduler` has every and after.
---@param scheduler { every: function, after: function }
function App:_start_timers(scheduler)
  for _, timer in ipairs(collect(self, "_timers", {})) do
    timer._app._scheduler = scheduler
    if not timer._handle and not timer._is_cancelled then
      timer._handle = scheduler[timer._kind](timer._seconds, timer._fn)
    end
  end
  self._scheduler = scheduler
end

--- Stops all timers of the app.
function App:_stop_timers()
  for _, timer in ipairs(collect(self, "_timers", {})) do timer:cancel() end
end

explain.class(Scope, "app", Scope)
explain.class(App, "app", App, Scope)

M.App, M.Scope, M.Timer = App, Scope, Timer

return M
