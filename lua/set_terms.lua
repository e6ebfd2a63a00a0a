-- Sets everything that the stock knows of a sale. SKUs that are not named are dropped.
--
-- ARGV: epoch, revision, paused, starts, ends, hold, grace, limit, then for each SKU: SKU, product,
--   limit of the product, total.
-- Return: code, now; for BELOW_COMMITTED also SKU, units held and sold.
local refused = enter(ARGV[1])
if refused then return refused end
if tonumber(ARGV[2]) <= terms.rev then return { STALE, now } end

local skus, totals, dropped = {}, {}, {}
for i = 9, #ARGV, 4 do totals[ARGV[i]] = tonumber(ARGV[i + 3]) end
for _, field in ipairs(redis.call('HKEYS', STOCK)) do
  local sku = string.match(field, '^u:(.+)$')
  if sku then skus[#skus + 1] = sku end
end
load_units(skus)
for sku, unit in pairs(units) do
  local committed = unit[HELD] + unit[SOLD]
  if (totals[sku] or 0) < committed then return { BELOW_COMMITTED, now, sku, committed } end
  if not totals[sku] then dropped[#dropped + 1] = sku end
end

for _, sku in ipairs(dropped) do redis.call('HDEL', STOCK, 'u:' .. sku, 'p:' .. sku) end
local fields = { 'rev', ARGV[2], 'paused', ARGV[3], 'starts', ARGV[4], 'ends', ARGV[5],
  'hold', ARGV[6], 'grace', ARGV[7], 'limit', ARGV[8], 'seq', text[draw()] }
for i = 9, #ARGV, 4 do
  local total, unit = totals[ARGV[i]], units[ARGV[i]] or { 0, 0, 0, 0, 0, 0, 0, 0, 0 }
  unit[TOTAL], unit[AVAILABLE] = total, total - unit[HELD] - unit[SOLD]
  for _, value in ipairs({ 'u:' .. ARGV[i], table.concat(unit, ' '),
    'p:' .. ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[i + 2] }) do
    fields[#fields + 1] = value
  end
end
put(STOCK, fields)
journal('r', '1')
return { DONE, now }
