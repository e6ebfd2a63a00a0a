-- What the scripts share, second part: the counters of a SKU, and the returns.

-- The counters of these SKUs, and what they belong to; `nil` for one that the sale does not have.
local function load_units(skus)
  for from = 1, #skus, MOST_ARGUMENTS / 2 do
    local fields, to = {}, math.min(from + MOST_ARGUMENTS / 2 - 1, #skus)
    for i = from, to do
      fields[#fields + 1] = 'u:' .. skus[i]
      fields[#fields + 1] = 'p:' .. skus[i]
    end
    local values = redis.call('HMGET', STOCK, unpack(fields))
    for i = from, to do
      local counters, product = values[2 * (i - from) + 1], values[2 * (i - from) + 2]
      if counters then
        local unit = {}
        for n in string.gmatch(counters, '%d+') do unit[#unit + 1] = tonumber(n) end
        for n = #unit + 1, COUNTERS do unit[n] = 0 end -- an earlier version knew fewer
        local name, limit = string.match(product, '^(%S+) (%d+)$')
        unit.product, unit.limit = name, tonumber(limit)
        units[skus[i]] = unit
      end
    end
  end
end

-- Moves units from one counter to another.
local function move(sku, n, from, to)
  local unit = units[sku]
  unit[from] = unit[from] - n
  unit[to] = unit[to] + n
  dirty_units[sku] = true
end

local function add(sku, n, sum)
  units[sku][sum] = units[sku][sum] + n
end

-- Puts n held units among the returns, with the line as this sets it. They stay counted as held.
local function give(shopper, sku, n, quantity, expires)
  local drawn = draw()
  new_returns[#new_returns + 1] = text[drawn]
  new_returns[#new_returns + 1] = shopper .. ';' .. sku .. ';' .. text[n] .. ';' .. text[quantity]
    .. ';' .. text[expires]
  return drawn
end
