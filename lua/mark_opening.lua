-- Marks that the keeper with this epoch is about to open the sale on this server.
--
-- ARGV: epoch.
-- Return: code, now.
local h, mine = redis.call('HMGET', STOCK, 'opening', 'epoch'), tonumber(ARGV[1])
local marked = h[1] and tonumber(string.match(h[1], '^%d+')) or 0
if marked > mine or tonumber(h[2] or 0) >= mine then return { OVERTAKEN, now } end

redis.call('HSET', STOCK, 'opening', ARGV[1] .. ' ' .. run_id())
return { DONE, now }
