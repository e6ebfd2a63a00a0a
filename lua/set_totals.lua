-- Lowers totals, never below what is held and sold, and never raises one.
--
-- ARGV: epoch, revision, then for each SKU: SKU, total.
-- Return: code, now; for BELOW_COMMITTED also SKU, units held and sold.
local refused = enter(ARGV[1])
if refused then return refused end
if tonumber(ARGV[2]) <= terms.rev then return { STALE, now } end

local skus = {}
for i = 3, #ARGV, 2 do skus[#skus + 1] = ARGV[i] end
load_units(skus)
for i = 3, #ARGV, 2 do
  local unit = units[ARGV[i]]
  if unit and tonumber(ARGV[i + 1]) < unit[HELD] + unit[SOLD] then
    return { BELOW_COMMITTED, now, ARGV[i], unit[HELD] + unit[SOLD] }
  end
end

for i = 3, #ARGV, 2 do
  local unit, total = units[ARGV[i]], tonumber(ARGV[i + 1])
  if unit and total < unit[TOTAL] then
    unit[TOTAL], unit[AVAILABLE] = total, total - unit[HELD] - unit[SOLD]
    dirty_units[ARGV[i]] = true
  end
end
draw()
redis.call('HSET', STOCK, 'rev', ARGV[2])
save()
return { DONE, now }
