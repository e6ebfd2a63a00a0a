-- Unfreezes a cart whose order is paid: what it held is bought, even if `settle` was lost.
--
-- ARGV: epoch, deadline, shopper, order, attempt.
-- Return: code, now.
local refused = enter(ARGV[1], ARGV[2])
if refused then return refused end

local shopper, order, attempt = ARGV[3], ARGV[4], tonumber(ARGV[5])
load_claims(3, 3)
local claim = claims[shopper]
if not claim or claim.order ~= order then return { DONE, now } end
if attempt < claim.attempt then return { STALE, now } end

for i = 1, #claim, 3 do
  local n = claim[i + 1]
  if n > 0 and not claim.settled then move(claim[i], n, HELD, SOLD) end
  claim[i + 1], claim[i + 2] = 0, claim[i + 2] + n
end
if not claim.settled then draw() end
claim.order, claim.attempt, claim.settled, claim.expires = '', 0, false, 0
changed(shopper, claim)
save()
return { DONE, now }
