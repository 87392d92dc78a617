-- Bodies of forms with files, for specs.
--
--   local multipart = require "spec.support.multipart"
--   local body = multipart.body {
--     { name = "a", content = "1" },
--     { name = "f", filename = "x.txt", type = "text/plain", content = "…" },
--   }
--   s:request { method = "POST", path = "/", body = body, headers = multipart.headers }
--   multipart.head("f", "x.bin")   what stands before the content of a part; its CRLF included
--   multipart.tail                 what stands behind the last one
local M = {}

M.boundary = "----spec7MA4YWxkTrZu0gW"
M.headers = { ["Content-Type"] = "multipart/form-data; boundary=" .. M.boundary }
M.tail = "\r\n--" .. M.boundary .. "--\r\n"

-- The delimiter and headers of one part. Without `filename` it is a field.
function M.head(name, filename, content_type)
  local text = ('--%s\r\nContent-Disposition: form-data; name="%s"'):format(M.boundary, name)
  if filename then text = ('%s; filename="%s"'):format(text, filename) end
  if content_type then text = text .. "\r\nContent-Type: " .. content_type end
  return text .. "\r\n\r\n"
end

function M.body(parts)
  local pieces = {}
  for i, part in ipairs(parts) do
    pieces[#pieces + 1] = (i > 1 and "\r\n" or "") .. M.head(part.name, part.filename, part.type)
    pieces[#pieces + 1] = part.content
  end
  pieces[#pieces + 1] = #parts > 0 and M.tail or "--" .. M.boundary .. "--\r\n"
  return table.concat(pieces)
end

-- A whole request. `how`: chunk_bytes (chunked with chunks of that size), fields (further lines).
function M.request(path, body, how)
  how = how or {}
  local head = ("POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: %s\r\n%s"):format(path,
    M.headers["Content-Type"], how.fields or "")
  if not how.chunk_bytes then
    return ("%sContent-Length: %d\r\n\r\n%s"):format(head, #body, body)
  end
  local chunks = {}
  for at = 1, #body, how.chunk_bytes do
    local piece = body:sub(at, at + how.chunk_bytes - 1)
    chunks[#chunks + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
  end
  return head .. "Transfer-Encoding: chunked\r\n\r\n" .. table.concat(chunks) .. "0\r\n\r\n"
end

return M
