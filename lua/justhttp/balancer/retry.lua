--- Whether a request that failed may be tried once more, elsewhere.
--
-- Called by attempts.lua. Pure. What never reached an upstream (no connection) may always be tried
-- at the next one and costs nothing. What may have been worked on is tried again only when doing it
-- twice does no harm, so many times, and within the budget.

local type, error, tostring, pairs, ipairs = type, error, tostring, pairs, ipairs
local format, floor = string.format, math.floor

local M = {}

---@class justhttp.retry_policy
---@field attempts integer? tries that reach an upstream, 3
---@field statuses integer[]? answers that are tried again elsewhere, none
---@field non_idempotent boolean? POST and PATCH too; false
---@field budget number? retries per request, 0.2
---@field reserve number? retries that are possible at once, 10
---@field when (fun(result: table): boolean?)? decides instead of kinds, statuses and method

-- Nothing of the request was sent.
local UNSENT = { resolve = true, connect = true, tls = true, busy = true, proxy = true }

-- It may have been worked on.
local LOST = { closed = true, timeout = true, protocol = true }

local IDEMPOTENT = {
  GET = true, HEAD = true, OPTIONS = true, TRACE = true, PUT = true, DELETE = true,
}

local KEYS = {
  attempts = "number", statuses = "table", non_idempotent = "boolean", budget = "number",
  reserve = "number", when = "function",
}

--- True for a method that may be sent twice.
---@param method string
---@return boolean
function M.is_idempotent(method) return IDEMPOTENT[method] == true end

--- Checks the option `retry` of a balancer and fills in what is missing; false for none.
---@param given justhttp.retry_policy|boolean|nil
---@param level integer
---@return justhttp.retry_policy|false
function M.check(given, level)
  if given == false then return false end
  if given == nil or given == true then given = {} end
  if type(given) ~= "table" then
    error("balancer: retry is a table such as { attempts = 3 }, or false", level + 1)
  end
  for key, value in pairs(given) do
    if type(value) ~= KEYS[key] then
      error(format("balancer: retry.%s is no option, or of another type; options are attempts, "
        .. "statuses, non_idempotent, budget, reserve and when", tostring(key)), level + 1)
    end
  end
  local policy = {
    attempts = given.attempts or 3, non_idempotent = given.non_idempotent or false,
    budget = given.budget or 0.2, reserve = given.reserve or 10, when = given.when, statuses = {},
  }
  if policy.attempts < 1 or policy.attempts ~= floor(policy.attempts) then
    error("balancer: retry.attempts must be a whole number above 0", level + 1)
  end
  if not (policy.budget >= 0 and policy.reserve >= 0) then
    error("balancer: retry.budget and retry.reserve must not be negative", level + 1)
  end
  for _, status in ipairs(given.statuses or {}) do policy.statuses[status] = true end
  return policy
end

--- Judges a result: "free" may be tried again at no cost, "paid" when the budget has a token, nil
-- not at all.
---@param policy justhttp.retry_policy|false
---@param result { method: string, is_replayable: boolean, attempt: integer, response: table?,
--- err: string?, kind: string? }
---@return "free"|"paid"|nil
function M.judge(policy, result)
  if not policy then return nil end
  local kind, response = result.kind, result.response
  if not response and UNSENT[kind] then return "free" end
  if result.attempt >= policy.attempts or not result.is_replayable then return nil end
  if policy.when then return policy.when(result) and "paid" or nil end
  if not policy.non_idempotent and not IDEMPOTENT[result.method] then return nil end
  if response then return policy.statuses[response.status] and "paid" or nil end
  return LOST[kind] and "paid" or nil
end

return M
