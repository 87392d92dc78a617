-- client_options.lua: what clients and requests can be told, and what they say about mistakes.
local door = require "justhttp.door"
local options_of = require "justhttp.client_options"

local function client(options) return options_of.client(options) end

local function request(options, of_client, method, url)
  return options_of.request(client(of_client), method or "GET", url or "http://a/b", options)
end

local function complaint(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return tostring(err)
end

describe("client options", function()
  setup(function()
    if not door.generation then door.attach(door.C.jh_standalone_open()) end
  end)

  it("have defaults", function()
    local checked = client()
    assert.are.same({ 512, 10, 30, 16, true, 1 }, { checked.max_connections,
      checked.connect_timeout, checked.read_timeout, checked.redirects, checked.decompress,
      checked.retries })
  end)

  it("are named when they are wrong", function()
    assert.truthy(complaint(client, { timout = 1 })
      :find 'no option "timout"; did you mean "timeout"')
    assert.truthy(complaint(client, { timeout = 0 }):find "timeout must be seconds above 0")
    assert.truthy(complaint(client, { max_connections = 1.5 }):find "whole number, got 1.5")
    assert.truthy(complaint(client, { max_body_bytes = "x" }):find 'got "x"')
    assert.truthy(complaint(client, "x"):find "table of options")
    assert.truthy(complaint(request, { jsn = {} }):find 'http.get: no option "jsn"')
    assert.truthy(complaint(request, "x"):find "table of options")
    assert.truthy(complaint(request, nil, nil, "GE T"):find "no method")
  end)

  it("of a request come before those of its client", function()
    local wanted = request({ read_timeout = 1, max_body_bytes = "1k", redirects = false },
      { read_timeout = 2, write_timeout = 3, redirects = 4, max_body_bytes = 5 })
    assert.are.same({ 1, 3, 1024, false }, { wanted.read_timeout, wanted.write_timeout,
      wanted.max_body_bytes, wanted.redirects })
    assert.are.equal(64 * 2 ^ 20, request().max_body_bytes)
    assert.is_nil(request({ stream = true }).max_body_bytes)
  end)

  it("become headers", function()
    local wanted = request({ headers = { a = "2" }, auth = { user = "u", password = "p" } },
      { headers = { A = "1", B = "3" } })
    local all = {}
    for _, field in ipairs(wanted.headers) do all[field[1]] = field[2] end
    assert.are.same({ a = "2", B = "3", Authorization = "Basic dTpw" }, all)
    wanted = request({ auth = { bearer = "token" } })
    assert.are.same({ { "Authorization", "Bearer token" } }, wanted.headers)
    assert.are.same({ { "Authorization", "Basic dTpw" } },
      request(nil, nil, "GET", "http://u:p@a/").headers)
  end)

  it("add to the query", function()
    assert.are.equal("/b?c=d%20e", request({ query = { c = "d e" } }).target)
    assert.are.equal("/b?x&c", request({ query = "c" }, nil, "GET", "http://a/b?x").target)
    assert.are.equal("/b", request({ query = {} }).target)
  end)

  it("lead to sockets", function()
    local wanted = request({ unix = "/run/x.sock" })
    assert.are.same({ "unix:/run/x.sock", "a" }, { wanted.host, wanted.authority })
  end)

  it("say why a URL is none", function()
    local wanted, err = request(nil, nil, "GET", "gopher://a/")
    assert.is_nil(wanted)
    assert.are.equal("GET gopher://a/: scheme gopher is neither http nor https", err)
    wanted, err = request(nil, nil, "GET", "http://a\n/")
    assert.is_nil(wanted)
    assert.truthy(err:find "control byte")
  end)
end)
