-- Moves carts whose hold is over into the returns.
--
-- ARGV: epoch, shoppers.
-- Return: code, now, {shopper, SKU, seq, end of the hold, ...: zero lines of carts that ran out},
--   {shopper, due, ...: carts that hold something and are due later}.
local refused = enter(ARGV[1])
if refused then return refused end

load_claims(2, #ARGV)
local later = {}
for i = 2, #ARGV do
  local claim = claims[ARGV[i]]
  if claim and is_due(claim) then
    run_out(ARGV[i], claim)
  elseif claim and due_at(claim) > 0 then
    later[#later + 1] = ARGV[i]
    later[#later + 1] = due_at(claim)
  end
end
save()
return { DONE, now, ran_out, later }
