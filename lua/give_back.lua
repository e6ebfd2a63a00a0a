-- Puts returns on the shelf, once their lines are confirmed. What is not there was put back before.
--
-- ARGV: epoch, then for each return: epoch, seq. Another epoch's seq is somebody else's by now.
-- Return: code, now.
local refused = enter(ARGV[1])
if refused then return refused end

local seqs, seen = {}, {}
for i = 2, #ARGV, 2 do
  if ARGV[i] == terms.epoch and not seen[ARGV[i + 1]] then
    seen[ARGV[i + 1]] = true
    seqs[#seqs + 1] = ARGV[i + 1]
  end
end
if #seqs == 0 then return { DONE, now } end

local back, gone, skus = redis.call('HMGET', RETURNS, unpack(seqs)), {}, {}
for i, seq_back in ipairs(seqs) do
  if back[i] then
    gone[#gone + 1] = seq_back
    skus[#skus + 1] = string.match(back[i], '^%x+;([^;]+);')
  end
end
if #gone == 0 then return { DONE, now } end

load_units(skus)
for i = 1, #seqs do
  if back[i] then
    local sku, n = string.match(back[i], '^%x+;([^;]+);(%d+);')
    move(sku, tonumber(n), HELD, AVAILABLE)
    add(sku, tonumber(n), GIVEN)
  end
end
draw()
redis.call('HDEL', RETURNS, unpack(gone))
save()
return { DONE, now }
