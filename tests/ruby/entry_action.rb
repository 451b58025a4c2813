# Does to one entry of a sorted set what the buttons of the Web UI do.
# Input: {"set": ..., "jid": ..., "action": "retry" | "kill" | "delete" | "add_to_queue" | "reschedule", "at": seconds}.
# Output: whether the entry was there.

require_relative "tool"

input = Tool.input
action = input.fetch("action")
raise ArgumentError, "no such action: #{action}" unless %w[retry kill delete add_to_queue reschedule].include?(action)

entry = Tool.set(input.fetch("set")).find_job(input.fetch("jid"))
arguments = action == "reschedule" ? [Time.at(input.fetch("at"))] : []
entry&.public_send(action, *arguments)
Tool.output(!entry.nil?)
