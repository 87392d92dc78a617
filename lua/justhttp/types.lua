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
---@field version string "HTTP/1.1"
---@field ip string address of the client
---@field params table<string, string> values of the route's :names and *rest
---@field query table<string, string> of a repeated name the first value
---@field query_all table<string, string[]> every value
---@field headers table<string, string> case-insensitive
---@field cookies table<string, string>
---@field body string the whole body; reading it may wait
---@field values table<any, any> the request's own store: any key, any value; closed at its end
---@field status integer of the response, 200 until set
local ctx = {}

--- Sets a response header, in place of one set before.
---@param name string
---@param value string|number
function ctx:set(name, value) end

--- Adds a response header beside those of the same name.
---@param name string
---@param value string|number
function ctx:append(name, value) end

--- Answers with text.
---@param body string
function ctx:text(body) end

--- Answers with HTML.
---@param body string
function ctx:html(body) end

--- Without an argument reads the body as JSON (nil, err when it is none); with one answers with it.
---@param value any
---@return any value
---@return string? err
function ctx:json(value) end

--- Reads an urlencoded body: of a repeated name the first value.
---@return table<string, string>? fields
---@return string? err
---@return table<string, string[]>? all every value
function ctx:form() end

--- Reads the next piece of the body, at most `bytes`; nil at its end. May wait.
---@param bytes integer?
---@return string?
---@return string? err
function ctx:read(bytes) end

--- Answers with a redirect.
---@param url string
---@param status 301|302|303|307|308|nil 302 when absent
function ctx:redirect(url, status) end

--- Sets a cookie; without a value the browser drops it.
---@param name string
---@param value string|number|nil
---@param options justhttp.cookie_options?
function ctx:cookie(name, value, options) end

--- Answers with an error: in place of what was set before.
---@param status integer
---@param message string? the usual phrase of the status when absent
function ctx:error(status, message) end

--- Sends a 103 response with these headers ahead of the real one.
---@param headers table<string, string|string[]>
function ctx:early_hints(headers) end

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
---@field on_error (fun(ctx: justhttp.ctx, err: any): any)? of the innermost scope that has one

---@class justhttp.fallback
---@field middleware justhttp.middleware[] outermost first
---@field not_found justhttp.handler?
---@field on_error (fun(ctx: justhttp.ctx, err: any): any)?
