-- file_path_spec.lua: which paths may be looked up, and which names hold a hash.
local ffi = require "ffi"
local core = require "spec.support.core"
local C = core.load("http/file_path.h", "base/alloc.h")

-- The slice ends where its memory does, so that AddressSanitizer sees a read beyond it.
local function slice(text)
  local memory = ffi.gc(ffi.cast("char *", C.jh_alloc(math.max(#text, 1))), C.jh_free)
  ffi.copy(memory, text, #text)
  return ffi.new("jh_str", { memory, #text }), memory
end

local function is_allowed(text, allows_dotfiles)
  local path, memory = slice(text)
  return C.jh_file_path_is_allowed(path, allows_dotfiles or false), memory
end

local function is_fingerprinted(text)
  local path, memory = slice(text)
  return C.jh_file_path_is_fingerprinted(path), memory
end

describe("the path of a file", function()
  it("may name files and directories", function()
    for _, path in ipairs { "", "a", "a/b.txt", "a/", "a/b/", "a b/ü.txt", "a..b", "x.", "x..",
                            ".well-known/acme-challenge/token", "\\", "a:b", "~" } do
      assert.is_true(is_allowed(path), path)
    end
  end)

  it("may not lead upward, be absolute or have empty parts", function()
    for _, path in ipairs { "..", "../a", "a/..", "a/../b", "a/../", "./a", ".", "a/./b", "/", "/a",
                            "//a", "a//b", "a//" } do
      assert.is_false(is_allowed(path), path)
      assert.is_false(is_allowed(path, true), path)
    end
  end)

  it("may not hold a NUL", function()
    for _, path in ipairs { "\0", "a\0", "a\0.txt", "a/\0/b" } do
      assert.is_false(is_allowed(path, true))
    end
  end)

  it("may not name dotfiles, unless they are wanted", function()
    for _, path in ipairs {
      ".env", ".git/config", "a/.htaccess", "a/.b/c", "..a", "...", ".well-knownx",
    } do
      assert.is_false(is_allowed(path), path)
      assert.is_true(is_allowed(path, true), path)
    end
  end)

  it("may not be longer than the kernel takes", function()
    assert.is_true(is_allowed(("a"):rep(C.JH_FILE_PATH_MAX_BYTES)))
    assert.is_false(is_allowed(("a"):rep(C.JH_FILE_PATH_MAX_BYTES + 1)))
  end)
end)

describe("the name of a file", function()
  it("holds a hash when a bundler wrote one into it", function()
    for _, name in ipairs {
      "app.3f9a1c2b.js", "main-5d41402abc4b2a76b9719d911017c592.css", "assets/index-BxY7aQ2z.js",
      "chunk.9f86d081884c7d65.js.map", "logo.a1b2c3d4.svg", "font_0cc175b9c0f1b6a8.woff2",
      "vendor.3f9a1c2b.min.js", "a.3f9a1c2b.js", "deep/er/x-Zk3Qa9Lm2.png",
    } do assert.is_true(is_fingerprinted(name), name) end
  end)

  it("holds none when a person chose it", function()
    for _, name in ipairs {
      "", "/", ".", "app.js", "3f9a1c2b.js", ".3f9a1c2b.js", "bootstrap.bundle.min.js",
      "jquery-validation.js", "report-20240131.png", "photo-1280x1024.jpg", "guide-chapter10.png",
      "img-Chapter10.png", "photo-iPhone15Pro.jpg", "face-deadbeef.png", "version2024.js",
      "avatar-123e4567-e89b-12d3-a456-4266141740a1.png", "report.3f9a1c2b.pdf", "app.3f9a1c2b",
      "app.3f9a1c2b.html", "app.3f9a1c.js", "app-20240131b.js", "3f9a1c2b/app.js",
      "app." .. ("3f"):rep(40) .. ".js",
    } do assert.is_false(is_fingerprinted(name), name) end
  end)
end)
