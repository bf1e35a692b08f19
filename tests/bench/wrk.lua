-- Sends the requests of a file repeatedly, in order: a signature and a body on each line.

local requests, last = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local signature, body = line:match("^(%x+) (.*)$")
    local headers = { ["Content-Type"] = "application/json", ["X-API-Sign"] = signature }
    requests[#requests + 1] = wrk.format("POST", "/api/", headers, body)
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end
