-- router_spec.lua: which route a request gets, what it gets when there is none, and which routes
-- cannot be added together.
local ffi = require "ffi"
local alloc = require "spec.support.alloc"
local core = require "spec.support.core"
local C = core.load("http/router.h", "base/alloc.h", "base/clock.h")

local function str(text) return ffi.new("jh_str", { text, #text }) end
local function method_of(name) return name == "ANY" and -1 or C.jh_method_find(str(name)) end

local Router = {}
Router.__index = Router

local function new_router(routes)
  local self = setmetatable({ ids = {}, names = {} }, Router)
  self.router = ffi.gc(C.jh_router_new(), C.jh_router_free)
  for _, route in ipairs(routes or {}) do assert(self:add(route)) end
  return self
end

-- Adds "GET /path" or "GET host/path".
function Router:add(route, where)
  local method, host, pattern = route:match "^(%S+) ([^/]*)(/?.*)$"
  local message = ffi.new "char[400]"
  self.names[#self.names + 1] = route
  local result = C.jh_router_add(self.router, str(host), method_of(method), str(pattern),
    #self.names, str(where or ""), message, 400)
  if result ~= 0 then return nil, ffi.string(message), result end
  return true
end

local function methods_of(bits)
  local names = {}
  for method = 0, 33 do
    if bit.band(bits, bit.lshift(1ULL, method)) ~= 0 then
      local name = C.jh_method_name(method)
      names[#names + 1] = ffi.string(name.ptr, name.len)
    end
  end
  table.sort(names)
  return table.concat(names, " ")
end

-- The route's text and its parameters; or "404"; or "405" and the methods.
function Router:match(request)
  local method, host, path = request:match "^(%S+) ([^/]*)(/?.*)$"
  -- Memory that ends where the path does: AddressSanitizer sees a read beyond it.
  local memory = ffi.gc(ffi.cast("char *", C.jh_alloc(#path + 1)), C.jh_free)
  ffi.copy(memory + 1, path, #path)
  local out = ffi.new "jh_route_match"
  local result = C.jh_router_match(self.router, method_of(method), str(host),
    ffi.new("jh_str", { memory + 1, #path }), out)
  if result == C.JH_ROUTE_NOT_FOUND then return "404" end
  if result == C.JH_ROUTE_METHOD_NOT_ALLOWED then return "405 " .. methods_of(out.allow) end
  local params = {}
  for n = 0, out.param_count - 1 do
    local param = out.params[n]
    local from = param.ptr - (memory + 1)
    assert(from >= 0 and from + param.len <= #path, "a slice of the path")
    params[n + 1] = ffi.string(param.ptr, param.len)
  end
  local matched = self.names[out.id]
  return #params > 0 and matched .. " [" .. table.concat(params, "|") .. "]" or matched
end

local function check(router, cases)
  for request, expected in pairs(cases) do
    assert.are.equal(expected, router:match(request), request)
  end
end

describe("router", function()
  it("has no route when none was added", function()
    check(new_router(), {
      ["GET /"] = "404", ["GET /a/b"] = "404", ["GET "] = "404", ["GET x"] = "404",
    })
  end)

  it("matches literal paths, byte for byte", function()
    check(new_router {
      "GET /", "GET /users", "GET /users/all", "GET /a-long-segment-of-text/another-one",
    }, {
      ["GET /"] = "GET /",
      ["GET /users"] = "GET /users",
      ["GET /users/all"] = "GET /users/all",
      ["GET /a-long-segment-of-text/another-one"] = "GET /a-long-segment-of-text/another-one",
      ["GET /Users"] = "404",
      ["GET /user"] = "404",
      ["GET /userss"] = "404",
      ["GET /users/al"] = "404",
      ["GET /users/all/x"] = "404",
      ["GET /a-long-segment-of-texT/another-one"] = "404",
      ["GET /a-long-segment-of-text/another-onE"] = "404",
    })
  end)

  it("takes a trailing slash for a path of its own", function()
    check(new_router { "GET /a", "GET /b/", "GET /c", "GET /c/", "GET /:p/x/" }, {
      ["GET /a"] = "GET /a", ["GET /a/"] = "404", ["GET /b"] = "404", ["GET /b/"] = "GET /b/",
      ["GET /c"] = "GET /c", ["GET /c/"] = "GET /c/", ["GET /1/x/"] = "GET /:p/x/ [1]",
      ["GET /1/x"] = "404",
    })
  end)

  it("takes one whole segment, never an empty one, for a parameter", function()
    check(new_router { "GET /users/:id", "GET /users/:id/posts/:post", "GET /:a/:b/:c/:d" }, {
      ["GET /users/42"] = "GET /users/:id [42]",
      ["GET /users/a.b-c"] = "GET /users/:id [a.b-c]",
      ["GET /users/"] = "404",
      ["GET /users"] = "404",
      ["GET /users/42/"] = "404",
      ["GET /users/42/posts/7"] = "GET /users/:id/posts/:post [42|7]",
      ["GET /users/42/x/7"] = "GET /:a/:b/:c/:d [users|42|x|7]",
      ["GET /users/42/posts"] = "404",
    })
  end)

  it("finds segments of every length", function()
    local router = new_router { "GET /:a/x/:b", "GET /*rest" }
    for len = 1, 50 do
      local a, b = ("a"):rep(len), ("b"):rep(51 - len)
      assert.are.equal(("GET /:a/x/:b [%s|%s]"):format(a, b),
        router:match("GET /" .. a .. "/x/" .. b))
      assert.are.equal(("GET /*rest [%s/%s]"):format(a, b),
        router:match("GET /" .. a .. "/" .. b))
    end
  end)

  it("takes the rest of the path, which may be empty", function()
    check(new_router { "GET /files/*path", "GET /u/:id/*rest" }, {
      ["GET /files/a"] = "GET /files/*path [a]",
      ["GET /files/a/b/c.txt"] = "GET /files/*path [a/b/c.txt]",
      ["GET /files/a/"] = "GET /files/*path [a/]",
      ["GET /files/"] = "GET /files/*path []",
      ["GET /files"] = "404",
      ["GET /u/1/"] = "GET /u/:id/*rest [1|]",
      ["GET /u/1/x/y"] = "GET /u/:id/*rest [1|x/y]",
    })
    check(new_router { "GET /*all" }, {
      ["GET /"] = "GET /*all []", ["GET /a/b"] = "GET /*all [a/b]",
    })
  end)

  it("prefers a literal to a parameter to a rest, segment by segment", function()
    check(new_router {
      "GET /a/b", "GET /a/:x", "GET /a/*y", "GET /:z/b", "GET /*all", "GET /a/", "GET /a/b/c/d",
      "GET /a/:x/c/:w",
    }, {
      ["GET /a/b"] = "GET /a/b",
      ["GET /a/c"] = "GET /a/:x [c]",
      ["GET /a/c/d"] = "GET /a/*y [c/d]",
      ["GET /x/b"] = "GET /:z/b [x]",
      ["GET /x/c"] = "GET /*all [x/c]",
      ["GET /a/"] = "GET /a/",
      ["GET /a"] = "GET /*all [a]",
      ["GET /"] = "GET /*all []",
      ["GET /a/b/c/d"] = "GET /a/b/c/d",
      ["GET /a/b/c/e"] = "GET /a/:x/c/:w [b|e]",
      ["GET /a/b/c"] = "GET /a/*y [b/c]",
    })
  end)

  it("comes back from a way that leads nowhere", function()
    check(new_router {
      "GET /a/b/c", "GET /a/:x/d", "GET /:y/b/e", "GET /:y/:z/*r",
    }, {
      ["GET /a/b/c"] = "GET /a/b/c",
      ["GET /a/b/d"] = "GET /a/:x/d [b]",
      ["GET /a/b/e"] = "GET /:y/b/e [a]",
      ["GET /a/b/f"] = "GET /:y/:z/*r [a|b|f]",
      ["GET /a/b"] = "404",
    })
  end)

  it("keeps methods apart and knows 405 from 404", function()
    check(new_router {
      "GET /a", "POST /a", "DELETE /a/:id", "PATCH /a/:id", "POST /only",
    }, {
      ["GET /a"] = "GET /a",
      ["POST /a"] = "POST /a",
      ["PUT /a"] = "405 GET HEAD POST",
      ["OPTIONS /a"] = "405 GET HEAD POST",
      ["GET /a/1"] = "405 DELETE PATCH",
      ["GET /only"] = "405 POST",
      ["HEAD /only"] = "405 POST",
      ["GET /nothing"] = "404",
      ["PUT /a/1/2"] = "404",
    })
  end)

  it("answers HEAD with the GET route unless it has its own", function()
    check(new_router { "GET /a", "GET /b", "HEAD /b", "ANY /c", "GET /c", "ANY /d" }, {
      ["HEAD /a"] = "GET /a", ["HEAD /b"] = "HEAD /b", ["HEAD /c"] = "GET /c",
      ["HEAD /d"] = "ANY /d", ["GET /b"] = "GET /b",
    })
  end)

  it("gives every other method to an ANY route", function()
    check(new_router { "ANY /a", "POST /a", "ANY /b/*rest", "GET /b/x" }, {
      ["POST /a"] = "POST /a", ["GET /a"] = "ANY /a", ["OPTIONS /a"] = "ANY /a",
      ["SOURCE /a"] = "ANY /a", ["GET /b/x"] = "GET /b/x", ["PUT /b/x"] = "ANY /b/*rest [x]",
    })
  end)

  it("looks further when a better pattern lacks the method, allowing the methods of all", function()
    check(new_router { "POST /users/new", "GET /users/:id", "PUT /*any" }, {
      ["POST /users/new"] = "POST /users/new",
      ["GET /users/new"] = "GET /users/:id [new]",
      ["PUT /users/new"] = "PUT /*any [users/new]",
      ["DELETE /users/new"] = "405 GET HEAD POST PUT",
      ["DELETE /users/x"] = "405 GET HEAD PUT",
      ["DELETE /x"] = "405 PUT",
    })
  end)

  it("takes normalised paths: an empty segment in the middle is no parameter", function()
    check(new_router { "GET /a/:b/c", "GET /a", "GET /f/*r" }, {
      ["GET /a//c"] = "404", ["GET //a"] = "404", ["GET //"] = "404",
      ["GET /f//x"] = "GET /f/*r [/x]",
    })
  end)

  it("carries sixteen parameters", function()
    local pattern, path, values = "", "", {}
    for n = 1, 15 do
      pattern, path = pattern .. "/:p" .. n, path .. "/v" .. n
      values[n] = "v" .. n
    end
    values[16] = "x/y"
    local router = new_router { "GET " .. pattern .. "/*r" }
    assert.are.equal("GET " .. pattern .. "/*r [" .. table.concat(values, "|") .. "]",
      router:match("GET " .. path .. "/x/y"))
  end)

  it("comes back through every segment of the longest pattern", function()
    local literal, mixed = "", ""
    for n = 1, 63 do literal, mixed = literal .. "/a", mixed .. (n <= 15 and "/:p" .. n or "/a") end
    local router = new_router { "GET " .. literal .. "/x", "GET " .. mixed .. "/y", "GET /*rest" }
    for depth = 1, 62 do
      assert(router:add(("GET %s/*rest"):format(("/a"):rep(depth))))
    end
    assert.are.equal("GET " .. literal .. "/x", router:match("GET " .. literal .. "/x"))
    assert.are.equal(("GET %s/*rest [a/z]"):format(("/a"):rep(62)),
      router:match("GET " .. literal .. "/z"))
    assert.are.equal("GET /*rest [b" .. ("/a"):rep(90) .. "]",
      router:match("GET /b" .. ("/a"):rep(90)))
  end)
end)

describe("router hosts", function()
  local router = new_router {
    "GET /", "GET /fallback", "GET example.com/", "GET example.com/only/:id",
    "POST example.com/fallback", "GET *.example.com/", "GET *.api.example.com/",
    "GET *.example.com/wild", "GET api.example.com/exact",
    "GET [::1]/", "GET 127.0.0.1/",
  }

  it("are asked before the routes without a host", function()
    check(router, {
      ["GET example.com/"] = "GET example.com/",
      ["GET other.org/"] = "GET /",
      ["GET /"] = "GET /",
      ["GET example.com/only/1"] = "GET example.com/only/:id [1]",
      ["GET other.org/only/1"] = "404",
      ["GET example.com/fallback"] = "GET /fallback",
      ["PUT example.com/fallback"] = "405 GET HEAD POST",
      ["PUT other.org/fallback"] = "405 GET HEAD",
    })
  end)

  it("match in any case, whatever the port", function()
    check(router, {
      ["GET EXAMPLE.com/"] = "GET example.com/", ["GET example.com:8080/"] = "GET example.com/",
      ["GET example.com./"] = "GET example.com/", ["GET example.com.:80/"] = "GET example.com/",
      ["GET example.com:/"] = "GET example.com/", ["GET [::1]/"] = "GET [::1]/",
      ["GET [::1]:8080/"] = "GET [::1]/", ["GET 127.0.0.1:80/"] = "GET 127.0.0.1/",
      ["GET 127.0.0.1/"] = "GET 127.0.0.1/", ["GET example.comx/"] = "GET /",
      ["GET xexample.com/"] = "GET /", ["GET xample.com/"] = "GET /",
    })
  end)

  it("may be wildcards: any labels before the name, the longest name first", function()
    check(router, {
      ["GET a.example.com/"] = "GET *.example.com/",
      ["GET a.b.example.com/"] = "GET *.example.com/",
      ["GET A.EXAMPLE.COM:1/"] = "GET *.example.com/",
      ["GET api.example.com/"] = "GET *.example.com/",
      ["GET v1.api.example.com/"] = "GET *.api.example.com/",
      ["GET v1.api.example.com/wild"] = "GET *.example.com/wild",
      ["GET api.example.com/exact"] = "GET api.example.com/exact",
      ["GET v1.api.example.com/exact"] = "404",
      ["GET .example.com/"] = "GET /",
      ["GET v1.api.example.com/fallback"] = "GET /fallback",
    })
  end)

  it("are survived by any host a client sends", function()
    check(router, {
      ["GET ./"] = "GET /", ["GET :/"] = "GET /", ["GET :80/"] = "GET /", ["GET 80/"] = "GET /",
      ["GET " .. ("a."):rep(200) .. "example.com/"] = "GET /",
      ["GET " .. ("."):rep(255) .. "/"] = "GET /",
      ["GET " .. ("a."):rep(121) .. "example.com/"] = "GET *.example.com/",
    })
  end)

  it("are refused when they are no host", function()
    for host, reason in pairs {
      ["example.com:80"] = "a host has no port", ["example.com."] = "no dot at its end",
      ["a.*.com"] = "'*' in a host", ["*"] = "'*' in a host", ["**.com"] = "'*' in a host",
      ["a b"] = "a name or an address",
      ["user@host"] = "a name or an address", ["*."] = "'*' in a host",
      [("a"):rep(256)] = "at most 255 bytes",
    } do
      local message = ffi.new "char[700]"
      local result = C.jh_router_add(router.router, str(host), 1, str "/x", 1, str "", message, 700)
      assert.are.equal(tonumber(C.JH_EINVAL), result, host)
      assert.is_truthy(ffi.string(message):find(reason, 1, true), ffi.string(message))
    end
  end)
end)

describe("adding a route", function()
  it("fails for a second one that takes the same requests, naming both places", function()
    local router = new_router()
    assert(router:add("GET /users/:id", "app.lua:12"))
    local added, message, result = router:add("GET /users/:name", "app.lua:20")
    assert.is_nil(added)
    assert.are.equal(tonumber(C.JH_EEXIST), result)
    assert.are.equal("route GET /users/:name (app.lua:20) conflicts with GET /users/:id "
      .. "(app.lua:12): both match the same requests", message)
    assert.are.equal("GET /users/:id [1]", router:match "GET /users/1")
  end)

  it("tells hosts, methods and shapes apart", function()
    local router = new_router { "GET /a", "GET h.org/a", "ANY /b/:x", "GET /f/*rest" }
    for _, route in ipairs {
      "GET /a", "GET h.org/a", "GET H.ORG/a", "ANY /b/:y", "GET /f/*other",
    } do
      assert.is_nil(router:add(route), route)
    end
    for _, route in ipairs {
      "POST /a", "GET *.h.org/a", "GET /b/:y", "GET /a/", "GET /f/:one", "GET /b/:z/more",
      "HEAD /a",
    } do
      assert.is_true(router:add(route), route)
    end
  end)

  it("fails for a bad pattern, saying where it is and why", function()
    local router = new_router()
    local _, message, result = router:add("POST h.org/a/*x/b", "api/items.lua:3")
    assert.are.equal(tonumber(C.JH_EINVAL), result)
    assert.are.equal("route POST h.org/a/*x/b (api/items.lua:3): "
      .. "a '*' segment must be the last one", message)
    assert.are.equal("404", router:match "POST h.org/a/1/b")
  end)

  it("fails for a number that is no method", function()
    local router = C.jh_router_new()
    local message = ffi.new "char[200]"
    for _, method in ipairs { -2, 34, 1000 } do
      assert.are.equal(tonumber(C.JH_EINVAL),
        C.jh_router_add(router, str "", method, str "/", 1, str "x", message, 200))
      assert.is_truthy(ffi.string(message):find("method is unknown", 1, true))
    end
    C.jh_router_free(router)
  end)

  it("copies what it is given", function()
    local router = C.jh_router_new()
    local out, memory = ffi.new "jh_route_match", ffi.new("char[20]", "/a-longer-literal")
    assert.are.equal(0, C.jh_router_add(router, str "", 1, ffi.new("jh_str", { memory, 17 }), 7,
      ffi.new("jh_str", { memory, 5 }), nil, 0))
    ffi.fill(memory, 20, 0)
    assert.are.equal(0, C.jh_router_match(router, 1, str "", str "/a-longer-literal", out))
    assert.are.equal(7, out.id)
    C.jh_router_free(router)
  end)

  it("gives all memory back", function()
    local memory = ffi.new "char[100]"
    assert.is_true(alloc.is_balanced(function()
      local router = C.jh_router_new()
      for n = 1, 200 do
        C.jh_router_add(router, str("h" .. n % 3), 1, str("/r" .. n % 150 .. "/:id"), n,
          str "x.lua", memory, 100)
      end
      C.jh_router_free(router)
    end))
    C.jh_router_free(nil)
  end)
end)

describe("matching", function()
  local function filled(count)
    local router = new_router { "GET /", "GET /users/:id", "GET /static/*path", "POST /login" }
    for n = 1, count - 4 do
      assert(router:add("GET /resource" .. n .. (n % 2 == 0 and "/:id" or "/list")))
    end
    return router
  end

  local function nanoseconds(router, path, count)
    local out, get, host, slice = ffi.new "jh_route_match", 1, str "localhost", str(path)
    local best = math.huge
    for _ = 1, 7 do
      local start = os.clock()
      for _ = 1, count do C.jh_router_match(router.router, get, host, slice, out) end
      best = math.min(best, os.clock() - start)
    end
    return best / count * 1e9
  end

  it("allocates nothing", function()
    local router = new_router { "GET /a/:b", "GET *.example.com/a/*rest", "POST /a/:b/c" }
    assert.are.equal(0, alloc.count(function()
      local out = ffi.new "jh_route_match"
      for _, path in ipairs { "/a/1", "/a/1/c", "/none", "/a/b/c/d" } do
        C.jh_router_match(router.router, 1, str "www.example.com", str(path), out)
      end
    end))
  end)

  it("is as fast among ten thousand routes as among ten", function()
    local few, many = filled(10), filled(10000)
    assert.are.equal("GET /resource9995/list", many:match "GET /resource9995/list")
    for _, path in ipairs { "/", "/users/42", "/static/css/site.css", "/resource5/list" } do
      local ratio = nanoseconds(many, path, 20000) / nanoseconds(few, path, 20000)
      assert.is_true(ratio < 2, ("%s: %.2f times slower"):format(path, ratio))
    end
  end)
end)
