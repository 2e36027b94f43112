-- SPDX-License-Identifier: Apache-2.0
--
-- What wrk asks the shop: wrk -s wrk.lua URL -- APP[,APP...] PAUSE_MS [APP KIND=MS EVERY]
-- Items of all the APPs in turn, PAUSE_MS between two requests of a connection; every EVERYth request to the second APP
-- carries what is planted there.

local apps, pause, asked, planted = {}, 0, 0, 0
local victim, fault, every

function init(args)
	for app in string.gmatch(args[1], "[^,]+") do
		apps[#apps + 1] = app
	end
	pause = tonumber(args[2]) or 0
	victim, fault, every = args[3], args[4], tonumber(args[5])
	math.randomseed(os.time())
end

function request()
	local app, headers = apps[asked % #apps + 1], {}
	asked = asked + 1
	if app == victim then
		planted = planted + 1
		if planted % every == 0 then
			headers["X-Shop-Fault"] = fault
		end
	end
	return wrk.format("GET", "/" .. app .. "/item/" .. math.random(100), headers)
end

function delay()
	return pause
end
