--- The page that lists a directory: one answer, without scripts or other files, in light and dark.
--
-- Sorting is a link: ?sort=name, size or date, with ?order=desc. Clients that prefer JSON get a
-- list of { name, type, size, modified } instead.

local ffi = require "ffi"
local door = require "justhttp.door"
local html = require "justhttp.html"
local json = require "justhttp.json"

local C = door.C
local escape = html.escape
local find, format, sub, gsub, lower = string.find, string.format, string.sub, string.gsub,
  string.lower
local sort, concat, date = table.sort, table.concat, os.date

local M = {}

local ENTRIES_MAX = 10000

local STYLE = [[
:root { color-scheme: light dark; --text: #1c2128; --soft: #656d76; --line: #d8dee4;
  --link: #0969da; --page: #fff; --hover: #f3f5f7 }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --soft: #8d96a0; --line: #30363d;
  --link: #58a6ff; --page: #0d1117; --hover: #161b22 } }
* { box-sizing: border-box }
body { margin: 0; padding: 2rem 1rem; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif }
main { max-width: 60rem; margin: 0 auto }
h1 { font-size: 1.25rem; font-weight: 600; margin: 0 0 1rem; overflow-wrap: anywhere }
a { color: var(--link); text-decoration: none }
a:hover { text-decoration: underline }
table { width: 100%; border-collapse: collapse }
th, td { padding: .4rem .6rem; text-align: left; border-bottom: 1px solid var(--line) }
th { font-weight: 600; white-space: nowrap }
th a { color: inherit }
td:first-child { overflow-wrap: anywhere }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
td.number, td.date { color: var(--soft); white-space: nowrap }
tbody tr:hover { background: var(--hover) }
svg[hidden] { display: none }
.icon { width: 1em; height: 1em; margin-right: .6em; vertical-align: -.1em; fill: none;
  stroke: var(--soft); stroke-width: 1.3; stroke-linejoin: round }
footer { margin-top: 1rem; color: var(--soft); font-size: .85rem }
@media (max-width: 34rem) { .date { display: none } }
]]

local SHAPES = '<svg hidden>'
  .. '<symbol id="d" viewBox="0 0 16 16"><path d="M1 13V3h5l2 2h7v8z"/></symbol>'
  .. '<symbol id="f" viewBox="0 0 16 16"><path d="M3 1h6l4 4v10H3zM9 1v4h4"/></symbol>'
  .. '<symbol id="u" viewBox="0 0 16 16"><path d="M8 14V3M3 8l5-5 5 5"/></symbol></svg>'

local function icon(id)
  return format('<svg class="icon" aria-hidden="true"><use href="#%s"/></svg>', id)
end

local function read(root, path)
  local code, entry = ffi.new "int[1]", ffi.new "jh_directory_entry"
  local directory = C.jh_directory_open(root, path, #path, code)
  if directory == nil then return nil, code[0] end
  local list, is_cut = {}, false
  while C.jh_directory_next(directory, entry) == 0 do
    if #list == ENTRIES_MAX then
      is_cut = true
      break
    end
    list[#list + 1] = {
      name = ffi.string(entry.name.ptr, entry.name.len), is_directory = entry.is_directory,
      bytes = entry.bytes, modified_s = entry.modified_s,
    }
  end
  C.jh_directory_close(directory)
  return list, is_cut
end

local KEYS = {
  name = function(entry) return lower(entry.name) end,
  size = function(entry) return entry.is_directory and -1 or entry.bytes end,
  date = function(entry) return entry.modified_s end,
}

-- Directories first; equal ones by name.
local function arrange(list, by, is_descending)
  local key = KEYS[by]
  sort(list, function(a, b)
    if a.is_directory ~= b.is_directory then return a.is_directory end
    local one, other = key(a), key(b)
    if one ~= other then
      if is_descending then return one > other end
      return one < other
    end
    return a.name < b.name
  end)
end

local UNITS = { "KiB", "MiB", "GiB", "TiB", "PiB" }

--- "1.5 KiB" for 1536.
---@param bytes number
---@return string
function M.size(bytes)
  if bytes < 1024 then return format("%d B", bytes) end
  local unit = 0
  repeat
    bytes, unit = bytes / 1024, unit + 1
  until bytes < 1023.95 or unit == #UNITS
  return format(bytes < 99.95 and "%.1f %s" or "%.0f %s", bytes, UNITS[unit])
end

-- A name as a relative reference. "./" keeps a colon from being taken for a scheme.
local function reference(entry)
  local name = gsub(entry.name, "[^%w%-._~]", function(char)
    return format("%%%02X", char:byte())
  end)
  return "./" .. name .. (entry.is_directory and "/" or "")
end

local function heading(title, by, state, class)
  local is_current = state.by == by
  local order = is_current and not state.is_descending and "desc" or "asc"
  local mark = is_current and (state.is_descending and " ↓" or " ↑") or ""
  local sorted = is_current and format(' aria-sort="%s"', state.is_descending and "descending"
    or "ascending") or ""
  return format('<th scope="col"%s%s><a href="?sort=%s&amp;order=%s">%s%s</a></th>',
    class and format(' class="%s"', class) or "", sorted, by, order, title, mark)
end

local function row(entry)
  local when = date("!%Y-%m-%d %H:%M", entry.modified_s)
  return format('<tr><td>%s<a href="%s">%s</a></td>'
    .. '<td class="number">%s</td><td class="date"><time datetime="%s">%s</time></td></tr>',
    icon(entry.is_directory and "d" or "f"), escape(reference(entry)),
    escape(entry.name) .. (entry.is_directory and "/" or ""),
    entry.is_directory and "" or M.size(entry.bytes),
    date("!%Y-%m-%dT%H:%M:%SZ", entry.modified_s), when)
end

-- What the page says below the table.
local function summary(list, is_cut)
  local directories, bytes = 0, 0
  for _, entry in ipairs(list) do
    if entry.is_directory then directories = directories + 1 else bytes = bytes + entry.bytes end
  end
  local files = #list - directories
  return format("%d director%s, %d file%s, %s%s. Times are UTC.", directories,
    directories == 1 and "y" or "ies", files, files == 1 and "" or "s", M.size(bytes),
    is_cut and format("; only %d entries are shown", ENTRIES_MAX) or "")
end

--- The page. `state`: by, is_descending; has_parent; is_cut.
---@param path string of the request, decoded
---@param list table[] arranged
---@param state table
---@return string
function M.render(path, list, state)
  local title = "Index of " .. escape(path)
  local rows = {}
  if state.has_parent then
    rows[1] = "<tr><td>" .. icon "u" .. '<a href="../">Parent directory</a></td><td></td>'
      .. '<td class="date"></td></tr>'
  end
  for _, entry in ipairs(list) do rows[#rows + 1] = row(entry) end
  return concat {
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    "<title>", title, "</title><style>", STYLE, "</style></head>\n<body>", SHAPES,
    "<main><h1>", title, "</h1>\n<table><thead><tr>", heading("Name", "name", state),
    heading("Size", "size", state, "number"), heading("Modified", "date", state, "date"),
    "</tr></thead>\n<tbody>\n", concat(rows, "\n"), "\n</tbody></table>\n<footer>",
    summary(list, state.is_cut), "</footer></main></body></html>\n",
  }
end

local function wants_json(ctx)
  local accept = ctx.headers.accept or ""
  return find(accept, "application/json", 1, true) and not find(accept, "text/html", 1, true)
end

local function to_json(list)
  local out = {}
  for i, entry in ipairs(list) do
    out[i] = {
      name = entry.name, type = entry.is_directory and "directory" or "file",
      size = not entry.is_directory and entry.bytes or nil,
      modified = date("!%Y-%m-%dT%H:%M:%SZ", entry.modified_s),
    }
  end
  return json.array(out)
end

--- Answers with the list of a directory.
---@param ctx justhttp.ctx
---@param root ffi.cdata*
---@param path string below the root, "" or with "/" at its end
function M.answer(ctx, root, path)
  local list, is_cut = read(root, path)
  if not list then return ctx:error(404) end
  local by = KEYS[ctx.query.sort] and ctx.query.sort or "name"
  local is_descending = ctx.query.order == "desc"
  arrange(list, by, is_descending)
  ctx:set("Vary", "Accept")
  ctx:set("Cache-Control", "no-cache")
  if wants_json(ctx) then return ctx:json(to_json(list)) end
  ctx:set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
  local parent = sub(ctx.path, 1, -2):match "^(.*)/[^/]*$"
  ctx:html(M.render(ctx.path, list, {
    by = by, is_descending = is_descending, is_cut = is_cut,
    has_parent = path ~= "" and parent ~= nil,
  }))
end

return M
