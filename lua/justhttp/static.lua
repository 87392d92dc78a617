--- Serves a directory: what stands behind `app:static`.
--
-- One route per directory, whose handler asks the core for the file that the rest of the path
-- names. What the core has no answer for comes back here: directories, a fallback for single-page
-- apps, listings, and in the end the app's own answer to what is not there.

local slots = require "justhttp.slots"

local CORE, ROUTE, STATUS = slots.CORE, slots.ROUTE, slots.STATUS
local BODY, ENDING = slots.BODY, slots.ENDING
local find, format, sub, match = string.find, string.format, string.sub, string.match
local type, tostring, error, pairs, ipairs = type, tostring, error, pairs, ipairs

local M = {}

---@class justhttp.static_options
---@field index string|string[]|false|nil files that stand for their directory ("index.html")
---@field listing boolean? a page that lists a directory without an index
---@field cache_control string|false|table|function|nil value of the field ("no-cache"); false for
--- none; { { pattern, value }, … } where the first Lua pattern found in the path decides; or
--- function(path, ctx)
---@field max_age number? seconds, in place of cache_control
---@field immutable boolean|string|nil cache names that hold a hash for a year (true); a Lua pattern
--- that finds them
---@field precompressed boolean? send name.br, name.zst or name.gz to clients that take them
---@field dotfiles boolean? serve names that begin with a dot
---@field fallback string? file to answer with where none is found ("index.html")
---@field etag boolean? (true)
---@field growing boolean? files are appended to while they are sent

local KINDS = {
  index = { string = true, table = true, boolean = true },
  listing = { boolean = true },
  cache_control = { string = true, boolean = true, table = true, ["function"] = true },
  max_age = { number = true },
  immutable = { boolean = true, string = true },
  precompressed = { boolean = true },
  dotfiles = { boolean = true },
  fallback = { string = true },
  etag = { boolean = true },
  growing = { boolean = true },
}

local NAMES = "index, listing, cache_control, max_age, immutable, precompressed, dotfiles, "
  .. "fallback, etag and growing"

local function fail(text, ...)
  error("app:static: " .. format(text, ...), 0)
end

local function check_options(options)
  if type(options) ~= "table" then fail("the options must be a table, got a %s", type(options)) end
  for name, value in pairs(options) do
    local kinds = KINDS[name]
    if not kinds then fail("unknown option %q; options are %s", tostring(name), NAMES) end
    if not kinds[type(value)] then fail("%s cannot be a %s", name, type(value)) end
  end
  if options.max_age and options.cache_control ~= nil then
    fail("give max_age or cache_control, not both")
  end
  if options.index == true then fail("index is a name, a list of names, or false") end
  if options.cache_control == true then fail("cache_control is a value, rules, or false") end
end

local function index_names(index)
  if index == nil then return "index.html" end
  if index == false then return "" end
  local names = type(index) == "table" and index or { index }
  for _, name in ipairs(names) do
    if type(name) ~= "string" or name == "" or find(name, "/", 1, true) then
      fail("an index is the name of a file, not %q", tostring(name))
    end
  end
  if #names > 8 then fail("at most 8 names can be an index") end
  return table.concat(names, "/")
end

local function rule_function(rules)
  for _, rule in ipairs(rules) do
    if type(rule) ~= "table" or type(rule[1]) ~= "string" or type(rule[2]) ~= "string" then
      fail 'a rule of cache_control is { pattern, value }, such as { "%%.html$", "no-cache" }'
    end
  end
  return function(path)
    for i = 1, #rules do
      if find(path, rules[i][1]) then return rules[i][2] end
    end
  end
end

-- The value for all files, and a function for those that need one of their own.
local function cache_rules(options, file)
  local value, decide = options.cache_control, nil
  if options.max_age then
    value = file.max_age(options.max_age, "app:static", -1)
  elseif value == nil then
    value = "no-cache"
  elseif type(value) == "table" then
    value, decide = false, rule_function(value)
  elseif type(value) == "function" then
    value, decide = false, value
  end
  local immutable = options.immutable
  if type(immutable) == "string" then
    local rest = decide
    decide = function(path, ctx)
      if find(path, immutable) then return "public, max-age=31536000, immutable" end
      return rest and rest(path, ctx)
    end
  end
  return value or "", decide
end

local function flags_of(options, door, bundled)
  local C, flags = door.C, 0
  local function add(is_on, bit) if is_on then flags = flags + tonumber(bit) end end
  add(options.etag ~= false, C.JH_FILE_ETAG_BIT)
  add(options.dotfiles, C.JH_FILE_DOTFILES_BIT)
  add(options.immutable ~= false and type(options.immutable) ~= "string", C.JH_FILE_IMMUTABLE_BIT)
  add(options.precompressed or options.precompressed == nil and bundled,
    C.JH_FILE_PRECOMPRESSED_BIT)
  add(options.growing, C.JH_FILE_GROWING_BIT)
  return flags
end

-- Browsers that go to a page say so; for others a name with a dot is a file, and it is not there.
local function wants_page(ctx, path)
  if not find(match(path, "[^/]*$"), ".", 1, true) then return true end
  return find(ctx.headers.accept or "", "text/html", 1, true) ~= nil
end

local function redirect_to_directory(ctx)
  local query = ctx.query_string
  local target = require "justhttp.file".encode_path(ctx.path) .. "/"
  ctx:redirect(target .. (query ~= "" and "?" .. query or ""))
end

M.redirect_to_directory = redirect_to_directory

--- Makes the handler of `app:static`. It takes the last parameter of its route for the path.
-- Raises a message without a place.
---@param where string directory, not yet resolved
---@param base string directory it is relative to
---@param options justhttp.static_options
---@return justhttp.handler handler
---@return fun() open to be called before the first request; raises when the directory is not there
function M.handler(where, base, options)
  local file = require "justhttp.file"
  check_options(options)
  local index = index_names(options.index)
  local cache_control, decide = cache_rules(options, file)
  local directory = file.resolve(where, base)
  local is_directory, why = file.is_directory(directory)
  if not is_directory then fail("%s: %s; give a directory to serve", directory, why) end

  local bundled = require "justhttp.bundle".directory(directory) ~= nil
  local door = require "justhttp.door"
  local context = require "justhttp.context"
  local C, info, send_file = door.C, file.info, context.send_file
  local fallback = options.fallback
  local root, handle_other

  local function open()
    if root then return end
    local err
    root, err = file.open_root(directory, flags_of(options, door, bundled), index, cache_control)
    if not root then error("app:static: " .. err, 0) end
  end

  -- The path below the directory, as the core took it.
  local function rest_of(ctx)
    local names = ctx[ROUTE].names
    return ctx.params[names[#names]] or ""
  end

  local function set_cache_control(ctx, path)
    if ctx:response_header "Cache-Control" then return end
    local value = decide(path, ctx)
    if value then ctx:set("Cache-Control", value) end
  end

  local function take(ctx, status, path)
    ctx[STATUS], ctx[BODY], ctx[ENDING] = status, false, send_file
    if decide then set_cache_control(ctx, path or rest_of(ctx)) end
  end

  local function answer_missing(ctx, path)
    if fallback and wants_page(ctx, path) then
      local status = C.jh_ctx_open_file(ctx[CORE], root, fallback, #fallback, 200, info)
      if status == 200 or status == 206 or status == 304 then return take(ctx, status, fallback) end
      if status == 412 or status == 416 then return context.answer_no_file(ctx, status) end
    end
    return context.answer_missing(ctx)
  end

  local function answer_directory(ctx, path)
    if path ~= "" and sub(path, -1) ~= "/" then return redirect_to_directory(ctx) end
    if options.listing then return require "justhttp.listing".answer(ctx, root, path) end
    if fallback then return answer_missing(ctx, path) end
    return ctx:error(403)
  end

  function handle_other(ctx, status)
    local path = rest_of(ctx)
    if status == C.JH_ENOTFOUND then return answer_missing(ctx, path) end
    if status == C.JH_FILE_IS_DIRECTORY then return answer_directory(ctx, path) end
    return context.answer_no_file(ctx, status)
  end

  return function(ctx)
    local c = ctx[CORE]
    if not c then context.alive(ctx) end
    if not root then open() end
    local status = C.jh_ctx_open_file(c, root, nil, 0, 200, info)
    if status ~= 200 and status ~= 206 and status ~= 304 then return handle_other(ctx, status) end
    if decide then return take(ctx, status) end
    ctx[STATUS], ctx[ENDING] = status, send_file
  end, open
end

return M
