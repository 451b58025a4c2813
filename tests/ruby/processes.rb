# The processes of the Web UI's Busy page. No input. Keys as in the heartbeat, plus what Ruby derives from them.

require_relative "tool"

# `false`: do not clean up first. Ruby's cleaning would remove what a test is about to look at.
processes = Sidekiq::ProcessSet.new(false).map do |process|
  fields = %w[hostname started_at pid tag concurrency queues weights labels identity version embedded
              busy beat quiet rss rtt_us]
  fields.to_h { |field| [field, process[field]] }.merge("stopping" => process.stopping?)
end
Tool.output(processes)
