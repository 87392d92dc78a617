--- Answers in pieces: a clock as server-sent events, and a CSV file of any length in constant
-- memory.
local http = require "justhttp"

local app = http.app()

local PAGE = [[
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>stream</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 1rem }
  output { display: block; font: 3rem ui-monospace, monospace; margin: 1rem 0 }
  small { color: GrayText }
</style>
<h1>stream</h1>
<output id="clock">--:--:--</output>
<small id="state">connecting</small>
<p><a href="/numbers.csv?rows=100000" download>numbers.csv</a>, 100,000 rows made while sent</p>
<script>
  const clock = document.getElementById("clock"), state = document.getElementById("state");
  const events = new EventSource("/clock");
  events.addEventListener("tick", event => {
    clock.textContent = JSON.parse(event.data).time;
    state.textContent = "tick " + event.lastEventId;
  });
  events.onerror = () => { state.textContent = "reconnecting"; };
</script>
]]

app:get("/", function(ctx) ctx:html(PAGE) end)

-- A browser that reconnects says which event it saw last; the count goes on from there.
app:get("/clock", function(ctx)
  local every = tonumber(ctx.query.every) or 1
  local count = tonumber(ctx.headers["last-event-id"]) or 0
  ctx:events(function(events)
    while true do
      count = count + 1
      events:send {
        event = "tick", id = count, retry = 1000,
        data = http.json.encode { time = os.date "%H:%M:%S", count = count },
      }
      http.sleep(math.max(every, 0.01))
    end
  end)
end)

app:get("/numbers.csv", function(ctx)
  local rows = math.min(tonumber(ctx.query.rows) or 1000, 10000000)
  ctx:set("Content-Type", "text/csv; charset=utf-8")
  ctx:set("Content-Disposition", 'attachment; filename="numbers.csv"')
  ctx:stream(function(stream)
    local lines = { "number,square" }
    for number = 1, rows do
      lines[#lines + 1] = ("%d,%d"):format(number, number * number)
      if #lines == 1000 then
        stream:write(table.concat(lines, "\r\n") .. "\r\n")
        lines = {}
      end
    end
    if #lines > 0 then stream:write(table.concat(lines, "\r\n") .. "\r\n") end
  end)
end)

return app
