-- Counting and failing allocations of core/, through the seam in core/base/alloc.h.
--
--   local alloc = require "spec.support.alloc"
--   assert.equal(0, alloc.count(function() … end))         -- allocations made by the function
--   alloc.fail_each(function() … end)                      -- with its 1st, 2nd, 3rd … one failing
--   assert.is_true(alloc.is_balanced(function() … end))    -- frees as much as it allocates
--
-- All of it concerns the spec process (the library); a running server counts for itself.
local ffi = require "ffi"
local core = require "spec.support.core"

local M = {}

local function library() return core.load("base/alloc.h") end

-- Number of allocations the call made.
function M.count(fn)
  local C = library()
  local before = C.jh_alloc_count()
  fn()
  return tonumber(C.jh_alloc_count() - before)
end

-- Whether the failure that was asked for is still to come; takes it back.
local function is_pending(C, nth)
  for _ = 1, nth do
    local memory = C.jh_try_alloc(1)
    if memory == nil then return true end
    C.jh_free(memory)
  end
  C.jh_alloc_fail_nth(0)
  return false
end

-- Runs fn(nth) with its nth fallible allocation failing, for nth = 1, 2, … until a run makes fewer
-- than nth allocations, so that nothing failed. fn must survive each run and clean up after itself;
-- it raises where an assertion of the spec does not hold. Returns the number of runs in which an
-- allocation failed. `most` (default 1000) bounds the runs.
function M.fail_each(fn, most)
  local C = library()
  for nth = 1, most or 1000 do
    C.jh_alloc_fail_nth(nth)
    local ok, err = pcall(fn, nth)
    local nothing_failed = is_pending(C, nth)
    if not ok then
      error(("with allocation %d failing: %s"):format(nth, tostring(err)), 0)
    end
    if nothing_failed then return nth - 1 end
  end
  error("still allocating after " .. (most or 1000) .. " runs")
end

pcall(ffi.cdef, [[
struct spec_mallinfo2 {
  size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};
struct spec_mallinfo2 mallinfo2(void);
]])

local function bytes_in_use()
  local info = ffi.C.mallinfo2()
  return tonumber(info.uordblks + info.hblkhd)
end

-- True when repeated calls of fn leave no more malloc'd memory than before. LuaJIT's own heap is
-- not malloc's, so only C memory counts. malloc counts what it caches as in use, so one round may
-- seem to grow; what leaks grows in every round. Under a sanitizer, which has an allocator of its
-- own, always true.
function M.is_balanced(fn)
  collectgarbage()
  for _ = 1, 3 do fn() end
  local grown
  for _ = 1, 4 do
    local before = bytes_in_use()
    for _ = 1, 8 do fn() end
    grown = bytes_in_use() - before
    if grown < 8 then return true, grown end
  end
  return false, grown
end

return M
