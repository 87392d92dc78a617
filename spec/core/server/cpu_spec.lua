-- cpu_spec.lua: how many workers a machine, or the part of it given to us, is good for.
local core = require "spec.support.core"
local sys = require "spec.support.sys"
local C = core.load "server/cpu.h"

describe("cpu", function()
  it("counts the CPUs this process may use", function()
    local status = sys.read_file("/proc/self/status")
    local count = 0
    for from, to in (status:match("Cpus_allowed_list:%s*(%S+)") .. ","):gmatch("(%d+)%-?(%d*),") do
      count = count + (tonumber(to) or tonumber(from)) - tonumber(from) + 1
    end
    assert.are.equal(count, C.jh_cpu_allowed_count())
  end)

  it("rounds the quota of a control group up to whole CPUs", function()
    assert.are.equal(2, C.jh_cpu_quota("150000 100000\n"))
    assert.are.equal(1, C.jh_cpu_quota("5000 100000\n"))
    assert.are.equal(4, C.jh_cpu_quota("400000 100000\n"))
  end)

  it("takes no limit, and what makes no sense, for no limit", function()
    for _, text in ipairs { "max 100000\n", "", "x", "1", "1 0\n", "0 100000\n", "-1 5\n",
                            "99999999999999999999 1\n" } do
      assert.are.equal(0, C.jh_cpu_quota(text), text)
    end
  end)

  it("never wants more workers than there are CPUs, and at least one", function()
    local workers = C.jh_cpu_worker_count()
    assert.is_true(workers >= 1 and workers <= C.jh_cpu_allowed_count())
  end)
end)
