-- Asks AddressSanitizer whether memory may be touched.
--
--   local asan = require "spec.support.asan"
--   if not asan.is_poisoned then return pending("needs the asan preset") end
--   assert.is_true(asan.is_poisoned(pointer))
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef "int __asan_address_is_poisoned(const void *pointer);"

local M = {}

local has_asan, is_poisoned = pcall(function() return core.library().__asan_address_is_poisoned end)

-- Whether the byte at the pointer is poisoned; nil when the library was built without ASan.
M.is_poisoned = has_asan and function(pointer) return is_poisoned(pointer) == 1 end or nil

return M
