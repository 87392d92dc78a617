---@meta
--- What editors complete for an app: the ctx and the shapes that have no module of their own.
--
-- Read by language servers (LuaCATS), never required. The ctx is implemented by context.lua.
-- luacheck: ignore 212 241

---@alias justhttp.handler fun(ctx: justhttp.ctx): any, any
---@alias justhttp.middleware fun(ctx: justhttp.ctx, next: fun()): any, any

--- One request and its response. Valid until the response was sent; any use after that raises.
---@class justhttp.ctx
---@field method string "GET"
---@field path string decoded and normalised, without the query
---@field url string the target as it was sent
---@field host string
---@field scheme "http"|"https"
---@field version string "HTTP/1.1", "HTTP/1.0" or "HTTP/2"
---@field ip string address of the client
---@field port integer? of the client; nil on a unix socket
---@field tls justhttp.tls_info? the TLS session that the request came over; nil without TLS
---@field is_upgrade boolean the client asks to change the protocol
---@field allow string? after a 405: the methods of this path
---@field params table<string, string> values of the route's :names and *rest
---@field query table<string, string> of a repeated name the first value
---@field query_all table<string, string[]> every value
---@field query_string string? raw, without "?"
---@field headers table<string, string> case-insensitive
---@field cookies table<string, string>
---@field content_length integer? declared length of the body; nil when it comes in chunks
---@field trailers table<string, string> fields behind a chunked body, once it has ended; any case
---@field body string the whole body; reading it may wait
---@field values table<any, any> the request's own store: any key, any value; closed at its end
---@field status integer of the response, 200 until set
---@field response_bytes integer length of the response's body as it stands
local ctx = {}

--- Goes through all request headers as they were sent.
---@return fun(): string?, string?
function ctx:each_header() end

--- Sets a response header, in place of one set before; nil removes it.
---@param name string
---@param value string|number|nil
function ctx:set(name, value) end

--- Adds a response header beside those of the same name.
---@param name string
---@param value string|number
function ctx:append(name, value) end

--- A response header as it stands.
---@param name string
---@return string?
function ctx:response_header(name) end

--- Answers with text.
---@param body string|number
---@param status integer?
function ctx:text(body, status) end

--- Answers with HTML.
---@param body string
---@param status integer?
function ctx:html(body, status) end

--- Answers with HTML that a template makes; see app:templates.
---@param name string
---@param values table? the template's variables
---@param status integer?
function ctx:render(name, values, status) end

--- Answers with a file, by its type, validators and ranges. A relative path starts at the app's
--- directory and cannot leave it. When there is none: 404, and nil with a message.
---@param path string
---@param options justhttp.file_options?
---@return nil
---@return string? err
function ctx:file(path, options) end

--- Has the browser save the answer under that name instead of showing it.
---@param filename string?
function ctx:attachment(filename) end

--- Without an argument reads the body as JSON (nil, err when it is none); with one answers with it.
---@param value any
---@param status integer?
---@return any value
---@return string? err
function ctx:json(value, status) end

--- Reads a form, urlencoded or multipart/form-data: of a repeated name the first value.
---@param options justhttp.form_options? limits for multipart forms
---@return table<string, string>? fields
---@return string? err
---@return table<string, string[]>? all every value
function ctx:form(options) end

--- The files of a multipart/form-data body by the names of their fields. Small ones are in memory,
--- larger ones in temporary files that are gone at the end of the request.
---@param options justhttp.form_options?
---@return table<string, justhttp.file[]>? files
---@return string? err
function ctx:files(options) end

--- Goes through the parts of a multipart/form-data body while it comes in; unread parts are
-- skipped.
---@param options justhttp.form_options?
---@return fun(): justhttp.part?
function ctx:parts(options) end

--- Reads the next piece of the body, at most `bytes`; nil at its end. May wait.
---@param bytes integer?
---@return string?
---@return string? err
---@return integer? status to answer with when it failed
function ctx:read(bytes) end

--- Goes through the body in pieces of at most `bytes` (65536); raises when it does not come whole.
---@param bytes integer?
---@return fun(): string?
function ctx:pieces(bytes) end

--- Sets limits of the body for this request; false when it is known to be longer.
---@param options justhttp.limits_options
---@return boolean
function ctx:limits(options) end

--- Answers with a redirect.
---@param location string
---@param status 301|302|303|307|308|nil 302 when absent
function ctx:redirect(location, status) end

--- Sets a cookie; without a value the browser drops it.
---@param name string
---@param value string|number|nil
---@param options justhttp.cookie_options?
function ctx:cookie(name, value, options) end

--- Answers with an error, in place of the body set before; other headers stay.
---@param status integer
---@param message string? the usual phrase of the status when absent
function ctx:error(status, message) end

--- Sends a 103 response ahead of the real one: { "</app.css>; rel=preload; as=style" }.
---@param links string[] values of Link fields
function ctx:early_hints(links) end

--- Answers in pieces: `fn(stream)` runs when the handler is done and calls `stream:write(piece)`,
--- which waits for slow clients. Chunked, unless `length` is given; text/plain, unless a
--- Content-Type is set.
---@param fn fun(stream: justhttp.stream)
---@param options { length: integer? }?
function ctx:stream(fn, options) end

--- Answers with server-sent events: `fn(events)` calls `events:send{ data =, event =, id = }`.
---@param fn fun(events: justhttp.events)
---@param options { keepalive: number? }?
function ctx:events(fn, options) end

--- Takes the connection over when the handler is done, after the response if one was set.
---@param fn fun(conn: justhttp.channel)
function ctx:hijack(fn) end

--- Answers 101 and gives the connection to `fn(conn)`; 426 when the client did not ask for it.
---@param protocol string
---@param fn fun(conn: justhttp.channel)
function ctx:upgrade(protocol, fn) end

--- Makes a WebSocket of the request; see app:websocket.
---@param fn fun(ws: justhttp.websocket, ctx: justhttp.ctx)|justhttp.websocket_handlers
---@param options justhttp.websocket_options?
function ctx:websocket(fn, options) end

--- Calls `fn(ctx)` when the client goes away before its answer is sent.
---@param fn fun(ctx: justhttp.ctx)
function ctx:on_abort(fn) end

--- Seconds left until the deadline the timeout middleware set, nil without one.
---@return number?
function ctx:deadline() end

--- Answers the client at once; this ctx becomes a shadow whose writes go nowhere.
---@param message string?
---@param status integer? 503
function ctx:timeout_error(message, status) end

--- Calls `fn(ctx)` at the end of the request, whatever its outcome; the last one deferred goes
-- first.
---@param fn fun(ctx: justhttp.ctx)
function ctx:defer(fn) end

---@class justhttp.cookie_options
---@field max_age integer? seconds; negative: drop it now; 0: as if absent
---@field expires integer? seconds since 1970; max_age wins over it
---@field domain string?
---@field path string?
---@field http_only boolean? hidden from scripts
---@field secure boolean? over TLS only
---@field same_site "lax"|"strict"|"none"|"default"|nil "none" implies secure
---@field partitioned boolean? implies secure and path = "/"

--- A function that runs beside its caller; see http.spawn and http.wait.
---@class justhttp.task

---@class justhttp.route
---@field method string "GET", or "ANY"
---@field host string "" is any
---@field pattern string
---@field where string "app.lua:12"
---@field handler justhttp.handler
---@field middleware justhttp.middleware[] outermost first
---@field places string[] what declared each middleware and, last, the handler
---@field on_error (fun(ctx: justhttp.ctx, err: any): any)? of the innermost scope that has one
---@field templates justhttp.template_engine? the same

---@class justhttp.fallback
---@field middleware justhttp.middleware[] outermost first
---@field places string[] what declared each middleware and, last, not_found
---@field not_found justhttp.handler?
---@field on_error (fun(ctx: justhttp.ctx, err: any): any)?
---@field templates justhttp.template_engine?

--- What ctx.tls is. Made each time it is asked for.
---@class justhttp.tls_info
---@field version string "TLSv1.3"
---@field cipher string "TLS_AES_128_GCM_SHA256"
---@field server_name string? that the client asked for
---@field protocol string? that was agreed on (ALPN): "h2", "http/1.1"
---@field is_resumed boolean the client was here before
---@field client justhttp.tls_client? its certificate, which was verified; nil when it has none

---@class justhttp.tls_client
---@field subject string "CN=alice,O=Example"
---@field issuer string
---@field serial string in hexadecimal
---@field fingerprint string SHA-256 of the certificate, in hexadecimal
---@field not_after number seconds since 1970
