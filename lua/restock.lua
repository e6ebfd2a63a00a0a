-- Puts units that were bought on sale again: those that paper says came back in good order.
--
-- Says how many of a SKU came back from this shopper in all, so it may be repeated or overtaken.
--
-- ARGV: epoch, deadline, shopper, then for each SKU: SKU, units that came back in all.
-- Return: code, now.
local refused = enter(ARGV[1], ARGV[2])
if refused then return refused end

local shopper = ARGV[3]
load_claims(3, 3)
local claim = claims[shopper]
if not claim then return { GONE, now } end
claim.restocked = claim.restocked or {}

local missing = {}
for i = 4, #ARGV, 2 do
  local sku = ARGV[i]
  local n = tonumber(ARGV[i + 1]) - (claim.restocked[sku] or 0)
  if n > 0 then missing[sku] = n end
end
-- A checkout that is paid and not yet finished has its units in the cart still.
for sku, n in pairs(missing) do
  local found = false
  for i = 1, #claim, 3 do
    if claim[i] == sku and claim[i + 2] >= n then found = true end
  end
  if not found then return { IN_PROGRESS, now } end
end
for i = 1, #claim, 3 do
  local sku = claim[i]
  local n = missing[sku]
  if n then
    claim[i + 2] = claim[i + 2] - n
    claim.restocked[sku] = (claim.restocked[sku] or 0) + n
    move(sku, n, SOLD, AVAILABLE)
    draw()
    changed(shopper, claim)
  end
end
save()
return { DONE, now }
