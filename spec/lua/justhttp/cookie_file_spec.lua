-- Cookie jars in files: what is saved is what is loaded, and nothing else is.
local cookie_file = require "justhttp.cookie_file"
local cookie_jar = require "justhttp.cookie_jar"
local sys = require "spec.support.sys"

describe("a file of cookies", function()
  local dir, path, now

  before_each(function()
    dir, now = sys.temp_dir(), 1000000
    path = dir .. "/jar.json"
  end)
  after_each(function() sys.remove(dir) end)

  local function new_jar(options)
    options = options or {}
    options.clock = function() return now end
    return cookie_jar.new(options)
  end

  local function filled()
    local jar = new_jar()
    jar:receive("https://www.a.org/x/y", {
      "id=\"7\t\"; Domain=a.org; Secure; HttpOnly; SameSite=Lax; Max-Age=100; Path=/",
      "plain=\255\1281", "last=1; Partitioned",
    })
    jar:receive("http://127.0.0.1/", "local=1")
    return jar
  end

  local function copies(list)
    local plain = {}
    for i, cookie in ipairs(list) do
      plain[i] = {}
      for key, value in pairs(cookie) do
        if key:sub(1, 1) ~= "_" then plain[i][key] = value end
      end
    end
    return plain
  end

  it("holds every cookie with everything about it", function()
    local jar, other = filled(), new_jar()
    assert.is_true(jar:save(path))
    assert.equal(4, other:load(path))
    assert.same(copies(jar:all()), copies(other:all()))
    for _, url in ipairs { "https://www.a.org/x/", "http://a.org/", "http://127.0.0.1/" } do
      assert.equal(jar:field(url), other:field(url))
    end
  end)

  it("is what the documentation shows", function()
    local jar = new_jar()
    jar:receive("https://a.org/", "id=7; Secure; Max-Age=5")
    jar:save(path)
    assert.equal('{"justhttp_cookies":1,"cookies":[\n'
      .. '{"name":"id","value":"7","domain":"a.org","path":"/","host_only":true,"secure":true,'
      .. '"created":1000000,"accessed":1000000,"expires":1000005}\n]}\n', sys.read_file(path))
  end)

  it("leaves out cookies of the session when asked to", function()
    filled():save(path, { session_cookies = false })
    assert.equal(1, new_jar():load(path))
  end)

  it("does not bring back what has expired meanwhile", function()
    filled():save(path)
    now = now + 100
    assert.equal(3, new_jar():load(path))
  end)

  it("keeps the order of use, so that the same cookies go first", function()
    local jar = new_jar()
    for i = 1, 4 do
      now = now + 1
      jar:receive("http://a.org/" .. i .. "/", "c" .. i .. "=1")
    end
    now = now + 1
    jar:field "http://a.org/1/"
    jar:save(path)
    local small = new_jar { max_per_domain = 4 }
    small:load(path)
    small:receive("http://a.org/", "new=1")
    assert.is_nil(small:field "http://a.org/2/" and small:get("http://a.org/2/", "c2"))
    assert.equal("1", (small:get("http://a.org/1/", "c1")))
  end)

  it("adds to what is in the jar", function()
    filled():save(path)
    local jar = new_jar()
    jar:receive("http://b.org/", "b=1")
    assert.equal(4, jar:load(path))
    assert.equal(5, #jar:all())
  end)

  it("can be read by its owner only, and is replaced as a whole", function()
    sys.write_file(path, "old")
    local before = io.open(path)
    filled():save(path)
    assert.equal("old", before:read "*a")
    before:close()
    local pipe = io.popen("stat -c %a " .. path .. " && ls -A " .. dir)
    assert.equal("600\njar.json\n", pipe:read "*a")
    pipe:close()
  end)

  it("is refused as a whole when anything about it is wrong", function()
    local good = cookie_file.encode(filled())
    for _, text in ipairs {
      "", "x", "[]", "{}", '{"cookies":[]}', '{"justhttp_cookies":2,"cookies":[]}',
      good:sub(1, -20), (good:gsub('"127.0.0.1"', '""')), (good:gsub('"127.0.0.1"', '"A"')),
      (good:gsub('"127.0.0.1"', "1")), (good:gsub('"name":"local"', '"name":"a;b"')),
      (good:gsub('"name":"local"', '"name":"a=b"')), (good:gsub('"name":"local"', '"name":"\\n"')),
      (good:gsub('"host_only":true', '"host_only":1')), (good:gsub('"path":"', '"path":"x')),
      (good:gsub('"created":%d+', '"created":1e300')), '{"justhttp_cookies":1,"cookies":[1]}',
    } do
      sys.write_file(path, text)
      local jar = new_jar()
      local count, err = jar:load(path)
      assert.is_nil(count, text)
      assert.equal(path, err:match "^[^:]+")
      assert.same({}, jar:all())
    end
  end)

  it("says what is wrong with a path", function()
    local count, err = new_jar():load(dir .. "/none")
    assert.is_nil(count)
    assert.matches("none: No such file", err)
    local ok
    ok, err = new_jar():save(dir .. "/none/jar")
    assert.is_nil(ok)
    assert.matches("none/jar: .*[Nn]o such file", err)
    assert.is_false((pcall(function() new_jar():save() end)))
  end)
end)
