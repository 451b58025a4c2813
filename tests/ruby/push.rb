# Pushes as a Ruby application does. Input: {"jobs": [item, ...]}, each an item for Sidekiq::Client.push (class, args,
# and any other field, "at" for scheduled), or {"bulk": item} for push_bulk, where "args" is an array of arrays.
# Output: the jids, null for a job that was not pushed.

require_relative "tool"

input = Tool.input
jids = (input["jobs"] || []).map { |item| Sidekiq::Client.push(item) }
jids += Sidekiq::Client.push_bulk(input["bulk"]) if input["bulk"]
Tool.output(jids)
