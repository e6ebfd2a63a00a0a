-- Reads one shopper's claim.
--
-- ARGV: epoch, shopper.
-- Return: code, now, packed claim (empty when there is none), grace in milliseconds.
local refused = enter(ARGV[1])
if refused then return refused end

return { DONE, now, redis.call('HGET', CLAIMS, ARGV[2]) or '', terms.grace }
