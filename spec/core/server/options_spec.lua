-- options_spec.lua: one table of options; text becomes values, wrong text becomes one clear line.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load "server/options.h"

local FILE, ENVIRONMENT, COMMAND_LINE =
  C.JH_OPTION_FROM_FILE, C.JH_OPTION_FROM_ENVIRONMENT, C.JH_OPTION_FROM_COMMAND_LINE

describe("options", function()
  local options
  local out = ffi.new("char[4096]")

  before_each(function() options = C.jh_options_new() end)
  after_each(function() C.jh_options_free(options) end)

  local function set(name, value, source)
    local rc = C.jh_options_set(options, name, value, source or FILE, out, ffi.sizeof(out))
    if rc == 0 then return true end
    return nil, ffi.string(out), rc
  end

  local function get(name)
    local len = C.jh_options_get(options, name, out, ffi.sizeof(out))
    return len >= 0 and ffi.string(out, len) or nil
  end

  local function refused(name, value, source)
    local ok, message = set(name, value, source)
    assert.is_nil(ok)
    assert.is_nil(message:find("\n"))
    return message
  end

  -- The strings of a C array stay alive as long as the second result.
  local function strings(list)
    local array = ffi.new("const char *[?]", #list + 1)
    for i, text in ipairs(list) do array[i - 1] = text end
    array[#list] = nil
    return array, list
  end

  local function flag(...)
    local arguments, keep = strings { ... }
    local used = C.jh_options_read_flag(options, arguments, #keep, out, ffi.sizeof(out))
    if used > 0 then return used end
    return nil, ffi.string(out)
  end

  local function environment(list)
    local variables, keep = strings(list)
    local rc = C.jh_options_read_environment(options, variables, out, ffi.sizeof(out))
    assert(keep)
    if rc == 0 then return true end
    return nil, ffi.string(out)
  end

  describe("table", function()
    it("describes every option, with a default that it accepts itself", function()
      local index = 0
      while C.jh_options_describe(index) ~= nil do
        local info = C.jh_options_describe(index)
        local name = ffi.string(info.name)
        assert.is_true(#ffi.string(info.help) > 10, name)
        assert.are.equal(index, C.jh_options_find(name))
        assert.is_true(set(name, ffi.string(info.default_value)), name)
        index = index + 1
      end
      assert.is_true(index > 25)
    end)

    it("gives back a value that it takes again, for every option", function()
      for index = 0, 100 do
        local info = C.jh_options_describe(index)
        if info == nil then break end
        local name = ffi.string(info.name)
        local value = get(name)
        assert.is_true(set(name, value, COMMAND_LINE), name)
        assert.are.equal(value, get(name))
      end
    end)
  end)

  describe("values", function()
    it("reads sizes with k, m and g", function()
      for text, bytes in pairs { ["1000"] = "1000", ["4k"] = "4096", ["2M"] = "2097152",
                                 ["1g"] = "1073741824", ["0"] = "0" } do
        assert.is_true(set("max_body_bytes", text))
        assert.are.equal(bytes, get("max_body_bytes"))
      end
    end)

    it("refuses sizes that are none", function()
      for _, text in ipairs { "", "k", "1kb", "-1", "+1", " 1", "1 ", "0x10", "1.5m", "1mm" } do
        assert.is_truthy(refused("max_body_bytes", text)
          :find("is not valid; write a number of bytes", 1, true), text)
      end
    end)

    it("refuses numbers outside their bounds, and names the bounds", function()
      assert.are.equal("workers: '1025' must be between 1 and 1024", refused("workers", "1025"))
      assert.are.equal("workers: '0' must be between 1 and 1024", refused("workers", "0"))
      for _, text in ipairs { "18446744073709551615", "18446744073709551616", "17179869184g",
                              ("9"):rep(60) } do
        assert.is_truthy(refused("max_body_bytes", text)
          :find("must be between 0 and 1099511627776", 1, true), text)
      end
    end)

    it("takes durations in milliseconds and nothing else", function()
      assert.is_true(set("header_timeout_ms", "250"))
      assert.are.equal("250", get("header_timeout_ms"))
      local message = refused("header_timeout_ms", "10s")
      assert.is_truthy(message:find("milliseconds without a unit", 1, true))
    end)

    it("takes auto for workers only", function()
      assert.is_true(set("workers", "3"))
      assert.is_true(set("workers", "auto"))
      assert.are.equal("auto", get("workers"))
      refused("backlog", "auto")
    end)

    it("reads switches in the usual spellings", function()
      for text, value in pairs { ["true"] = "true", yes = "true", on = "true", ["1"] = "true",
                                 ["false"] = "false", no = "false", off = "false",
                                 ["0"] = "false" } do
        assert.is_true(set("dev", text))
        assert.are.equal(value, get("dev"))
      end
      assert.are.equal("dev: 'maybe' is not valid; write true or false", refused("dev", "maybe"))
    end)

    it("takes one of the words of a choice", function()
      assert.is_true(set("log_level", "warn"))
      assert.are.equal("warn", get("log_level"))
      assert.are.equal("log_level: 'wa' is not valid; write one of debug|info|warn|error|off",
        refused("log_level", "wa"))
    end)

    it("reads file modes as octal numbers", function()
      assert.is_true(set("unix_socket_mode", "0660"))
      assert.are.equal("0660", get("unix_socket_mode"))
      refused("unix_socket_mode", "999")
      assert.is_truthy(refused("unix_socket_mode", "1777"):find("between 0 and 777", 1, true))
    end)

    it("turns texts off with off, false or nothing", function()
      for _, text in ipairs { "off", "false", "" } do
        assert.is_true(set("server_header", "my server"))
        assert.are.equal("my server", get("server_header"))
        assert.is_true(set("server_header", text))
        assert.are.equal("", get("server_header"))
      end
    end)

    it("keeps control characters out of texts", function()
      local message = refused("server_header", "a\r\nSet-Cookie: b")
      assert.is_truthy(message:find("must not hold control characters", 1, true))
    end)

    it("splits addresses at commas and names the wrong one", function()
      assert.is_true(set("listen", " :8080 , unix:/run/a.sock,"))
      assert.are.equal(":8080,unix:/run/a.sock", get("listen"))
      assert.is_truthy(refused("listen", ":8081,nowhere"):find("'nowhere' has no port", 1, true))
      assert.is_truthy(refused("listen", " , "):find("names no address", 1, true))
      assert.are.equal(":8080,unix:/run/a.sock", get("listen"))
    end)
  end)

  describe("unknown names", function()
    it("get the nearest name, spelt as the source spells it", function()
      assert.are.equal("unknown option max_bodybytes; did you mean max_body_bytes?",
        refused("max_bodybytes", "1"))
      assert.are.equal("unknown option --max-body-byte; did you mean --max-body-bytes?",
        refused("max-body-byte", "1", COMMAND_LINE))
      assert.are.equal("unknown option JUSTHTTP_WORKER; did you mean JUSTHTTP_WORKERS?",
        refused("worker", "1", ENVIRONMENT))
    end)

    it("know the words other servers use", function()
      assert.are.equal("unknown option --port; did you mean --listen?",
        refused("port", "80", COMMAND_LINE))
      assert.are.equal("unknown option threads; did you mean workers?", refused("threads", "8"))
    end)

    it("point to the list when nothing is near", function()
      assert.are.equal("unknown option quux; `justhttp options` lists them",
        refused("quux", "1"))
    end)
  end)

  describe("sources", function()
    it("beat each other in any order of reading", function()
      assert.is_true(set("workers", "2", COMMAND_LINE))
      assert.is_true(set("workers", "3", ENVIRONMENT))
      assert.is_true(set("workers", "4", FILE))
      assert.are.equal("2", get("workers"))
      assert.are.equal(COMMAND_LINE, C.jh_options_source(options, C.jh_options_find("workers")))
    end)

    it("are checked even when they lose", function()
      assert.is_true(set("workers", "2", COMMAND_LINE))
      refused("workers", "many", FILE)
      assert.are.equal("2", get("workers"))
    end)

    it("replace the addresses of a weaker one and extend their own", function()
      assert.is_true(set("listen", ":1", FILE))
      assert.are.equal(":1", get("listen"))
      assert.is_true(set("listen", ":2", COMMAND_LINE))
      assert.is_true(set("listen", ":3", COMMAND_LINE))
      assert.is_true(set("listen", ":4", FILE))
      assert.are.equal(":2,:3", get("listen"))
    end)
  end)

  describe("flags", function()
    it("take their value behind a space or an equals sign", function()
      assert.are.equal(2, flag("--max-body-bytes", "1000"))
      assert.are.equal("1000", get("max_body_bytes"))
      assert.are.equal(1, flag("--max-body-bytes=2k", "app.lua"))
      assert.are.equal("2048", get("max_body_bytes"))
    end)

    it("switch on and off", function()
      assert.are.equal(1, flag("--dev", "app.lua"))
      assert.are.equal("true", get("dev"))
      assert.are.equal(1, flag("--no-dev", "app.lua"))
      assert.are.equal("false", get("dev"))
      assert.are.equal(2, flag("--dev", "true"))
      assert.are.equal("true", get("dev"))
      assert.are.equal(1, flag("--no-server-header"))
      assert.are.equal("", get("server_header"))
    end)

    it("say what is missing", function()
      assert.are.same({ nil, "--workers needs a value, such as --workers auto" },
        { flag("--workers") })
      assert.are.same({ nil, "--workers needs a value, such as --workers auto" },
        { flag("--workers", "--dev") })
      assert.are.same({ nil, "--pid-file needs a value, such as --pid-file file" },
        { flag("--pid-file") })
      assert.are.same({ nil, "--no-dev takes no value; write --dev=1" }, { flag("--no-dev=1") })
      local _, message = flag("--no-workers")
      assert.is_truthy(message:find("takes a value: --workers auto", 1, true))
    end)

    it("take - as a file name", function()
      assert.are.equal(2, flag("--access-log", "-"))
      assert.are.equal("-", get("access_log"))
    end)

    it("survive names of any length", function()
      assert.is_nil(flag("--" .. ("x"):rep(5000), "1"))
      assert.is_nil(flag("--" .. ("x"):rep(5000) .. "=1"))
      assert.is_nil(flag("--=1"))
      assert.is_nil(flag("--no-"))
    end)
  end)

  describe("environment", function()
    it("sets options by name in capitals", function()
      assert.is_true(environment { "HOME=/", "JUSTHTTP_MAX_BODY_BYTES=3k", "JUSTHTTP_DEV=1" })
      assert.are.equal("3072", get("max_body_bytes"))
      assert.are.equal("true", get("dev"))
    end)

    it("refuses misspelt names and wrong values", function()
      assert.are.same({ nil, "unknown option JUSTHTTP_WORKER; did you mean JUSTHTTP_WORKERS?" },
        { environment { "JUSTHTTP_WORKER=1" } })
      local _, message = environment { "JUSTHTTP_WORKERS=x" }
      assert.are.equal("JUSTHTTP_WORKERS: 'x' is not valid; write a number or auto (default: auto)",
        message)
    end)

    it("leaves the variables of others alone", function()
      assert.is_true(environment {
        "JUSTHTTP_SERVICE_HOST=10.0.0.1", "JUSTHTTP_PORT=tcp://10.0.0.1:80",
        "JUSTHTTP_" .. ("X"):rep(500) .. "=1", "JUSTHTTP_=", "JUSTHTTP_X",
      })
    end)
  end)

  describe("together", function()
    local function check()
      if C.jh_options_check(options, out, ffi.sizeof(out)) == 0 then return true end
      return nil, ffi.string(out)
    end

    it("are fine by default", function() assert.is_true(check()) end)

    it("may not name an address twice", function()
      set("listen", "127.0.0.1:80,127.0.0.1:80", COMMAND_LINE)
      assert.are.same({ nil, "--listen: '127.0.0.1:80' is given twice; name each address once" },
        { check() })
    end)

    it("may name port 0 twice", function()
      set("listen", ":0,:0")
      assert.is_true(check())
    end)

    it("need a head as long as its target", function()
      set("max_target_bytes", "32k")
      local _, message = check()
      assert.is_truthy(message:find("must not be above max_header_bytes (16384)", 1, true))
    end)

    it("need a user for a group", function()
      set("group", "www-data", COMMAND_LINE)
      assert.are.same({ nil, "--group: needs a user too" }, { check() })
    end)
  end)
end)
