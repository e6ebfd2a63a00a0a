-- What the scripts share, first part: keys, codes, and the check that the sale is open here. Put
-- together as clock, prelude, units, claims, carts, save, and the verb.
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
local LINES, REFUSED, COUNTERS = 8, 9, 9

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
