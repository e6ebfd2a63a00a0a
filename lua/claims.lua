-- What the scripts share, third part: what one shopper holds and has bought.

-- A claim is `expires;mark;order;attempt;settled;SKU=held+bought-restocked,...`, `-restocked` only
-- where something was: here the lines stand flat in its array part, three places each, and what was
-- restocked in a table of its own. Held units of a settled claim count as sold. With the mark `x` it
-- ran out at `expires` and holds nothing; else `expires` is 0 when it holds nothing.
local function parse(packed)
  local expires, mark, order, attempt, settled, lines =
    string.match(packed, '^(%d+);(x?);(%x*);(%d+);([01]);(.*)$')
  local claim = { expires = tonumber(expires), mark = mark, order = order,
    attempt = tonumber(attempt), settled = settled == '1', changed = false }
  local n = 0
  for sku, held, bought, restocked in string.gmatch(lines, '([^=,]+)=(%d+)%+(%d+)(-?%d*)') do
    claim[n + 1], claim[n + 2], claim[n + 3] = sku, tonumber(held), tonumber(bought)
    if restocked ~= '' then
      claim.restocked = claim.restocked or {}
      claim.restocked[sku] = -tonumber(restocked)
    end
    n = n + 3
  end
  return claim
end

local function pack_line(claim, i)
  local packed, sku = claim[i] .. '=' .. text[claim[i + 1]] .. '+' .. text[claim[i + 2]], claim[i]
  if not claim.restocked or not claim.restocked[sku] then return packed end
  return packed .. '-' .. text[claim.restocked[sku]]
end

local function pack(claim)
  local head = text[claim.expires] .. ';' .. claim.mark .. ';' .. claim.order .. ';'
    .. text[claim.attempt] .. (claim.settled and ';1;' or ';0;')
  if not claim[1] then return head end
  local packed = head .. pack_line(claim, 1)
  for i = 4, #claim, 3 do packed = packed .. ',' .. pack_line(claim, i) end
  return packed
end

-- The claim of somebody who has none; room for one line is made at once.
local function no_claim()
  return { nil, nil, nil, expires = 0, mark = '', order = '', attempt = 0, settled = false,
    changed = false }
end

local function changed(shopper, claim)
  if claim.changed then return end
  claim.changed = true
  dirty_count = dirty_count + 1
  dirty_claims[dirty_count] = shopper
end

-- The claims of the shoppers in ARGV[first] to ARGV[last], with the units of their lines and of the
-- SKUs in `also`.
local function load_claims(first, last, also)
  local skus, seen = also or {}, {}
  for _, sku in ipairs(skus) do seen[sku] = true end
  for from = first, last, MOST_ARGUMENTS do
    local to = math.min(from + MOST_ARGUMENTS - 1, last)
    local values = redis.call('HMGET', CLAIMS, unpack(ARGV, from, to))
    for i = from, to do
      local packed = values[i - from + 1]
      if packed then
        local claim = parse(packed)
        claims[ARGV[i]] = claim
        for j = 1, #claim, 3 do
          if not seen[claim[j]] then
            seen[claim[j]] = true
            skus[#skus + 1] = claim[j]
          end
        end
      end
    end
  end
  load_units(skus)
end
