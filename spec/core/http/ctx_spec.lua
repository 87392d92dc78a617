-- ctx_spec.lua: the table of contexts: slots that stay, contexts that are new when they are used
-- again, and the settled path.
local ffi = require "ffi"
local alloc = require "spec.support.alloc"
local core = require "spec.support.core"
local C = core.load("http/ctx.h", "base/pool.h")

describe("the table of contexts", function()
  local pool, contexts

  before_each(function()
    pool, contexts = ffi.new "jh_pool", ffi.new "jh_ctx_table"
    C.jh_pool_init(pool, C.JH_ARENA_BLOCK_BYTES, 10)
    C.jh_ctx_table_init(contexts, 20, pool)
  end)
  after_each(function()
    C.jh_ctx_table_deinit(contexts)
    C.jh_pool_deinit(pool)
  end)

  it("gives every context a slot of its own, for ever", function()
    local all = {}
    for i = 1, 200 do
      all[i] = C.jh_ctx_try_acquire(contexts)
      assert.are.equal(i - 1, all[i].slot)
      assert.are.equal(20, all[i].request.header_capacity)
    end
    assert.are.equal(200, contexts.in_use)
    for i = 1, 200 do
      assert.is_true(contexts.slots[i - 1] == all[i])
      C.jh_ctx_put_back(contexts, all[i])
    end
    assert.are.equal(0, contexts.in_use)
    assert.are.equal(0, alloc.count(function()
      for i = 1, 200 do all[i] = C.jh_ctx_try_acquire(contexts) end
    end))
    assert.are.equal(200, contexts.count)
    for i = 1, 200 do C.jh_ctx_put_back(contexts, all[i]) end
  end)

  it("gives out a context as new", function()
    local ctx = C.jh_ctx_try_acquire(contexts)
    local text = "value"
    local value = ffi.new("jh_str", ffi.cast("const char *", text), #text)
    C.jh_response_try_set(ctx.response, ctx.arena, value, value, false)
    ctx.wait_id, ctx.write_wait_id, ctx.body_error, ctx.body_state = 1, 2, -5, C.JH_BODY_STREAMING
    ctx.remote_port, ctx.remote, ctx.body = 80, value, value
    ctx.has_continued, ctx.is_shadow, ctx.stream_state = true, true, C.JH_STREAM_CHUNKED
    assert.is_true(pool.in_use > 0)
    C.jh_ctx_put_back(contexts, ctx)
    assert.are.equal(0, tonumber(pool.in_use))
    local again = C.jh_ctx_try_acquire(contexts)
    assert.is_true(again == ctx)
    assert.are.equal(0, again.wait_id + again.write_wait_id + again.body_error + again.body_state
      + again.stream_state + again.remote_port)
    assert.is_false(again.has_continued or again.is_shadow)
    assert.is_true(again.remote.ptr == nil and again.body.ptr == nil)
    assert.is_true(again.response.first == nil)
    C.jh_ctx_put_back(contexts, again)
  end)

  it("takes events of a context that was put back off their queue", function()
    local ctx = C.jh_ctx_try_acquire(contexts)
    local queue = ffi.new "jh_event_queue"
    for _, name in ipairs { "request_node", "wake_node", "write_node" } do
      C.jh_event_queue_push(queue, ctx[name])
    end
    C.jh_ctx_put_back(contexts, ctx)
    assert.is_true(C.jh_event_queue_pop(queue) == nil)
  end)

  it("has none when memory is out", function()
    alloc.fail_each(function()
      local ctx = C.jh_ctx_try_acquire(contexts)
      if ctx ~= nil then C.jh_ctx_put_back(contexts, ctx) end
    end)
    assert.are.equal(0, contexts.in_use)
  end)

  describe("settles the path", function()
    local ctx
    before_each(function() ctx = C.jh_ctx_try_acquire(contexts) end)
    after_each(function() C.jh_ctx_put_back(contexts, ctx) end)

    local function settled(target, method)
      local bytes = (method or "GET") .. " " .. target .. " HTTP/1.1\r\nHost: a\r\n\r\n"
      local limits = ffi.new("jh_parse_limits", { 16384, 100, 8192, 1000000 })
      local len = ffi.new "size_t[1]"
      C.jh_parser_init(ctx.parser)
      local parsed = C.jh_parser_head(ctx.parser, ctx.request, limits, bytes, #bytes, len)
      assert.are.equal(C.JH_PARSE_DONE, parsed)
      local code = C.jh_ctx_settle_path(ctx)
      return code == 0 and ffi.string(ctx.path.ptr, ctx.path.len) or code
    end

    it("without a copy when there is nothing to do", function()
      assert.are.equal("/a/b", settled "/a/b?c=%20")
      assert.are.equal(0, tonumber(pool.in_use))
    end)

    it("to its normal form", function()
      assert.are.equal("/a b/c", settled "/x/../%61%20b//./c")
      assert.are.equal("/", settled "/../..")
    end)

    it("of the other forms of a target", function()
      assert.are.equal("/a", settled "http://b/a")
      assert.are.equal("/", settled "http://b")
      assert.are.equal("*", settled("*", "OPTIONS"))
    end)

    it("not when it holds a NUL, nor without memory", function()
      assert.are.equal(C.JH_EINVAL, settled "/a%00")
      alloc.fail_each(function()
        C.jh_arena_reset(ctx.arena)
        C.jh_pool_deinit(pool)
        local path = settled "/%61"
        assert(path == "/a" or path == tonumber(C.JH_ENOMEM))
      end)
    end)
  end)
end)
