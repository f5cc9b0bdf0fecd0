-- Counts a body whose length was not announced (chunked, or HTTP/2 without Content-Length) and ends the request when there
-- is more than the limit; haproxy.cfg by itself can only compare a Content-Length.
--
-- Used as `filter lua.body-limit BYTES`. A body that was too large leaves the variable txn.too_large, from which haproxy.cfg
-- makes its 413, and one line on stderr.

local BodyLimit = { id = "body limit", flags = filter.FLT_CFG_FL_HTX }
BodyLimit.__index = BodyLimit

function BodyLimit:new()
    return setmetatable({ received = 0, limit = self.limit }, BodyLimit)
end

function BodyLimit:http_headers(txn, message)
    if not message:is_resp() then
        filter.register_data_filter(self, message.channel)
    end
    return filter.CONTINUE
end

-- Returns nothing: a number would be taken for the bytes to pass on.
function BodyLimit:http_payload(txn, message)
    self.received = self.received + message:input()
    if self.received > self.limit then
        txn:set_var("txn.too_large", true)
        -- A Lua error ends the request at once; filter.ERROR would not (HAProxy 3.0.11).
        error("body over EDGE_MAX_BODY_BYTES", 0)
    end
end

core.register_filter("body-limit", BodyLimit, function(class, arguments)
    class.limit = tonumber(arguments[1])
    return class
end)
