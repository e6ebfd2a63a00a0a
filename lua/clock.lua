-- Time is Redis' own, in milliseconds. Tests put another file in this one's place.
local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
