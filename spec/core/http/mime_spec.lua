-- mime_spec.lua: media types by extension, in any case, and the table they come from.
local ffi = require "ffi"
local core = require "spec.support.core"
local sys = require "spec.support.sys"
local C = core.load("http/mime.h", "base/alloc.h")

-- Calls with a slice whose memory ends where the text does, so that AddressSanitizer sees a read
-- beyond it.
local function ask(lookup, text)
  local memory = ffi.gc(ffi.cast("char *", C.jh_alloc(math.max(#text, 1))), C.jh_free)
  ffi.copy(memory, text, #text)
  local type = lookup(ffi.new("jh_str", { memory, #text }))
  return type.ptr ~= nil and ffi.string(type.ptr, type.len) or nil
end

local function of_extension(text) return ask(C.jh_mime_of_extension, text) end
local function of_path(text) return ask(C.jh_mime_of_path, text) end

-- The table as it is written: { extension, type }.
local function rows()
  local all = {}
  for kind, extension, type in sys.read_file("core/http/mime.c")
    :gmatch('\n    (%u+)%("([^"]+)", "([^"]+)"%),') do
    all[#all + 1] = { extension, kind == "TEXT" and type .. "; charset=utf-8" or type }
  end
  return all
end

describe("mime", function()
  it("knows what the web is made of", function()
    for extension, type in pairs {
      html = "text/html; charset=utf-8", htm = "text/html; charset=utf-8",
      css = "text/css; charset=utf-8", js = "text/javascript; charset=utf-8",
      mjs = "text/javascript; charset=utf-8", txt = "text/plain; charset=utf-8",
      json = "application/json", svg = "image/svg+xml", png = "image/png", jpg = "image/jpeg",
      jpeg = "image/jpeg", webp = "image/webp", avif = "image/avif", ico = "image/x-icon",
      woff2 = "font/woff2", wasm = "application/wasm", pdf = "application/pdf",
      mp4 = "video/mp4", webm = "video/webm", mp3 = "audio/mpeg", zip = "application/zip",
      gz = "application/gzip", xml = "application/xml", csv = "text/csv; charset=utf-8",
      webmanifest = "application/manifest+json", map = "application/json",
      bin = "application/octet-stream", vtt = "text/vtt; charset=utf-8",
    } do
      assert.are.equal(type, of_extension(extension), extension)
    end
  end)

  it("finds every row of its table, which is in order and without doubles", function()
    local all, last = rows(), ""
    assert.is_true(#all >= 150)
    for _, row in ipairs(all) do
      local extension, type = row[1], row[2]
      assert.is_true(last < extension, extension)
      assert.is_truthy(extension:find("^[%l%d]+$") and #extension <= 12, extension)
      assert.is_truthy(type:find("^%l+/[%w.+-]+$") or type:find("^text/[%w.+-]+; charset=utf%-8$"))
      assert.are.equal(type, of_extension(extension))
      assert.are.equal(type, of_extension(extension:upper()))
      assert.are.equal(type, of_path("/dir.x/name." .. extension))
      last = extension
    end
  end)

  it("says a charset for text and for nothing else", function()
    for _, row in ipairs(rows()) do
      assert.are.equal(row[2]:find("^text/") ~= nil, row[2]:find("charset", 1, true) ~= nil, row[1])
    end
  end)

  it("does not know what is not in it", function()
    for _, extension in ipairs {
      "", ".html", "htmlx", "ht", "html ", "html\0", "\0", "abcdefghijkl", "webmanifests",
      "abcdefghijklm", ("x"):rep(1000), "\xff", "zzz", "0", "PN\xc7", "mp\x13",
    } do
      assert.is_nil(of_extension(extension))
    end
  end)

  it("takes the extension of the last part of a path", function()
    for path, type in pairs {
      ["index.html"] = "text/html; charset=utf-8", ["/a/b.tar.gz"] = "application/gzip",
      ["/a.html/b"] = "application/octet-stream", ["/a.html/"] = "application/octet-stream",
      ["/.html"] = "application/octet-stream", [".html"] = "application/octet-stream",
      ["/..html"] = "text/html; charset=utf-8", ["/.a.css"] = "text/css; charset=utf-8",
      [""] = "application/octet-stream", ["/"] = "application/octet-stream",
      ["a."] = "application/octet-stream", ["."] = "application/octet-stream",
      [".."] = "application/octet-stream", ["html"] = "application/octet-stream",
      ["/x/LOGO.PNG"] = "image/png", ["a.png?"] = "application/octet-stream",
    } do
      assert.are.equal(type, of_path(path), path)
    end
  end)
end)
