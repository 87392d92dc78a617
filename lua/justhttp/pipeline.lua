--- Many requests on one link at the same time: `http.pipeline { host = "127.0.0.1", port = 80 }`.
--
-- A client whose links take further requests before the first is answered (RFC 9112 §9.3.2). What
-- is asked for in one turn of the loop leaves in one write, answers come in the order of the
-- requests. When `max_pending` are on their way and as many wait, the one that has waited longest
-- fails with kind "busy" to make room. When the link breaks, what may be sent twice, and what was
-- not written, goes to a new one.

local client = require "justhttp.client"
local scheduler = require "justhttp.scheduler"
local url_of = require "justhttp.url"

local type, error, setmetatable, tostring = type, error, setmetatable, tostring
local format = string.format

local M = {}

---@class justhttp.pipeline
---@field _client justhttp.client
---@field _base string
local Pipeline = { __name = "justhttp.pipeline" }
Pipeline.__index = Pipeline

---@class justhttp.pipeline_options : justhttp.client_options
---@field host string? name or address; or
---@field url string? "https://host:port", what all paths are below
---@field port integer?
---@field max_pending integer? 1024
---@field max_connections integer? 1

local function full(self, path)
  if type(path) ~= "string" then
    error("pipeline: give a path such as \"/x\", got a " .. type(path), 3)
  end
  return self._base .. path
end

--- Sends a request; as `http.request`, with a path in place of a URL.
---@param method string
---@param path string
---@param options justhttp.request_options?
---@return justhttp.client_response?
---@return string? err
---@return justhttp.failure_kind? kind
function Pipeline:request(method, path, options)
  return self._client:request(method, full(self, path), options)
end

for _, name in ipairs { "get", "head", "delete", "options", "post", "put", "patch" } do
  local method = client.class[name]
  Pipeline[name] = function(self, path, options, more)
    return method(self._client, full(self, path), options, more)
  end
end

--- Asks for several paths at once and waits for all of them. The list has a response for each path,
-- in the same order, or { err =, kind = } in its place.
---@param paths string[]
---@param options justhttp.request_options?
---@return (justhttp.client_response|{ err: string, kind: string })[]
function Pipeline:all(paths, options)
  local tasks, results = {}, {}
  for i = 1, #paths do tasks[i] = scheduler.spawn(self.get, self, paths[i], options) end
  for i = 1, #paths do
    local res, err, kind = scheduler.wait(tasks[i])
    results[i] = res or { err = err, kind = kind }
  end
  return results
end

--- What its links do; see `client:stats()`.
function Pipeline:stats()
  local _, stats = next(self._client:stats())
  return stats
end

--- Lets go of its links.
function Pipeline:close() self._client:close() end

local function base_of(options)
  if options.url then
    local url, err = url_of.parse(options.url)
    if not url then error("http.pipeline: " .. err, 3) end
    return (url_of.format(url):gsub("/$", ""))
  end
  if type(options.host) ~= "string" then
    error("http.pipeline: give a host, or a url", 3)
  end
  local port = options.port or 80
  if type(port) ~= "number" then
    error("http.pipeline: port must be a number, got " .. tostring(port), 3)
  end
  return format("http://%s", url_of.authority("http", options.host, port))
end

--- Makes one.
---@param options justhttp.pipeline_options
---@return justhttp.pipeline
function M.new(options)
  if type(options) ~= "table" then
    error("http.pipeline: give a table such as { host = \"127.0.0.1\", port = 80 }", 2)
  end
  local of_client = {}
  for name, value in pairs(options) do
    if name ~= "host" and name ~= "port" and name ~= "url" then of_client[name] = value end
  end
  of_client.max_pending = options.max_pending or 1024
  of_client.max_waiting = of_client.max_pending
  of_client.max_connections = options.max_connections or 1
  local base = base_of(options)
  local ok, made = pcall(client.new, of_client)
  if not ok then error(made, 2) end
  return setmetatable({ _client = made, _base = base }, Pipeline)
end

return M
