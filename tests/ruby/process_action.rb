# Quiets or stops a process as the Web UI does. Input: {"identity": ..., "action": "quiet!" | "stop!" | "dump_threads"}.
# Output: whether a process of that identity was there.

require_relative "tool"

input = Tool.input
action = input.fetch("action")
raise ArgumentError, "no such action: #{action}" unless %w[quiet! stop! dump_threads].include?(action)

process = Sidekiq::ProcessSet.new(false).find { |p| p["identity"] == input.fetch("identity") }
process&.public_send(action)
Tool.output(!process.nil?)
