-- Turns the bench's measurements into its one table: medians over rounds, ratios, bars.
--
-- Pure: numbers in, lines out. Samples are { us, rate, share, others, errors } per round, where
-- `share` is how much of its core the server used and `others` how much everybody else did. A
-- round that failed is a hole in the list.

local M = {}

local FILLED_SHARE = 0.9
local CALM_OTHERS = 0.05

function M.median(values)
  local sorted = {}
  for i, value in ipairs(values) do sorted[i] = value end
  if #sorted == 0 then return nil end
  table.sort(sorted)
  local low, high = math.floor((#sorted + 1) / 2), math.ceil((#sorted + 1) / 2)
  return (sorted[low] + sorted[high]) / 2
end

local function column(samples, key)
  local values = {}
  for _, sample in pairs(samples) do values[#values + 1] = sample[key] end
  return values
end

-- The rounds in which the server had its core for itself; all of them when there is none.
local function calm_rounds(samples)
  local calm = {}
  for round, sample in pairs(samples) do
    if sample.others <= CALM_OTHERS then calm[round] = sample end
  end
  if next(calm) then return calm, true end
  return samples, false
end

---Half of the distance between the extremes, in per cent of the median.
function M.spread(values)
  local low, high = math.huge, -math.huge
  for _, value in ipairs(values) do
    low, high = math.min(low, value), math.max(high, value)
  end
  return (high - low) / 2 / M.median(values) * 100
end

---Median of how much more `a` costs than `b`, over the rounds that both have.
function M.paired_difference(a, b)
  local values = {}
  local calm_a, calm_b = calm_rounds(a), calm_rounds(b)
  for round, sample in pairs(calm_a) do
    if calm_b[round] then values[#values + 1] = sample.us - calm_b[round].us end
  end
  if #values > 0 then return M.median(values) end
  for round, sample in pairs(a) do
    if b[round] then values[#values + 1] = sample.us - b[round].us end
  end
  return M.median(values)
end

local function thousands(number)
  local text = ("%.0f"):format(number)
  repeat
    local changed
    text, changed = text:gsub("^(%-?%d+)(%d%d%d)", "%1,%2")
  until changed == 0
  return text
end

local function verdict(report, value, bar, text, is_calm)
  local passed = value <= bar
  report.missed = report.missed + (passed and 0 or 1)
  return text .. (passed and " PASS" or " MISS") .. (is_calm == false and "~" or "")
end

local function spread_cell(values)
  return #values > 1 and ("±%.0f %%"):format(M.spread(values)) or "1 round"
end

local function bar_cell(report, case, samples, server, ratio, is_calm)
  local is_own = server.name == "justhttp"
  if case.over and samples[case.over] then
    local extra = M.paired_difference(samples[case.key][server.name],
      samples[case.over][server.name])
    if not extra then return "" end
    local text = ("%+.2f µs over %s"):format(extra, case.over)
    if not (is_own and case.extra_us) then return text end
    return verdict(report, extra, case.extra_us, ("%s, bar %.2f:"):format(text, case.extra_us),
      is_calm)
  end
  if is_own and case.peer_ratio then
    local own = calm_rounds(samples[case.key].justhttp)
    local peer, is_peer_calm = calm_rounds(samples[case.key].nginx or {})
    local peer_us = M.median(column(peer, "us"))
    if not peer_us then return "" end
    local share = M.median(column(own, "us")) / peer_us
    local text = ("%.2f × nginx, bar %.2f:"):format(share, case.peer_ratio)
    return verdict(report, share, case.peer_ratio, text, is_calm and is_peer_calm)
  end
  if not (is_own and case.ratio and ratio) then return "" end
  return verdict(report, ratio, case.ratio, ("bar %.2f:"):format(case.ratio), is_calm)
end

local function load_row(report, case, samples, server)
  local own, is_calm = calm_rounds(samples[case.key][server.name])
  local us = M.median(column(own, "us"))
  if not us then return { case.title, server.title, "-", "", "", "", "" } end
  local floors, is_floor_calm = calm_rounds(samples[case.key].floor or {})
  local floor = M.median(column(floors, "us"))
  local ratio = floor and us / floor
  local is_filled = case.fills == false or M.median(column(own, "share")) >= FILLED_SHARE
  local errors = 0
  for _, count in ipairs(column(own, "errors")) do errors = errors + count end
  return {
    case.title,
    server.title,
    ("%.2f%s%s"):format(us, is_filled and "" or "*", is_calm and "" or "~"),
    spread_cell(column(own, "us")),
    ratio and ("%.2f"):format(ratio) or "",
    thousands(M.median(column(own, "rate"))) .. (errors > 0 and "!" or ""),
    bar_cell(report, case, samples, server, ratio, is_calm and (is_floor_calm or not floor)),
  }
end

---Adds the rows of one load case.
function M.add_load(report, case, samples, servers)
  for _, server in ipairs(servers) do
    if not (case.bytes and server.name == "floor") then
      table.insert(report.rows, load_row(report, case, samples, server))
    end
  end
end

---Adds the rows of a case with one number per server, in a unit of its own.
function M.add_values(report, case, values, servers)
  for _, server in ipairs(servers) do
    local value = values[server.name]
    local bar = ""
    if value and case.bar and server.name == "justhttp" then
      bar = verdict(report, value, case.bar, ("bar %s:"):format(thousands(case.bar)))
    end
    local text = value and thousands(value) .. " " .. case.unit or "-"
    table.insert(report.rows, { case.title, server.title, text, "", "", "", bar })
  end
end

---Adds the rows of a case whose bar is what the second server needs.
function M.add_peer_values(report, case, values, servers)
  local own, peer = values[servers[1].name], values[servers[2].name]
  for i, server in ipairs(servers) do
    local value = values[server.name]
    local bar = ""
    if i == 1 and own and peer then
      local share = own / peer
      bar = verdict(report, share, case.peer_ratio,
        ("%.2f × nginx, bar %.2f:"):format(share, case.peer_ratio))
    end
    local text = value and case.format:format(value) .. " " .. case.unit or "-"
    table.insert(report.rows, { case.title, server.title, text, "", "", "", bar })
  end
end

---Adds the rows of idle connections: bytes of each, and the cost of requests on them.
function M.add_idle(report, case, samples, servers)
  for _, server in ipairs(servers) do
    local own = samples[server.name]
    local bytes, us = M.median(column(own, "bytes")), M.median(column(own, "us"))
    local bar = bytes and thousands(bytes) .. " B each" or ""
    if bytes and case.bar and server.name == "justhttp" then
      bar = verdict(report, bytes, case.bar, ("%s, bar %d:"):format(bar, case.bar))
    end
    table.insert(report.rows, { case.title, server.title, us and ("%.2f"):format(us) or "-",
      us and spread_cell(column(own, "us")) or "", "", "", bar })
  end
end

function M.new()
  return { rows = {}, missed = 0 }
end

local function width(text)
  return select(2, text:gsub("[^\128-\191]", ""))
end

local HEAD = { "case", "server", "CPU µs/request", "spread", "× floor", "requests/s", "bar" }
local IS_RIGHT = { false, false, true, true, true, true, false }

---The table as Markdown, its columns aligned for reading as plain text too.
function M.lines(report)
  local widths = {}
  for i, text in ipairs(HEAD) do widths[i] = width(text) end
  for _, row in ipairs(report.rows) do
    for i, text in ipairs(row) do widths[i] = math.max(widths[i], width(text)) end
  end
  local function line(row)
    local cells = {}
    for i, text in ipairs(row) do
      local pad = (" "):rep(widths[i] - width(text))
      cells[i] = IS_RIGHT[i] and pad .. text or text .. pad
    end
    return "| " .. table.concat(cells, " | ") .. " |"
  end
  local rule = {}
  for i, n in ipairs(widths) do rule[i] = ("-"):rep(n + 1) .. (IS_RIGHT[i] and ":" or "-") end
  local out = { line(HEAD), "|" .. table.concat(rule, "|") .. "|" }
  for _, row in ipairs(report.rows) do out[#out + 1] = line(row) end
  return out
end

return M
