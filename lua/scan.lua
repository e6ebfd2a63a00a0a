-- Reads a page of the claims or of the returns, all of one epoch.
--
-- ARGV: epoch, `claims` or `returns`, cursor (0 to begin), about how many.
-- Return: code, now, next cursor (0 at the end), {field, value, ...}.
local refused = enter(ARGV[1])
if refused then return refused end

local key = ARGV[2] == 'claims' and CLAIMS or RETURNS
local page = redis.call('HSCAN', key, ARGV[3], 'COUNT', ARGV[4])
return { DONE, now, page[1], page[2] }
