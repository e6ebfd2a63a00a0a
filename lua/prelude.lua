-- What the scripts share: the check that the sale is open here, the packing of claims, counters,
-- returns and journal. Put between clock.lua and each verb.
--
-- A verb calls `enter`, loads claims and units, changes them in these tables, and calls `save` once,
-- so that nothing is written before everything is checked. Answers are {code, now, ...}.
--
-- KEYS of every script: the bucket's stock, claims, returns, journal.
local STOCK, CLAIMS, RETURNS, JOURNAL = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

-- Codes, mirrored by `Code` in src/shop/inventory/reply.rs.
local DONE, CLOSED, LATE, STALE, OVERTAKEN, BELOW_COMMITTED = 0, 1, 2, 3, 4, 5
local CART_CHANGED, CART_EMPTY, HOLD_EXPIRED, IN_PROGRESS, GONE = 10, 11, 12, 13, 14
local CREATED, RAISED, LOWERED, STOOD, NOTHING = 20, 21, 22, 23, 24
local SOLD_OUT, LIMIT_REACHED, NOT_STARTED, ENDED, PAUSED, UNKNOWN_SKU = 30, 31, 32, 33, 34, 35

-- Counters of a SKU, packed in this order.
local TOTAL, AVAILABLE, HELD, SOLD, TAKEN, GIVEN, EXPIRED = 1, 2, 3, 4, 5, 6, 7

local MOST_ARGUMENTS = 4000 -- of one call; Lua's stack ends at 8000
local JOURNAL_LENGTH = 2000 -- entries; a follower that is further behind takes a snapshot

local now = now_ms()
local terms, seq, seq_before = {}, 0, 0
local claims, units = {}, {}
local dirty_claims, dirty_units, new_returns, ran_out = {}, {}, {}, {}
local holds_end, holds_of = 0, {}
local dirty_count, holds_count = 0, 0 -- `#` searches; where there are many, counting is cheaper

-- Most numbers of a batch are the same few, and formatting one is dear.
local text = setmetatable({}, { __index = function(known, number)
  local digits = string.format('%.0f', number)
  known[number] = digits
  return digits
end })

local function run_id()
  local info = redis.call('INFO', 'server')
  local _, before = string.find(info, 'run_id:', 1, true) -- a pattern would cost more than INFO
  return string.sub(info, before + 1, before + 40)
end

-- The answer to give at once, if the sale is not open here under this epoch or it is too late.
local function enter(epoch, deadline)
  local h = redis.call('HMGET', STOCK, 'epoch', 'run_id', 'seq', 'rev', 'paused', 'starts', 'ends',
    'hold', 'grace', 'limit')
  if h[1] ~= epoch or h[2] ~= run_id() then return { CLOSED, now } end
  if deadline and now > tonumber(deadline) then return { LATE, now } end
  seq = tonumber(h[3])
  seq_before = seq
  terms = { epoch = epoch, rev = tonumber(h[4]), paused = h[5] == '1', starts = tonumber(h[6]),
    ends = tonumber(h[7]), hold = tonumber(h[8]), grace = tonumber(h[9]), limit = tonumber(h[10]) }
end

local function draw()
  seq = seq + 1
  return seq
end

-- A claim is `expires;mark;order;attempt;settled;SKU=held+bought,...`: here the lines stand flat in
-- its array part. Held units of a settled claim count as sold. With the mark `x` it ran out at
-- `expires` and holds nothing; else `expires` is 0 when it holds nothing.
local function parse(packed)
  local expires, mark, order, attempt, settled, lines =
    string.match(packed, '^(%d+);(x?);(%x*);(%d+);([01]);(.*)$')
  local claim = { expires = tonumber(expires), mark = mark, order = order,
    attempt = tonumber(attempt), settled = settled == '1', changed = false }
  local n = 0
  for sku, held, bought in string.gmatch(lines, '([^=,]+)=(%d+)%+(%d+)') do
    claim[n + 1], claim[n + 2], claim[n + 3] = sku, tonumber(held), tonumber(bought)
    n = n + 3
  end
  return claim
end

local function pack(claim)
  local head = text[claim.expires] .. ';' .. claim.mark .. ';' .. claim.order .. ';'
    .. text[claim.attempt] .. (claim.settled and ';1;' or ';0;')
  if not claim[1] then return head end
  local packed = head .. claim[1] .. '=' .. text[claim[2]] .. '+' .. text[claim[3]]
  for i = 4, #claim, 3 do
    packed = packed .. ',' .. claim[i] .. '=' .. text[claim[i + 1]] .. '+' .. text[claim[i + 2]]
  end
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
        local name, limit = string.match(product, '^(%S+) (%d+)$')
        unit.product, unit.limit = name, tonumber(limit)
        units[skus[i]] = unit
      end
    end
  end
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

-- Writes what was changed, each key once. Whoever changed a counter has drawn a number.
local function save()
  local fields = {}
  for i = 1, dirty_count do
    fields[2 * i - 1], fields[2 * i] = dirty_claims[i], pack(claims[dirty_claims[i]])
  end
  put(CLAIMS, fields)
  put(RETURNS, new_returns)
  if seq == seq_before then return end
  local counters, told = { 'seq', text[seq] }, {}
  for sku in pairs(dirty_units) do
    local packed = table.concat(units[sku], ' ')
    counters[#counters + 1] = 'u:' .. sku
    counters[#counters + 1] = packed
    told[#told + 1] = sku .. ' ' .. packed
  end
  put(STOCK, counters)
  local holds = holds_count > 0 and text[holds_end] .. ':' .. table.concat(holds_of, ' ') or ''
  journal('u', table.concat(told, ','), 'h', holds)
end
