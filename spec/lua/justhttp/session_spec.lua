-- What a session puts into requests and takes out of responses. The exchanges are the spec's own
-- here; over sockets the same is in spec/http/session_spec.lua.
local worker = require "spec.support.worker"

describe("a session", function()
  local w, http, make_response, cookie_jar
  local s, sent, answers

  setup(function()
    w = worker.new(function(app) app:get("/", function() end) end)
    http = w.http
    w:run(function() end)
    make_response = w.modules.client_response
    cookie_jar = w.modules.cookie_jar
  end)
  teardown(function() w:close() end)

  -- A response made of its status and fields.
  local function response(status, ...)
    local line = "HTTP/1.1 " .. status .. " X\r\n"
    return make_response(status, line .. table.concat({ ... }, "\r\n") .. "\r\n\r\n", #line, "",
      false)
  end

  local function new_session(options)
    s, sent, answers = http.session(options), {}, {}
    s._client = {
      send = function(_, request)
        local fields = {}
        for _, field in ipairs(request.headers) do fields[field[1]:lower()] = field[2] end
        sent[#sent + 1] = { method = request.method, fields = fields, body = request.body,
          url = request.scheme .. "://" .. request.authority .. request.target }
        local answer = table.remove(answers, 1)
        if type(answer) == "table" and answer.err then return nil, answer.err, "closed" end
        return answer or response(200)
      end,
    }
  end

  before_each(function() new_session { base = "https://a.org/dir/" } end)

  local function get(...) return w:run(s.get, s, ...) end

  it("resolves URLs against its base, as links on that page", function()
    for given, want in pairs {
      ["/x"] = "https://a.org/x", ["x?y"] = "https://a.org/dir/x?y", ["../x"] = "https://a.org/x",
      ["//b.org/"] = "https://b.org/", ["http://c.org/z"] = "http://c.org/z",
      [""] = "https://a.org/dir/",
    } do
      local res = assert(get(given))
      assert.equal(want, sent[#sent].url)
      assert.equal(want, res.url)
    end
  end)

  it("wants whole URLs without a base", function()
    new_session()
    local res, err, kind = get "/x"
    assert.is_nil(res)
    assert.matches("GET /x: no scheme", err, 1, true)
    assert.equal("invalid", kind)
    assert.is_table(get "http://a.org/x")
  end)

  it("sends who the base says we are to it, and to nobody else", function()
    new_session { base = "http://ada:secret@a.org/" }
    get "/x"
    assert.equal("Basic YWRhOnNlY3JldA==", sent[1].fields.authorization)
    get "http://b.org/"
    assert.is_nil(sent[2].fields.authorization)
    get("/x", { auth = { bearer = "t" } })
    assert.equal("Bearer t", sent[3].fields.authorization)
  end)

  it("sends its headers with every request, those of the request before them", function()
    new_session { base = "http://a.org/", headers = { ["X-A"] = "1", ["X-B"] = "2" } }
    get("/", { headers = { ["X-B"] = "3" } })
    assert.equal("1", sent[1].fields["x-a"])
    assert.equal("3", sent[1].fields["x-b"])
  end)

  it("has every method, with a body in front of the options or among them", function()
    for _, method in ipairs { "get", "head", "delete", "options", "post", "put", "patch" } do
      w:run(s[method], s, "/x", { headers = { A = "b" } })
      assert.equal(method:upper(), sent[#sent].method)
      assert.equal("b", sent[#sent].fields.a)
    end
    w:run(s.post, s, "/x", "hello", { headers = { A = "c" } })
    assert.equal("hello", sent[#sent].body)
    assert.equal("c", sent[#sent].fields.a)
    w:run(s.request, s, { url = "/y", method = "PUT", body = "z" })
    assert.equal("https://a.org/y", sent[#sent].url)
    assert.equal("PUT", sent[#sent].method)
    w:run(s.request, s, "DELETE", "/z")
    assert.equal("DELETE", sent[#sent].method)
  end)

  it("keeps cookies and sends them back", function()
    answers = { response(200, "Set-Cookie: a=1", "Set-Cookie: b=2; Path=/", "Set-Cookie: bad") }
    get "x"
    assert.is_nil(sent[1].fields.cookie)
    get "y"
    assert.equal("a=1; b=2", sent[2].fields.cookie)
    get "/z"
    assert.equal("b=2", sent[3].fields.cookie)
    get "https://b.org/"
    assert.is_nil(sent[4].fields.cookie)
  end)

  it("lets a Cookie of the request stand, and none when that is asked for", function()
    s.cookies:set("https://a.org/", "a", 1)
    get("/", { headers = { Cookie = "mine=1" } })
    assert.equal("mine=1", sent[1].fields.cookie)
    get("/", { headers = { Cookie = false } })
    assert.is_false(sent[2].fields.cookie)
  end)

  it("takes cookies from redirects and sends them on the way", function()
    answers = {
      response(302, "Location: /two", "Set-Cookie: one=1; Path=/"),
      response(303, "Location: https://b.org/three", "Set-Cookie: two=2; Path=/"),
      response(307, "Location: https://a.org/four", "Set-Cookie: three=3"),
    }
    local res = get "/one"
    assert.equal("https://a.org/four", res.url)
    assert.is_nil(sent[1].fields.cookie)
    assert.equal("one=1", sent[2].fields.cookie)
    assert.is_nil(sent[3].fields.cookie)
    assert.equal("one=1; two=2", sent[4].fields.cookie)
    assert.equal(3, #s.cookies:all())
  end)

  it("keeps cookies of answers whose redirect is not followed", function()
    answers = { response(302, "Location: /two", "Set-Cookie: one=1") }
    assert.equal(302, get("/one", { redirects = false }).status)
    assert.equal("1", (s.cookies:get("https://a.org/", "one")))
  end)

  it("shares a jar that it is given, and takes options of one", function()
    local jar = cookie_jar.new()
    jar:set("https://a.org/", "a", "shared")
    new_session { base = "https://a.org/", jar = jar }
    get "/"
    assert.equal("a=shared", sent[1].fields.cookie)
    new_session { jar = { max_cookies = 1 } }
    answers = { response(200, "Set-Cookie: a=1", "Set-Cookie: b=2") }
    get "https://a.org/"
    assert.equal(1, #s.cookies:all())
  end)

  describe("says where it comes from:", function()
    it("the page it got last", function()
      get "/one?q#f"
      assert.is_nil(sent[1].fields.referer)
      get "/two"
      assert.equal("https://a.org/one?q", sent[2].fields.referer)
      get "https://b.org/x"
      assert.equal("https://a.org/", sent[3].fields.referer)
      get "http://a.org/"
      assert.is_nil(sent[4].fields.referer)
      get "https://b.org/x"
      assert.equal("http://a.org/", sent[5].fields.referer)
    end)

    it("the page that redirects", function()
      answers = { response(302, "Location: /two"), response(302, "Location: https://b.org/") }
      get "/one"
      assert.equal("https://a.org/one", sent[2].fields.referer)
      assert.equal("https://a.org/", sent[3].fields.referer)
      get "/four"
      assert.equal("https://b.org/", sent[4].fields.referer)
    end)

    it("not a page that failed", function()
      get "/one"
      answers = { { err = "gone" }, { err = "gone" } }
      assert.is_nil(get "/two")
      get "/three"
      assert.equal("https://a.org/one", sent[#sent].fields.referer)
    end)

    it("by the policy of the page", function()
      answers = { response(200, "Referrer-Policy: no-referrer") }
      get "/one"
      get "/two"
      assert.is_nil(sent[2].fields.referer)
      answers = { response(302, "Location: /x", "Referrer-Policy: origin") }
      get "/three"
      assert.equal("https://a.org/", sent[4].fields.referer)
    end)

    it("by its own policy before that", function()
      new_session { base = "https://a.org/", referrer_policy = "origin" }
      answers = { response(200, "Referrer-Policy: unsafe-url") }
      get "/one"
      get "/two"
      assert.equal("https://a.org/", sent[2].fields.referer)
      new_session { base = "https://a.org/", referrer_policy = false }
      get "/one"
      get "/two"
      assert.is_nil(sent[2].fields.referer)
    end)

    it("unless the request does", function()
      get "/one"
      get("/two", { headers = { Referer = "https://elsewhere.org/" } })
      assert.equal("https://elsewhere.org/", sent[2].fields.referer)
      get("/three", { headers = { referer = false } })
      assert.is_false(sent[3].fields.referer)
    end)
  end)

  it("says what is wrong with its options", function()
    for text, options in pairs {
      ["session: base must be a URL"] = { base = "a.org" },
      ["session: jar must be"] = { jar = "x" },
      ['"strict" is no referrer policy'] = { referrer_policy = "strict" },
      ["no option \"cookeis\""] = { cookeis = 1 },
      ["session: give a table"] = "x",
    } do
      local ok, err = pcall(function() http.session(options) end)
      assert.is_false(ok)
      assert.matches(text, err, 1, true)
    end
  end)

  it("says what is wrong with a request, at the line that made it", function()
    for text, fn in pairs {
      ["no option \"tiemout\""] = function() s:get("/", { tiemout = 1 }) end,
      ["give a URL as a string"] = function() s:get(5) end,
      ["\"G T\" is no method"] = function() s:request("G T", "/") end,
    } do
      local ok, err = pcall(w.run, w, fn)
      assert.is_false(ok)
      assert.matches(text, tostring(err), 1, true)
      assert.matches("session_spec%.lua:%d+: ", tostring(err))
    end
  end)
end)
