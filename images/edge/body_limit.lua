-- Counts a body whose length was not announced (chunked, or HTTP/2 without Content-Length) and ends the request when it
-- exceeds the limit: haproxy.cfg can compare a Content-Length only. `filter lua.body-limit BYTES`; a request is counted if the
-- variable txn.unsized is set. What was counted is set as txn.too_large, from which haproxy.cfg makes a 413.

local BodyLimit = { id = "body limit", flags = filter.FLT_CFG_FL_HTX }
BodyLimit.__index = BodyLimit

function BodyLimit:new()
    return setmetatable({ received = 0, limit = self.limit }, BodyLimit)
end

function BodyLimit:http_headers(txn, message)
    if not message:is_resp() and txn:get_var("txn.unsized") then
        filter.register_data_filter(self, message.channel)
    end
    return filter.CONTINUE
end

function BodyLimit:http_payload(txn, message)
    self.received = self.received + message:input()
    if self.received > self.limit then
        txn:set_var("txn.too_large", true)
        return filter.ERROR
    end
    return filter.CONTINUE
end

core.register_filter("body-limit", BodyLimit, function(class, arguments)
    class.limit = tonumber(arguments[1])
    return class
end)
