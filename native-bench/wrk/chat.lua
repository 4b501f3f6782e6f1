-- One chat request over and over, of the body in the first argument and the headers in the others; the result as one line
-- of JSON, because wrk's own text rounds. With `keys=N` each request has one of N keys, `bench-0` and on, by chance.
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer bench"

function init(args)
  local file = assert(io.open(args[1], "rb"))
  wrk.body = file:read("*a")
  file:close()
  for i = 2, #args do
    local name, value = args[i]:match("^(.-): (.*)$")
    local count = args[i]:match("^keys=(%d+)$")
    if count then keys = tonumber(count) else wrk.headers[name] = value end
  end
  request_bytes = wrk.format()
end

function request()
  if keys then
    wrk.headers["authorization"] = "Bearer bench-" .. math.random(0, keys - 1)
    return wrk.format()
  end
  return request_bytes
end

function done(summary, latency)
  io.write(string.format(
    '\nresult {"requests":%d,"micros":%d,"bytes":%d,"p50Us":%d,"p99Us":%d,' ..
    '"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    summary.errors.connect, summary.errors.read, summary.errors.write, summary.errors.status,
    summary.errors.timeout))
end
