--- Where the parts of a ctx stand in its table.
--
-- By position and not by name: the array part of a small table is made together with the table, in
-- one allocation of half the size, and read without a look-up. Every slot holds something from the
-- start, false or 0, so that a read never falls through to the metatable. What few requests need is
-- kept by name instead ("_defers"), see `keep` in context.lua.

return {
  CORE = 1,    -- jh_ctx *, false once the exchange is over
  ROUTE = 2,   -- the dispatcher's record of the route
  STATUS = 3,  -- of the response; false is 200
  BODY = 4,    -- of the response, or false
  TYPE = 5,    -- jh_content_type of the response
  ENDING = 6,  -- function(ctx) that ends the exchange otherwise than `send`, or false
  VALUES = 7,  -- ctx.values, once asked for
  PARAMS = 8,  -- ctx.params, once asked for
  QUERY = 9,   -- ctx.query, once asked for
  HEADERS = 10, -- ctx.headers, once asked for
  WAIT_ID = 11, -- what the handler waits for, or waited for last
}
