-- Says every line of these claims again, zero lines included, under new versions: for a broker that
-- came back empty. The lines of a settled order are left out: its payment writes their end.
--
-- ARGV: epoch, shoppers.
-- Return: code, now, {shopper, SKU, quantity, seq, end of the hold or 0, ...}.
local refused = enter(ARGV[1])
if refused then return refused end

load_claims(2, #ARGV)
local said = {}
for i = 2, #ARGV do
  local claim = claims[ARGV[i]] or { mark = '' }
  for j = 1, #claim, 3 do
    local held = claim[j + 1]
    if not (claim.settled and held > 0) then
      local expires = (held > 0 or claim.mark == 'x') and claim.expires or 0
      for _, value in ipairs({ ARGV[i], claim[j], held, draw(), expires }) do
        said[#said + 1] = value
      end
    end
  end
end
save()
return { DONE, now, said }
