--- `http.middleware`: every middleware by name, loaded when first used.

local NAMES = {
  "basic_auth", "body_limit", "compress", "cors", "decompress", "limits", "logger", "on_expect",
  "on_headers", "recover", "request_id", "run_on", "secure_headers", "timeout",
}

---@class justhttp.middlewares
---@field basic_auth fun(options: justhttp.basic_auth_options): justhttp.middleware
---@field body_limit fun(bytes: integer): justhttp.middleware
---@field compress fun(options: justhttp.compress_options?): justhttp.middleware
---@field cors fun(options: justhttp.cors_options?): justhttp.middleware
---@field decompress fun(max_bytes: integer): justhttp.middleware
---@field limits fun(options: justhttp.limits_options): justhttp.middleware
---@field logger fun(options: string|justhttp.logger_options|nil): justhttp.middleware
---@field on_expect fun(fn: fun(ctx: justhttp.ctx): any, any): justhttp.middleware
---@field on_headers fun(fn: fun(ctx: justhttp.ctx): any, any): justhttp.middleware
---@field recover fun(options: justhttp.recover_options?): justhttp.middleware
---@field request_id fun(options: justhttp.request_id_options?): justhttp.middleware
---@field run_on fun(): justhttp.middleware
---@field secure_headers fun(options: justhttp.secure_headers_options?): justhttp.middleware
---@field timeout fun(seconds: number, options: justhttp.timeout_options?): justhttp.middleware
local M = {}

local is_known = {}
for _, name in ipairs(NAMES) do is_known[name] = true end

return setmetatable(M, {
  __name = "justhttp.middlewares",
  __index = function(_, name)
    if not is_known[name] then
      error(("http.middleware.%s does not exist; there are %s"):format(tostring(name),
        table.concat(NAMES, ", ")), 2)
    end
    local make = require("justhttp.middleware." .. name)
    rawset(M, name, make)
    return make
  end,
})
