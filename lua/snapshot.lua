-- Reads one moment of the stock, whatever its epoch.
--
-- ARGV: none.
-- Return: code, now, {field, value, ...}, number of returns, number of claims, the journal's last id.
local fields = redis.call('HGETALL', STOCK)
local epoch, server
for i = 1, #fields, 2 do
  if fields[i] == 'epoch' then epoch = fields[i + 1] end
  if fields[i] == 'run_id' then server = fields[i + 1] end
end
if not epoch or server ~= run_id() then return { CLOSED, now } end

local last = redis.call('XREVRANGE', JOURNAL, '+', '-', 'COUNT', 1)[1]
return { DONE, now, fields, redis.call('HLEN', RETURNS), redis.call('HLEN', CLAIMS),
  last and last[1] or '0-0' }
