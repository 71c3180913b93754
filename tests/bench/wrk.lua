-- wrk posts the file BODY as TYPE, and says at the end what it saw as one line of JSON.
local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.body = file:read("*a")
file:close()
wrk.method = "POST"
wrk.headers["Content-Type"] = os.getenv("TYPE")

function done(summary, latency, _)
   local errors = summary.errors
   io.write(string.format(
      'SAW {"requests": %d, "seconds": %.6f, "p50": %d, "p99": %d, "errors": %d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
      errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
