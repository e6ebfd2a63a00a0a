-- Sets one cart line for each of many distinct shoppers, or asks the empty handler, which reads the
-- same body. TOKENS: a file with a token a line; FROM: the first line of this run, COUNT: how many.
-- With ACCEPT a GET in that encoding instead. TARGET_PATH: what is asked for.
local threads = 0
function setup(thread)
  thread:set("id", threads)
  threads = threads + 1
end

local path, accept = os.getenv("TARGET_PATH"), os.getenv("ACCEPT")
local headers = { ["Content-Type"] = "application/json" }
local tokens, at, get = {}, 0, nil

function init()
  if accept then
    get = wrk.format("GET", path, { ["Accept-Encoding"] = accept })
    return
  end
  local from, count = tonumber(os.getenv("FROM")), tonumber(os.getenv("COUNT"))
  local n = 0
  for token in io.lines(os.getenv("TOKENS")) do
    if n >= from and n < from + count and n % 2 == id % 2 then
      tokens[#tokens + 1] = "Bearer " .. token
    end
    n = n + 1
  end
end

function request()
  if get then
    return get
  end
  at = at % #tokens + 1
  headers["Authorization"] = tokens[at]
  return wrk.format("PUT", path, headers, '{"quantity": 1}')
end

function done(summary, latency)
  io.write(string.format("RESULT %.0f %.2f %.2f %d\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
