-- Freezes a cart for an order, if it holds just the wanted lines.
--
-- ARGV: epoch, deadline, shopper, order, attempt, then for each wanted line: SKU, quantity.
-- Return: code, now, end of the hold.
local refused = enter(ARGV[1], ARGV[2])
if refused then return refused end

local shopper, order, attempt = ARGV[3], ARGV[4], tonumber(ARGV[5])
load_claims(3, 3)
local claim = claims[shopper]
if not claim then return { CART_EMPTY, now } end
if claim.order == order and attempt < claim.attempt then return { STALE, now } end
if claim.mark == 'x' or is_due(claim) then return { HOLD_EXPIRED, now } end
if not holds_something(claim) then return { CART_EMPTY, now } end
if claim.order ~= '' and claim.order ~= order then return { IN_PROGRESS, now } end
if not holds_just(claim, 6) then return { CART_CHANGED, now } end

claim.order, claim.attempt = order, attempt
changed(shopper, claim)
save()
return { DONE, now, claim.expires }
