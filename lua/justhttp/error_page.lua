--- What a client sees of a failed request.
--
-- Called by the dispatcher with a fault and the id that the log has beside the full traceback. In
-- production nothing of the program is shown: a line of text, or JSON when the client prefers it.
-- In dev mode a browser gets a page with the message, the source around it and the app's frames;
-- the page needs nothing from elsewhere and follows the browser's light or dark setting.

local html = require "justhttp.html"
local json = require "justhttp.json"
local media_type = require "justhttp.media_type"
local traceback = require "justhttp.traceback"

local format, concat = string.format, table.concat
local escape = html.escape

local M = {}

local PRODUCTION_OFFERS = { "text/plain", "application/json" }
local DEV_OFFERS = { "text/plain", "application/json", "text/html" }

local STYLE = [[
:root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--text:#1d1f21;--dim:#6b7075;--line:#e3e4e6;
--red:#b3261e;--mark:#fdecea}
@media(prefers-color-scheme:dark){:root{--bg:#161719;--card:#1e2022;--text:#e6e7e8;--dim:#9aa0a6;
--line:#313437;--red:#ff8a80;--mark:#3a2322}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:16px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
.what{color:var(--dim);margin:0 0 .5rem;overflow-wrap:anywhere}
h1{font-size:1.4rem;line-height:1.35;margin:0 0 .25rem;color:var(--red);overflow-wrap:anywhere;
white-space:pre-wrap}
.where{font-family:ui-monospace,monospace;font-size:.9rem;margin:0 0 1.5rem}
h2{font-size:.85rem;font-weight:600;color:var(--dim);margin:2rem 0 .5rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;overflow:auto}
pre,code,td{font-family:ui-monospace,monospace;font-size:.85rem}
pre{margin:0;padding:.75rem 0;tab-size:2}
pre span{display:block;padding:0 1rem 0 0;white-space:pre}
pre i{display:inline-block;width:4rem;padding-right:1rem;text-align:right;color:var(--dim);
font-style:normal;user-select:none}
pre .at{background:var(--mark)}
pre .at i{color:var(--red)}
table{border-collapse:collapse;width:100%}
td{padding:.35rem 1rem;border-top:1px solid var(--line);vertical-align:top}
tr:first-child td{border-top:0}
td:last-child{color:var(--dim)}
tr.ours{opacity:.55}
details summary{cursor:pointer;color:var(--dim);margin-top:.75rem;font-size:.9rem}
details pre{padding:.75rem 1rem;white-space:pre-wrap}
]]

local function source_card(fault)
  local file, line = traceback.app_place(fault)
  if not file or not line then return "" end
  local lines = traceback.excerpt(file, line)
  if not lines then return "" end
  local parts = { '<h2>Source</h2><div class="card"><pre>' }
  for _, one in ipairs(lines) do
    parts[#parts + 1] = format('<span%s><i>%d</i>%s</span>', one.is_current and ' class="at"' or "",
      one.line, escape(one.text))
  end
  parts[#parts + 1] = "</pre></div>"
  return concat(parts)
end

local function frames_card(fault)
  local parts = {}
  for _, frame in ipairs(traceback.frames(fault)) do
    if frame.is_app then
      parts[#parts + 1] = format("<tr><td>%s:%d</td><td>%s</td></tr>", escape(frame.source),
        frame.line or 0, escape(frame.what))
    end
  end
  if #parts == 0 then return "" end
  return '<h2>Calls in the app</h2><div class="card"><table>' .. concat(parts) .. "</table></div>"
end

local function dev_page(info)
  local fault = info.fault
  local _, _, text = traceback.place(fault.message)
  local file, line = traceback.app_place(fault)
  return concat {
    '<!doctype html><html lang="en"><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width,initial-scale=1">',
    "<title>", escape(info.status .. " " .. info.reason), "</title>",
    "<style>", STYLE, "</style><main>",
    '<p class="what">', escape(info.status .. " " .. info.reason), " · ",
    escape((info.method or "") .. " " .. (info.target or "")), "</p>",
    "<h1>", escape(text), "</h1>",
    '<p class="where">', file and escape(file .. ":" .. (line or 0)) or "", "</p>",
    source_card(fault), frames_card(fault),
    '<h2>In the log as</h2><p><code>', escape(info.id), "</code></p>",
    "<details><summary>Whole traceback</summary>", '<div class="card"><pre>',
    escape(traceback.full(fault)), "</pre></div></details></main></html>\n",
  }
end

local function dev_text(info)
  local fault = info.fault
  local parts = { format("%d %s\n\n%s\n", info.status, info.reason, fault.message) }
  for _, frame in ipairs(traceback.frames(fault)) do
    if frame.is_app then
      parts[#parts + 1] = format("  %s:%d: %s\n", frame.source, frame.line or 0, frame.what)
    end
  end
  parts[#parts + 1] = format("\nid: %s\n", info.id)
  return concat(parts)
end

local function dev_json(info)
  local frames = json.array()
  for _, frame in ipairs(traceback.frames(info.fault)) do
    if frame.is_app then
      frames[#frames + 1] = { file = frame.source, line = frame.line, what = frame.what }
    end
  end
  return json.encode {
    status = info.status, error = info.reason, id = info.id,
    message = info.fault.message, frames = frames,
  } .. "\n"
end

---@class justhttp.error_info
---@field status integer
---@field reason string "Internal Server Error"
---@field id string what the log line carries
---@field fault justhttp.fault
---@field accept string? the request's Accept field
---@field is_dev boolean?
---@field method string?
---@field target string?

--- Makes the body for a failed request, in the form the client prefers.
---@param info justhttp.error_info
---@return string body
---@return string content_type
function M.render(info)
  local chosen = media_type.accept(info.accept, info.is_dev and DEV_OFFERS or PRODUCTION_OFFERS)
  if chosen == "text/html" then return dev_page(info), "text/html; charset=utf-8" end
  if chosen == "application/json" then
    if info.is_dev then return dev_json(info), "application/json" end
    return json.encode { status = info.status, error = info.reason, id = info.id } .. "\n",
      "application/json"
  end
  if info.is_dev then return dev_text(info), "text/plain; charset=utf-8" end
  return format("%d %s\nid: %s\n", info.status, info.reason, info.id), "text/plain; charset=utf-8"
end

return M
