-- Who asks, where others are in between: each hop adds the address that it saw to the end of a list, so from the right the
-- first address that is no hop's is the visitor's. Anything left of it may be forged.
--
-- Used as `lua.visitor(HEADER)` in a request of a trusted hop; the file's arguments are the hops' networks. The answer is
-- "" where the header says nothing that is an address: then the hop is all we know.

local MOST_HOPS = 10    -- as far back as HAProxy finds an element of a list

local networks = {}
for _, network in ipairs({ ... }) do
    networks[#networks + 1] = core.parse_addr(network)
end

local function is_hop(address)
    local parsed = core.parse_addr(address)
    for _, network in ipairs(networks) do
        if core.match_addr(parsed, network) then
            return true
        end
    end
    return false
end

local function is_ipv4(text)
    local numbers = { text:match("^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$") }
    for _, number in ipairs(numbers) do
        if tonumber(number) > 255 then
            return false
        end
    end
    return #numbers == 4
end

-- How many groups of an IPv6 address TEXT is; far too many where it is none.
local function groups(text)
    local count = 0
    for group in (text == "" and "" or text .. ":"):gmatch("(.-):") do
        count = count + (group:match("^%x%x?%x?%x?$") and 1 or 100)
    end
    return count
end

local function is_ipv6(text)
    local left, right = text:match("^(.-)::(.*)$")
    if left then
        return groups(left) + groups(right) < 8
    end
    return groups(text) == 8
end

-- The address in TEXT, without the port that some load balancers add; nil for anything else. HAProxy's own reading would take
-- a network, or the first word of two, and ask the name service for a name.
local function address_in(text)
    text = text:match("^%s*(.-)%s*$")
    text = text:match("^%[([%x:.]+)%]$") or text:match("^%[([%x:.]+)%]:%d+$") or text:match("^([%d.]+):%d+$") or text
    text = text:match("^::[fF][fF][fF][fF]:([%d.]+)$") or text
    if is_ipv4(text) or is_ipv6(text) then
        return text
    end
end

core.register_fetches("visitor", function(txn, header)
    local visitor = ""
    for number = 1, MOST_HOPS do
        local address = address_in(txn.sf:req_hdr(header, -number))
        if not address then
            break
        end
        visitor = address
        if not is_hop(address) then
            break
        end
    end
    return visitor
end)
