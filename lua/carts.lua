-- What the scripts share, fourth part: what a cart holds, and when its hold is over.

local function holds_something(claim)
  for i = 2, #claim, 3 do
    if claim[i] > 0 then return true end
  end
  return false
end

-- Whether the held lines are just those named in ARGV from `first` on, as SKU and quantity in turn.
local function holds_just(claim, first)
  local wanted, missing = {}, 0
  for i = first, #ARGV, 2 do
    wanted[ARGV[i]] = tonumber(ARGV[i + 1])
    missing = missing + 1
  end
  for i = 1, #claim, 3 do
    if claim[i + 1] > 0 then
      if wanted[claim[i]] ~= claim[i + 1] then return false end
      missing = missing - 1
    end
  end
  return missing == 0
end

-- When the claim runs out: a checkout keeps it for its grace, and what is settled never does (0).
local function due_at(claim)
  if claim.expires == 0 or claim.mark == 'x' or claim.settled then return 0 end
  return claim.expires + (claim.order ~= '' and terms.grace or 0)
end

local function is_due(claim)
  local at = due_at(claim)
  return at > 0 and now >= at
end

local function run_out(shopper, claim)
  for i = 1, #claim, 3 do
    local sku, n = claim[i], claim[i + 1]
    if n > 0 then
      claim[i + 1] = 0
      local drawn = give(shopper, sku, n, 0, claim.expires)
      add(sku, n, EXPIRED)
      dirty_units[sku] = true
      for _, value in ipairs({ shopper, sku, drawn, claim.expires }) do
        ran_out[#ran_out + 1] = value
      end
    end
  end
  claim.mark, claim.order, claim.attempt = 'x', '', 0
  changed(shopper, claim)
end
