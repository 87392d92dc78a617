-- listing_spec.lua: the page of a directory: sizes, order, and names that are not trusted.
-- What a server answers with it is in directory_listing_spec.lua.
local core = require "spec.support.core"
core.load("justhttp.h")
local listing = require "justhttp.listing"

local function entry(name, more)
  local it = { name = name, is_directory = false, bytes = 10, modified_s = 784111777 }
  for key, value in pairs(more or {}) do it[key] = value end
  return it
end

local function has(page, text) return page:find(text, 1, true) ~= nil end

local function render(list, state)
  return listing.render("/files/", list, state or { by = "name", is_descending = false })
end

describe("a listing", function()
  it("writes sizes for people", function()
    for bytes, text in pairs {
      [0] = "0 B", [1023] = "1023 B", [1024] = "1.0 KiB", [1536] = "1.5 KiB", [102400] = "100 KiB",
      [1048575] = "1.0 MiB", [10485760] = "10.0 MiB", [3 * 2 ^ 40] = "3.0 TiB",
    } do assert.equal(text, listing.size(bytes)) end
  end)

  it("has a link, a size and a time for each entry", function()
    local page = render { entry "a.txt", entry("sub", { is_directory = true }) }
    assert.is_true(has(page, '<a href="./a.txt">a.txt</a></td><td class="number">10 B</td>'))
    assert.is_true(has(page, '<a href="./sub/">sub/</a></td><td class="number"></td>'))
    assert.is_true(has(page, '<time datetime="1994-11-06T08:49:37Z">1994-11-06 08:49</time>'))
    assert.is_true(has(page, "1 directory, 1 file, 10 B."))
  end)

  it("lets no name be markup or another address", function()
    local page = render {
      entry '<script>alert("1")</script>', entry "javascript:alert(1)", entry "a?b#c%41",
      entry "'\"&",
    }
    assert.falsy(page:find("<script", 1, true))
    assert.is_true(has(page, 'href="./javascript%3Aalert%281%29"'))
    assert.is_true(has(page, 'href="./a%3Fb%23c%2541"'))
    assert.is_true(has(page, 'href="./%27%22%26">&#39;&quot;&amp;</a>'))
    assert.falsy(listing.render("/<b>/", {}, { by = "name" }):find("<b>", 1, true))
  end)

  it("says how it is sorted, and offers the other way", function()
    local page = render({}, { by = "size", is_descending = false })
    local up = 'aria-sort="ascending"><a href="?sort=size&amp;order=desc">Size ↑'
    assert.is_true(has(page, up))
    assert.is_true(has(page, '<a href="?sort=name&amp;order=asc">Name</a>'))
    page = render({}, { by = "size", is_descending = true })
    local down = 'aria-sort="descending"><a href="?sort=size&amp;order=asc">Size ↓'
    assert.is_true(has(page, down))
  end)

  it("leads to the parent where there is one", function()
    assert.falsy(render({}):find("../", 1, true))
    local page = render({}, { by = "name", has_parent = true })
    assert.is_true(has(page, '<a href="../">Parent directory</a>'))
  end)

  it("says when it is cut", function()
    assert.truthy(render({}, { by = "name", is_cut = true }):find("only 10000 entries", 1, true))
  end)
end)
