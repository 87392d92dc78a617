-- resolver_spec.lua: what is asked of the system, how often, and what is answered meanwhile. The
-- system is the spec: it answers lookups when and how it likes.
local ffi = require "ffi"
local alloc = require "spec.support.alloc"
local core = require "spec.support.core"
require "spec.support.uv"
local C = core.load("justhttp.h", "net/resolver.h", "server/generation.h")
ffi.cdef "uint64_t uv_now(const uv_loop_t *loop);"

jit.off(true, true)

local EAI_AGAIN, EAI_NONAME = -3001, -3008

describe("the resolver", function()
  local memory, loop, resolver, asked, answers, on_found, look_up, anchors, offset_ms

  before_each(function()
    memory = ffi.new("uint64_t[?]", C.uv_loop_size() / 8 + 1)
    loop = ffi.cast("uv_loop_t *", memory)
    assert(C.uv_loop_init(loop) == 0)
    resolver = ffi.new "jh_resolver"
    C.jh_resolver_init(resolver, loop)
    asked, answers, anchors, offset_ms = {}, {}, {}, 0
    look_up = ffi.cast("int (*)(jh_name *)", function(name)
      asked[#asked + 1] = { name = name, host = ffi.string(C.jh_name_host(name)) }
      return 0
    end)
    on_found = ffi.cast("void (*)(jh_lookup *, int)", function(lookup, code)
      answers[#answers + 1] = { lookup = lookup, code = code }
    end)
    resolver.look_up = look_up
  end)

  after_each(function()
    C.jh_resolver_close(resolver)
    C.uv_run(loop, 0)
    C.jh_resolver_deinit(resolver)
    assert.are.equal(0, C.uv_loop_close(loop))
    look_up:free()
    on_found:free()
  end)

  local function str(text)
    anchors[#anchors + 1] = text
    local out = ffi.new "jh_str"
    out.ptr, out.len = text, #text
    return out
  end

  local function start(host)
    local lookup = ffi.new "jh_lookup"
    lookup.on_found = on_found
    anchors[#anchors + 1] = lookup
    return C.jh_resolver_start(resolver, lookup, str(host)), lookup
  end

  local function texts(lookup)
    local all, out = {}, ffi.new "char[46]"
    for i = 0, lookup.found.count - 1 do
      C.jh_ip_write(lookup.found.items[i].ip, out)
      all[i + 1] = ffi.string(out)
    end
    C.jh_addresses_release(lookup.found)
    return table.concat(all, " ")
  end

  local function answer(which, code, ...)
    local count = select("#", ...)
    local list = ffi.new("jh_host_address[?]", count + 1)
    for i = 1, count do C.jh_ip_parse(str((select(i, ...))), list[i - 1].ip) end
    C.jh_name_answer(table.remove(asked, which).name, code, list, count)
  end

  -- Time is what the entries are compared with: letting durations pass is making them shorter.
  local function known(host, ttl_ms, ...)
    resolver.ttl_ms = ttl_ms
    start(host)
    answer(#asked, 0, ...)
    texts(table.remove(answers).lookup)
  end

  local function pass(ms)
    offset_ms = offset_ms + ms
    local until_ms = C.uv_now(loop) + ms
    repeat C.uv_update_time(loop) until C.uv_now(loop) >= until_ms
  end

  it("reads numeric addresses itself", function()
    for _, address in ipairs { "127.0.0.1", "::1", "2001:db8::7" } do
      local code, lookup = start(address)
      assert.are.equal(0, code)
      assert.are.equal(address, texts(lookup))
    end
    assert.are.same({}, asked)
  end)

  it("refuses what is no name", function()
    for _, name in ipairs { "", "a\0b", ("x"):rep(256) } do
      assert.are.equal(C.JH_EINVAL, (start(name)))
    end
  end)

  it("asks once for all who want the same name, and keeps the answer", function()
    local lookups = {}
    for i = 1, 3 do
      local code, lookup = start "a.test"
      assert.are.equal(C.JH_EWAIT, code)
      lookups[i] = lookup
    end
    start "b.test"
    assert.are.equal(2, #asked)
    C.jh_lookup_stop(lookups[2])
    answer(1, 0, "192.0.2.1", "2001:db8::1")
    assert.are.equal(2, #answers)
    assert.are.equal(0, answers[1].code)
    assert.are.equal("192.0.2.1 2001:db8::1", texts(answers[1].lookup))
    assert.are.equal("192.0.2.1 2001:db8::1", texts(answers[2].lookup))
    local code, lookup = start "a.test"
    assert.are.equal(0, code)
    local turn = lookup.found.turn
    texts(lookup)
    local _, again = start "a.test"
    assert.are.equal(turn + 1, again.found.turn)
    texts(again)
    assert.are.equal(1, #asked)
  end)

  it("answers with what it knows while it asks again", function()
    known("a.test", 20, "192.0.2.1")
    pass(25)
    local code, lookup = start "a.test"
    assert.are.equal(0, code)
    assert.are.equal("192.0.2.1", texts(lookup))
    assert.are.equal(1, #asked)
    answer(1, 0, "192.0.2.2")
    code, lookup = start "a.test"
    assert.are.equal(0, code)
    assert.are.equal("192.0.2.2", texts(lookup))
    pass(45)
    assert.are.equal(C.JH_EWAIT, (start "a.test"))
  end)

  it("keeps to an old answer when the name servers fail", function()
    known("a.test", 5, "192.0.2.1")
    pass(15)
    assert.are.equal(C.JH_EWAIT, (start "a.test"))
    answer(1, EAI_AGAIN)
    assert.are.equal(0, answers[1].code)
    assert.are.equal("192.0.2.1", texts(answers[1].lookup))
    for _ = 1, 3 do
      local code, lookup = start "a.test"
      assert.are.equal(0, code)
      texts(lookup)
    end
    assert.are.same({}, asked)
  end)

  it("believes that a name is gone", function()
    known("a.test", 5, "192.0.2.1")
    pass(15)
    start "a.test"
    answer(1, EAI_NONAME)
    assert.are.equal(EAI_NONAME, answers[1].code)
    assert.are.equal(EAI_NONAME, (start "a.test"))
    assert.are.equal("no such name", ffi.string(C.jh_resolver_strerror(EAI_NONAME)))
    pass(1005)
    assert.are.equal(C.JH_EWAIT, (start "a.test"))
  end)

  it("fails at once when the lookup cannot be started, or serves what it knows", function()
    known("a.test", 5, "192.0.2.1")
    pass(15)
    resolver.look_up = ffi.cast("int (*)(jh_name *)", function() return -12 end)
    local code, lookup = start "a.test"
    assert.are.equal(0, code)
    texts(lookup)
    assert.are.equal(-12, (start "b.test"))
  end)

  it("forgets the names that nobody asks for", function()
    known("first.test", 60000, "192.0.2.1")
    known("second.test", 60000, "192.0.2.1")
    for i = 1, 1022 do known(("n%d.test"):format(i), 60000, "192.0.2.1") end
    local code, lookup = start "first.test"
    assert.are.equal(0, code)
    texts(lookup)
    assert.are.equal(1024, resolver.name_count)
    start "new.test"
    assert.are.equal(1024, resolver.name_count)
    code, lookup = start "first.test"
    assert.are.equal(0, code)
    texts(lookup)
    assert.are.equal(C.JH_EWAIT, (start "second.test"))
  end)

  it("tells nobody when memory is out, and loses nothing", function()
    alloc.fail_each(function()
      local own = ffi.new "jh_resolver"
      C.jh_resolver_init(own, loop)
      own.look_up = look_up
      local lookup = ffi.new "jh_lookup"
      lookup.on_found = on_found
      local code = C.jh_resolver_start(own, lookup, str "a.test")
      if code == C.JH_EWAIT then
        answer(#asked, 0, "192.0.2.1")
        code = table.remove(answers).code
      end
      if code == 0 then texts(lookup) end
      C.jh_resolver_close(own)
      C.jh_resolver_deinit(own)
    end)
  end)
end)
