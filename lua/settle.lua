-- Counts the lines of a frozen cart as sold. They stay in the claim until `finish` or `abort`.
--
-- ARGV: epoch, deadline, shopper, order, attempt, then for each wanted line: SKU, quantity.
-- Return: code, now, {SKU, seq, ...: versions of the zero lines that a paid order leaves}.
local refused = enter(ARGV[1], ARGV[2])
if refused then return refused end

local shopper, order, attempt = ARGV[3], ARGV[4], tonumber(ARGV[5])
load_claims(3, 3)
local claim = claims[shopper]
if not claim or claim.order ~= order then return { GONE, now } end
if attempt < claim.attempt then return { STALE, now } end
if is_due(claim) or not holds_just(claim, 6) then return { GONE, now } end

local zero = {}
for i = 1, #claim, 3 do
  if claim[i + 1] > 0 then
    if not claim.settled then move(claim[i], claim[i + 1], HELD, SOLD) end
    zero[#zero + 1] = claim[i]
    zero[#zero + 1] = draw()
  end
end
claim.settled, claim.attempt = true, attempt
changed(shopper, claim)
save()
return { DONE, now, zero }
