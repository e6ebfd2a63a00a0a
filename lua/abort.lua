-- Unfreezes a cart whose order came to nothing. What was settled, or whose hold is over, goes into
-- the returns like anything else that is given back.
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

if claim.settled then
  for i = 1, #claim, 3 do
    local sku, n = claim[i], claim[i + 1]
    if n > 0 then
      claim[i + 1] = 0
      move(sku, n, SOLD, HELD)
      give(shopper, sku, n, 0, 0)
    end
  end
  claim.expires = 0
end
claim.order, claim.attempt, claim.settled = '', 0, false
if is_due(claim) then run_out(shopper, claim) end
changed(shopper, claim)
save()
return { DONE, now }
