--- What Lua knows of the CPU budget: the error that the core (core/lua/budget.c) raises in code
-- that computes for longer than `cpu_budget_ms`.

local find, type = string.find, type

local M = {}

--- True for that error: "app.lua:12: cpu budget of 1000 ms exceeded".
---@param err any
---@return boolean
function M.is_exceeded(err)
  return type(err) == "string" and find(err, ":%d+: cpu budget of %d+ ms exceeded$") ~= nil
end

return M
