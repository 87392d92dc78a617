--- A shelf of files: browse them, upload with progress, download in ranges.
--
-- The page in public/ asks for directories as JSON and uploads with XMLHttpRequest. What is served
-- was uploaded by anybody, so it may not run scripts in this site's name.
local http = require "justhttp"

local app = http.app()

local HERE = debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$" or "."
local STORE = os.getenv "FILES_STORE" or HERE .. "/store"
local MAX_UPLOAD_BYTES = 2 * 1024 ^ 3

app:use(http.middleware.secure_headers())

app:use("/files", function(ctx, next)
  ctx:set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'")
  if ctx.query.download then ctx:attachment(ctx.path) end
  return next()
end)

app:static("/files", os.getenv "FILES_STORE" or "store", { index = false, listing = true })
app:static("/", "public")

-- "a/b/" for a directory below the store, nil for what is none.
local function directory_of(path)
  if path ~= "" and path:sub(-1) ~= "/" then path = path .. "/" end
  for part in path:gmatch "([^/]*)/" do
    if part == "" or part:sub(1, 1) == "." or part:find "%z" then return nil end
  end
  return path
end

local function exists(path)
  local handle = io.open(path, "r")
  if handle then handle:close() end
  return handle ~= nil
end

-- "a.txt", or "a (2).txt" when that is taken.
local function free_name(directory, name)
  local stem, extension = name:match "^(.+)(%.[^.]*)$"
  local candidate, count = name, 1
  while exists(STORE .. "/" .. directory .. candidate) do
    count = count + 1
    if count > 1000 then return nil end
    candidate = ("%s (%d)%s"):format(stem or name, count, extension or "")
  end
  return candidate
end

-- Other sites must not make a visitor's browser upload.
local function same_site(ctx, next)
  if ctx.headers["sec-fetch-site"] == "cross-site" then return ctx:error(403) end
  return next()
end

app:post("/upload/*path", same_site, http.middleware.body_limit(MAX_UPLOAD_BYTES), function(ctx)
  local directory = directory_of(ctx.params.path)
  if not directory or not exists(STORE .. "/" .. directory) then return ctx:error(404) end
  local saved = {}
  for part in ctx:parts() do
    if part.filename then
      local name = free_name(directory, part.filename)
      if not name then return 409, { error = "too many files are called " .. part.filename } end
      local bytes, err = part:save(STORE .. "/" .. directory .. name)
      if not bytes then
        http.log.error("upload: %s", err)
        return 500, { error = "the file could not be stored" }
      end
      saved[#saved + 1] = { name = name, size = bytes }
    end
  end
  if #saved == 0 then return 400, { error = "no file in the form" } end
  return 201, { saved = saved }
end)

return app
