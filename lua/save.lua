-- What the scripts share, last part: writing what was changed.

-- Tells the journal of a hold that somebody has to end. Those of one script end together.
local function begin_hold(shopper, expires)
  holds_end = expires
  holds_count = holds_count + 1
  holds_of[holds_count] = shopper
end

local function put(key, fields)
  for from = 1, #fields, MOST_ARGUMENTS do
    redis.call('HSET', key, unpack(fields, from, math.min(from + MOST_ARGUMENTS - 1, #fields)))
  end
end

local function journal(...)
  redis.call('XADD', JOURNAL, 'MAXLEN', '~', JOURNAL_LENGTH, '*', 'e', terms.epoch,
    'p', text[seq_before], 'q', text[seq], ...)
end

-- Writes what was changed, each key once. Whoever changed a counter has drawn a number, but for the
-- count of refusals: it is nobody's promise, and nobody follows it.
local function save()
  local fields = {}
  for i = 1, dirty_count do
    fields[2 * i - 1], fields[2 * i] = dirty_claims[i], pack(claims[dirty_claims[i]])
  end
  put(CLAIMS, fields)
  put(RETURNS, new_returns)
  local counters, told = {}, {}
  for sku in pairs(dirty_units) do
    local packed = table.concat(units[sku], ' ')
    counters[#counters + 1] = 'u:' .. sku
    counters[#counters + 1] = packed
    told[#told + 1] = sku .. ' ' .. packed
  end
  if seq ~= seq_before then
    counters[#counters + 1] = 'seq'
    counters[#counters + 1] = text[seq]
  end
  put(STOCK, counters)
  if seq == seq_before then return end
  local holds = holds_count > 0 and text[holds_end] .. ':' .. table.concat(holds_of, ' ') or ''
  journal('u', table.concat(told, ','), 'h', holds)
end
