--- HTML templates: Lua between <% and %>, escaped by default, compiled once.
--
--   app:templates "views"                                   -- the directory with the templates
--   ctx:render("users", { title = "Users", users = users })
--   local mails = http.template "mails"                     -- the same without an app
--   local text = mails:render("welcome", { name = "Ada" })
--
--   views/layout.html                            views/users.html
--     <!doctype html>                              <% layout "layout" %>
--     <title><% block "title" %>Shop               <% fill "title" %><%= title %><% endfill %>
--            <% endblock %></title>                <h1><%= title %></h1>
--     <main>                                       <% for _, user in ipairs(users) do -%>
--       <% block "content" %><% endblock %>          <% include("row", { user = user }) %>
--     </main>                                      <% end -%>
--
--   views/row.html
--     <a href="<%= user.url %>"><%= user.name %></a>    <%# only `user` is known here %>
--
--   <%= value %>     escaped; nil is the empty text, a table or function raises
--   <%- value %>     as it is: for HTML you made yourself
--   <% lua %>        any Lua: if, for, local
--   <%# note %>      nothing;   <%% writes <%;   -%> also drops the end of the line behind the tag
--   include(name[, values])    writes another template; without values it gets the same ones
--   layout "name"    comes first: the page goes into that template. Text outside of fills fills its
--                    block "content". Fills see the values, not the page's locals. Layouts may
--                    have layouts
--
-- What a value becomes depends on where it stands, and is decided when the template is compiled:
-- a link that begins with a value refuses javascript: and data: URLs; inside <script> and on…
-- attributes only <%= json(value) %> is taken, outside of quotes; an attribute value needs quotes;
-- between attributes only a plain name may stand. What would be unsafe does not compile.
--
-- A name is looked for in the values, the engine's helpers, then Lua's globals (all but `error`,
-- which pages use for something else). One that is nowhere raises; for one that may be absent write
-- values.name, which is nil then. Templates also know values, include, json(value),
-- url_escape(text) and escape(text).
--
-- Errors name file and line of the template. Nothing here knows about requests or the door.

local buffer = require "string.buffer"
local compiler = require "justhttp.template.compiler"
local nearest = require "justhttp.nearest"
local runtime = require "justhttp.template.runtime"
local traceback = require "justhttp.traceback"

local type, error, pairs, setmetatable, setfenv = type, error, pairs, setmetatable, setfenv
local tostring, xpcall, getmetatable = tostring, xpcall, getmetatable
local find, format, match = string.find, string.format, string.match
local misuse = traceback.misuse

local M = {}

--- How deep includes and layouts may nest.
M.MAX_DEPTH = 100

--- How many bytes are collected before `render_to` writes them.
M.PIECE_BYTES = 16384

-- Writing functions of a template kept for the next render, per body or fill.
local MAX_FREE = 32

-- Buffers kept for the next render, and how long a page may be for its buffer to be kept.
local MAX_BUFFERS, MAX_KEPT_BYTES = 8, 262144

---@class justhttp.template_options
---@field dir string? where the templates are, "views" when absent
---@field extension string? added to names without one; ".html" when absent
---@field helpers table<string, any>? names every template knows
---@field reload boolean? look for changed files before each render: for dev mode
---@field read (fun(path: string): string?, string?)? text of a file, or nil and why
---@field modified (fun(path: string): any)? its answer changes when the file does; without it
--- `reload` reads the files again

---@class justhttp.template_engine
local Engine = { __name = "justhttp.template_engine" }
Engine.__index = Engine

local OPTIONS = {
  dir = "string", extension = "string", helpers = "table", reload = "boolean", read = "function",
  modified = "function",
}

local function read_file(path)
  local handle, err = io.open(path, "rb")
  if not handle then return nil, (match(err or "", ": ([^:]+)$")) end
  local text
  text, err = handle:read("*a")
  handle:close()
  return text, text == nil and tostring(err) or nil
end

M.read_file = read_file

local function check_options(options)
  for name, value in pairs(options) do
    local wanted = OPTIONS[name]
    if not wanted then
      misuse(format("template: unknown option %q; options are dir, extension, helpers, reload, "
        .. "read and modified", tostring(name)))
    end
    if type(value) ~= wanted then
      misuse(format("template: %s must be a %s, got a %s", name, wanted, type(value)))
    end
  end
end

--- Makes an engine: the templates of one directory.
---@param options string|justhttp.template_options the directory, or options
---@return justhttp.template_engine
function M.new(options)
  if type(options) == "string" then options = { dir = options } end
  if type(options) ~= "table" then
    misuse("template: give a directory or options, got a " .. type(options))
  end
  check_options(options)
  local engine = setmetatable({
    dir = options.dir or "views", extension = options.extension or ".html",
    reload = options.reload or false, _read = options.read or read_file,
    _modified = options.modified, _templates = {}, _buffers = {},
  }, Engine)
  engine._env = engine:_make_env(options.helpers or {})
  return engine
end

--- True for what `new` makes.
---@param value any
---@return boolean
function M.is_engine(value)
  return getmetatable(value) == Engine
end

-- Where the names of a template come from: `values` is a field of its environment that each render
-- sets.
function Engine:_make_env(helpers)
  local names, globals = runtime.names, _G
  return {
    __name = "justhttp.template_names",
    __index = function(env, name)
      local value = env.values[name]
      if value ~= nil then return value end
      value = helpers[name]
      if value ~= nil then return value end
      value = names[name]
      if value ~= nil then return value end
      if name ~= "error" then value = globals[name] end
      if value ~= nil then return value end
      local near = nearest(tostring(name), env.values)
      error(format("undefined variable '%s': %sgive it to render, or write values.%s where it may "
        .. "be absent", name, near and format("did you mean '%s'? Else ", near) or "", name), 2)
    end,
    __newindex = function(_, name)
      error(format("assignment to undefined variable '%s': write local %s", tostring(name),
        tostring(name)), 2)
    end,
  }
end

-- ---- finding templates --------------------------------------------------------------------------

local function path_of(engine, name)
  if type(name) ~= "string" then return nil, "the name is a string, got a " .. type(name) end
  local is_below = name ~= "" and not find(name, "^/") and not find(name, "[%z\\]")
    and not find("/" .. name .. "/", "/../", 1, true)
  if not is_below then
    return nil, format("%q is no name of a template; give a path below %s, without ..", name,
      engine.dir)
  end
  return engine.dir .. "/" .. name .. (match(name, "%.%w+$") and "" or engine.extension)
end

-- The compiled template, or nil and why there is none. A mistake in it raises.
local function load(engine, name)
  local template = engine._templates[name]
  if template then return template end
  local path, err = path_of(engine, name)
  if not path then return nil, "template: " .. err end
  local text
  text, err = engine._read(path)
  if not text then
    return nil, format("template: %q: %s: %s", name, path, err or "cannot be read")
  end
  template = compiler.compile(text, path)
  template.path = path
  if engine.reload then
    template.text = text
    template.modified = engine._modified and engine._modified(path)
  end
  engine._templates[name] = template
  return template
end

-- The template, its layout, the layout of that: what a render goes through.
local function chain_of(engine, template)
  local chain = template.chain
  if chain then return chain end
  chain = { template }
  local last = template
  while last.layout do
    if #chain >= M.MAX_DEPTH then
      error(format("%s:%d: layouts go round in a circle", template.path, template.layout_line), 0)
    end
    local layout, err = load(engine, last.layout)
    if not layout then error(format("%s:%d: %s", last.path, last.layout_line, err), 0) end
    last = layout
    chain[#chain + 1] = last
  end
  template.chain = chain
  return chain
end

--- Reads and compiles a template and its layouts now, so that a mistake in them shows before the
-- first request. Raises as `render` does.
---@param name string
function Engine:load(name)
  local template, err = load(self, name)
  if not template then error(err, 2) end
  chain_of(self, template)
end

local function is_changed(engine, template)
  if engine._modified then return engine._modified(template.path) ~= template.modified end
  return engine._read(template.path) ~= template.text
end

--- Forgets the templates whose files changed. Called before each render with `reload`.
function Engine:refresh()
  local templates = self._templates
  for name, template in pairs(templates) do
    if is_changed(self, template) then templates[name] = nil end
    template.chain = nil
  end
end

-- ---- running ------------------------------------------------------------------------------------

-- One render: where it writes, which layout it is in. `chain` is the page, its layout, the layout
-- of that; `level` says which of them runs.

local run

local function block(state, name)
  local level, chain = state.level, state.chain
  if level == 1 then return false end
  if name == "content" then
    state.level = level - 1
    run(chain[level - 1].body, state, state.values)
    state.level = level
    return true
  end
  for i = 1, level - 1 do
    local fill = chain[i].fills[name]
    if fill then
      state.level = i
      run(fill, state, state.values)
      state.level = level
      return true
    end
  end
  return false
end

-- Runs a template that brings its own layouts or none.
local function run_chain(state, chain, values)
  local outer_chain, outer_level, outer_values = state.chain, state.level, state.values
  state.chain, state.level, state.values = chain, #chain, values
  run(chain[#chain].body, state, values)
  state.chain, state.level, state.values = outer_chain, outer_level, outer_values
end

local function include(state, name, values)
  if values ~= nil and type(values) ~= "table" then
    error(format("include: the values are a table, got a %s", type(values)), 3)
  end
  local depth = state.depth + 1
  if depth > M.MAX_DEPTH then
    error(format("include: %q is included %d deep; does it include itself without end?",
      tostring(name), depth), 3)
  end
  state.depth = depth
  local template, err = load(state.engine, name)
  if not template then error(err, 3) end
  if template.layout then
    run_chain(state, chain_of(state.engine, template), values)
  else
    run(template.body, state, values)
  end
  state.depth = depth - 1
end

local FAILED = { __name = "justhttp.template_write_failure" }

local function flush(state)
  local ok, err = state.write(state.out:get())
  if not ok and err ~= nil then error(setmetatable({ reason = err }, FAILED), 0) end
end

-- A writing function with an environment of its own. Several exist where a template includes itself
-- or renders wait; `run` sets their values.
local function new_writer(unit, state)
  local writer = { state = false, env = false, fn = false }
  local env = { values = false }
  function env.include(name, values)
    if not writer.state then error("include: this render is over", 2) end
    include(writer.state, name, values or env.values)
  end
  setmetatable(env, state.engine._env)
  setfenv(unit.chunk, env)
  writer.env = env
  writer.fn = unit.chunk(runtime.escape, runtime.raw, runtime.url, runtime.name, runtime.srcdoc,
    block, flush)
  return writer
end

local NO_VALUES = {}

function run(unit, state, values)
  local free = unit.free
  if not free then
    free = { count = 0 }
    unit.free = free
  end
  local count = free.count
  local writer
  if count > 0 then
    writer = free[count]
    free[count] = nil
    free.count = count - 1
  else
    writer = new_writer(unit, state)
  end
  writer.state = state
  writer.env.values = values
  writer.fn(state.out, state)
  writer.state = false
  writer.env.values = NO_VALUES
  count = free.count
  if count < MAX_FREE then
    count = count + 1
    free[count] = writer
    free.count = count
  end
end

local function start(engine, name, values, limit, write)
  if values == nil then values = {} end
  if type(values) ~= "table" then
    misuse("template: the values are a table, got a " .. type(values))
  end
  if engine.reload then engine:refresh() end
  local template, err = load(engine, name)
  if not template then misuse(err) end
  local chain = chain_of(engine, template)
  local buffers = engine._buffers
  local out = buffers[#buffers] or buffer.new()
  buffers[#buffers] = nil
  return {
    engine = engine, out = out, write = write, limit = limit, depth = 0, chain = chain,
    level = #chain, values = values,
  }
end

local function finish(engine, out, bytes)
  local buffers = engine._buffers
  if bytes <= MAX_KEPT_BYTES and #buffers < MAX_BUFFERS then buffers[#buffers + 1] = out end
end

--- Renders a template.
---@param name string path below the directory; the extension may be left out
---@param values table? the template's variables
---@return string html
function Engine:render(name, values)
  local state = start(self, name, values, math.huge)
  run(state.chain[state.level].body, state, state.values)
  local text = state.out:get()
  finish(self, state.out, #text)
  return text
end

local function keep_failure(err)
  if getmetatable(err) == FAILED then return err end
  return traceback.keep(err)
end

--- Renders a template piece by piece: for pages too long to hold, and to show the beginning early.
-- `write` may wait. When it answers nil (or false) and a reason, rendering ends there.
---@param write fun(piece: string): any, any
---@param name string
---@param values table?
---@return true? ok nil when `write` failed
---@return any err what it gave as the reason
function Engine:render_to(write, name, values)
  if type(write) ~= "function" then
    error("template: render_to wants a function to write with, got a " .. type(write), 2)
  end
  local state = start(self, name, values, M.PIECE_BYTES, write)
  local ok, err = xpcall(run, keep_failure, state.chain[state.level].body, state, state.values)
  if ok and #state.out > 0 then ok, err = xpcall(flush, keep_failure, state) end
  if ok then
    finish(self, state.out, 0)
    return true
  end
  if getmetatable(err) == FAILED then return nil, err.reason end
  error(err, 0)
end

return M
