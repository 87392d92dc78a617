--- Active health checks: asks every upstream for a page now and then.
--
-- Started by balancer.lua. `rise` good answers in a row make an upstream healthy, `fall` bad ones
-- make it unhealthy; `judge` counts, without I/O. Every upstream has a task of its own; the tasks
-- end when the upstream is removed or the balancer is closed or collected: they hold it weakly.

local log = require "justhttp.log"
local scheduler = require "justhttp.scheduler"
local traceback = require "justhttp.traceback"

local ipairs, type, setmetatable, format = ipairs, type, setmetatable, string.format
local xpcall = xpcall

local M = {}

---@class justhttp.health_check
---@field path string? "/"
---@field method string? "GET"
---@field headers table<string, string>?
---@field host string? value of the Host field
---@field interval number? seconds between two checks of an upstream, 5
---@field timeout number? seconds, 2
---@field status integer|integer[]|(fun(response: table): boolean)|nil 200 to 399
---@field rise integer? good answers in a row that make it healthy, 2
---@field fall integer? bad answers in a row that make it unhealthy, 3

--- Counts an answer. Returns true or false when the upstream is healthy from now on, or is not;
-- nil when nothing changes.
---@param state { rises: integer, falls: integer }
---@param is_healthy boolean as of now
---@param is_good boolean
---@param rise integer
---@param fall integer
---@return boolean?
function M.judge(state, is_healthy, is_good, rise, fall)
  if is_good then
    state.rises, state.falls = state.rises + 1, 0
    if not is_healthy and state.rises >= rise then return true end
  else
    state.rises, state.falls = 0, state.falls + 1
    if is_healthy and state.falls >= fall then return false end
  end
  return nil
end

--- True when a response is what the check expects.
---@param check justhttp.health_check
---@param response table
---@return boolean
function M.is_expected(check, response)
  local wanted, status = check.status, response.status
  if wanted == nil then return status >= 200 and status < 400 end
  if type(wanted) == "function" then return wanted(response) and true or false end
  if type(wanted) == "number" then return status == wanted end
  for _, one in ipairs(wanted) do
    if status == one then return true end
  end
  return false
end

-- One check. `ask(upstream, check)` makes the request.
local function look(balancer, upstream, state)
  local check = balancer._check
  local response, err = balancer._ask(upstream, check)
  local is_good = response ~= nil and M.is_expected(check, response)
  if not is_good then
    upstream.last_error = err or format("its check was answered with %d", response.status)
  end
  local verdict = M.judge(state, upstream.is_healthy, is_good, check.rise, check.fall)
  if verdict ~= nil then balancer._set:set_health(upstream, verdict) end
  return verdict
end

local function note(balancer, upstream, verdict)
  if verdict == nil then return end
  if verdict then
    log.info("upstream %s is healthy again", upstream.url)
  else
    log.warn("upstream %s is unhealthy: %s", upstream.url, upstream.last_error or "?")
  end
  if balancer._on_change then balancer._on_change(upstream, verdict) end
end

--- Checks an upstream from now on, at once for the first time.
---@param balancer justhttp.balancer
---@param upstream justhttp.upstream
function M.watch(balancer, upstream)
  local state = { rises = 0, falls = 0 }
  local held = setmetatable({ balancer = balancer }, { __mode = "v" })
  local interval = balancer._check.interval
  local function is_over()
    return upstream.is_removed or not held.balancer or held.balancer._is_closed
  end
  local function once()
    local watched = held.balancer
    note(watched, upstream, look(watched, upstream, state))
  end
  scheduler.after(0, function()
    while not is_over() do
      local ok, fault = xpcall(once, traceback.capture)
      if not ok then log.error("error in a health check: %s", traceback.full(fault)) end
      scheduler.sleep(interval)
    end
  end)
end

return M
