-- Opens the sale with what was built beside the old keys, if the keeper's mark still stands here.
--
-- KEYS: also the next stock, the next claims.
-- ARGV: epoch.
-- Return: code, now.
local next_stock, next_claims, server = KEYS[5], KEYS[6], run_id()
local mark = ARGV[1] .. ' ' .. server
local h = redis.call('HMGET', STOCK, 'epoch', 'run_id', 'opening')
-- An earlier call whose answer was lost.
if h[1] == ARGV[1] and h[2] == server then return { DONE, now } end
if h[3] ~= mark then return { OVERTAKEN, now } end
-- The number of claims is written last: without it, or with another, something is missing.
local built = redis.call('HMGET', next_stock, 'epoch', 'claims')
if built[1] ~= ARGV[1] or tonumber(built[2] or -1) ~= redis.call('HLEN', next_claims) then
  return { OVERTAKEN, now }
end

redis.call('HDEL', next_stock, 'claims')
redis.call('HSET', next_stock, 'run_id', server, 'opening', mark, 'seq', '0')
redis.call('UNLINK', STOCK, CLAIMS, RETURNS)
redis.call('RENAME', next_stock, STOCK)
redis.call('PERSIST', STOCK)
if redis.call('EXISTS', next_claims) == 1 then
  redis.call('RENAME', next_claims, CLAIMS)
  redis.call('PERSIST', CLAIMS)
end
terms.epoch = ARGV[1]
journal('r', '1')
return { DONE, now }
