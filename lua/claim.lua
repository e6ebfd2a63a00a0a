-- Sets lines to quantities, for many shoppers in one call, as if the lines came one by one.
--
-- ARGV: epoch, deadline, number of shoppers, number of SKUs, the shoppers, the SKUs, then one
--   MessagePack array of numbers (arguments of their own would cost more than anything else), for
--   each line: place of its shopper, place of its SKU (both from 1), quantity.
-- Return: code, now, {for each line: code, seq (0: nothing to publish), value}, {shopper, SKU, seq,
--   end of the hold, ...: zero lines of carts found to have run out; these seqs lie in the returns}.
--   The value is what is available for SOLD_OUT, else the end of the cart's hold or 0. The seq of a
--   LOWERED line lies in the returns.
local refused = enter(ARGV[1], ARGV[2])
if refused then return refused end

local shoppers, kinds = tonumber(ARGV[3]), tonumber(ARGV[4])
load_claims(5, 4 + shoppers, { unpack(ARGV, 5 + shoppers, 4 + shoppers + kinds) })
local phase = now < terms.starts and NOT_STARTED or now >= terms.ends and ENDED
  or terms.paused and PAUSED
local hold_end = now + terms.hold

local function over_limit(claim, unit, more)
  local all, same = more, more
  for i = 1, #claim, 3 do
    local n, other = claim[i + 1] + claim[i + 2], units[claim[i]]
    all = all + n
    if other and other.product == unit.product then same = same + n end
  end
  return terms.limit > 0 and all > terms.limit or unit.limit > 0 and same > unit.limit
end

-- The road of the crowd, so it counts without calls.
local function raise(shopper, claim, at, sku, more)
  local unit, held = units[sku], claim[at + 1] or 0
  if phase then return phase, 0, 0 end
  if over_limit(claim, unit, more) then return LIMIT_REACHED, 0, 0 end
  if unit[AVAILABLE] < more then
    unit[REFUSED] = unit[REFUSED] + 1
    dirty_units[sku] = true
    return SOLD_OUT, 0, unit[AVAILABLE]
  end
  if claim.expires == 0 or claim.mark == 'x' then
    claim.expires, claim.mark = hold_end, ''
    begin_hold(shopper, hold_end)
  end
  claim[at], claim[at + 1], claim[at + 2] = sku, held + more, claim[at + 2] or 0
  claims[shopper] = claim
  changed(shopper, claim)
  unit[AVAILABLE], unit[HELD] = unit[AVAILABLE] - more, unit[HELD] + more
  unit[TAKEN], unit[LINES] = unit[TAKEN] + more, unit[LINES] + 1
  dirty_units[sku] = true
  seq = seq + 1
  return held == 0 and CREATED or RAISED, seq, claim.expires
end

local function lower(shopper, claim, at, wanted)
  local n = claim[at + 1] - wanted
  claim[at + 1] = wanted
  dirty_units[claim[at]] = true
  changed(shopper, claim)
  local drawn = give(shopper, claim[at], n, wanted, wanted > 0 and claim.expires or 0)
  if not holds_something(claim) then claim.expires = 0 end
  return LOWERED, drawn, claim.expires
end

local function set_line(shopper, sku, wanted)
  if not units[sku] then return UNKNOWN_SKU, 0, 0 end
  local claim = claims[shopper] or no_claim()
  if claim.expires > 0 and is_due(claim) then run_out(shopper, claim) end
  local at = 1
  while claim[at] and claim[at] ~= sku do at = at + 3 end
  local held = claim[at + 1] or 0
  -- A settled line is no longer a cart line: to say it again would bring it back on paper.
  if held ~= wanted and claim.order ~= '' or claim.settled and held > 0 then
    return IN_PROGRESS, 0, 0
  end
  if wanted > held then return raise(shopper, claim, at, sku, wanted - held) end
  if wanted < held then return lower(shopper, claim, at, wanted) end
  if not claim[at] then return NOTHING, 0, claim.mark == '' and claim.expires or 0 end
  if claim.mark == 'x' then
    claim.mark, claim.expires = '', 0
    changed(shopper, claim)
  end
  return STOOD, draw(), claim.expires
end

local wanted, lines = cmsgpack.unpack(ARGV[#ARGV]), {}
for i = 1, #wanted, 3 do
  local shopper, sku = ARGV[4 + wanted[i]], ARGV[4 + shoppers + wanted[i + 1]]
  lines[i], lines[i + 1], lines[i + 2] = set_line(shopper, sku, wanted[i + 2])
end
save()
return { DONE, now, lines, ran_out }
