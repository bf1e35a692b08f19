-- Sends the requests of a file repeatedly, in order: the value of a header, a tab and a body on each line. The
-- arguments are the file, the path of the requests and the name of the header.

local requests, last = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local value, body = line:match("^([^\t]+)\t(.*)$")
    local headers = { ["Content-Type"] = "application/json", [arguments[3]] = value }
    requests[#requests + 1] = wrk.format("POST", arguments[2], headers, body)
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end
