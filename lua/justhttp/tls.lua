--- TLS settings of clients: from a table to what the core shares among connections.
--
-- Used by whatever opens connections: http.client, http.socket. Settings that are the same share
-- one context, and with it the sessions to resume; the core looks that up.

local ffi = require "ffi"
local door = require "justhttp.door"
local nearest = require "justhttp.nearest"

local C, format, concat = door.C, string.format, table.concat

local M = {}

---@class justhttp.tls_options
---@field verify boolean? false accepts any certificate
---@field ca string? authorities to trust instead of the system's: PEM text, or a file with it
---@field ca_file string? the same as ca
---@field cert string? our certificate, with its chain behind it: PEM text or a file
---@field key string? its key; when absent it stands with the certificate
---@field server_name string? name to ask for and to verify, instead of the host
---@field min_version string? "1.2" when absent
---@field max_version string? "1.3"
---@field ciphers string|string[]? OpenSSL's names, of TLS 1.2 and 1.3 alike
---@field alpn string|string[]? protocols to offer, best first

local TYPES = {
  verify = "boolean", ca = "string", ca_file = "string", cert = "string", key = "string",
  server_name = "string", min_version = "string", max_version = "string", ciphers = "list",
  alpn = "list",
}

local FIELDS = { "ca", "cert", "key", "server_name", "min_version", "max_version" }

local function check(options)
  for name, value in pairs(options) do
    local wanted = TYPES[name]
    if not wanted then
      local near = type(name) == "string" and nearest(name, TYPES)
      error(format("tls: no option %q%s", tostring(name),
        near and format("; did you mean %q?", near) or ""), 4)
    end
    local kind = type(value)
    if kind ~= wanted and not (wanted == "list" and (kind == "string" or kind == "table")) then
      error(format("tls: %s must be a %s, got a %s", name,
        wanted == "list" and "string or a list of strings" or wanted, kind), 4)
    end
  end
end

local function set(field, text)
  if not text or text == "" then return end
  field.ptr, field.len = text, #text
end

local function joined(list, separator)
  return type(list) == "table" and concat(list, separator) or list
end

--- The context for these options; it lives as long as somebody holds it. Misuse raises.
---@param options justhttp.tls_options?
---@param default_alpn string? what is offered unless the options say
---@return ffi.cdata*? context
---@return string? err what is wrong with a file or a value
function M.context(options, default_alpn)
  options = options or {}
  check(options)
  local settings = ffi.new "jh_tls_options"
  for _, name in ipairs(FIELDS) do set(settings[name], options[name]) end
  if not options.ca then set(settings.ca, options.ca_file) end
  -- Both are alive until the call below is over.
  local ciphers = joined(options.ciphers, ":")
  local alpn = joined(options.alpn, ",") or default_alpn
  set(settings.ciphers, ciphers)
  set(settings.alpn, alpn)
  settings.is_unverified = options.verify == false
  local context = C.jh_tls_context_open(door.generation, settings, door.out)
  if context == nil then return nil, "tls: " .. ffi.string(door.out.ptr, door.out.len) end
  return ffi.gc(context, C.jh_tls_context_close)
end

return M
