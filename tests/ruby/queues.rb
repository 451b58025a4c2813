# Every queue that Ruby knows of, its jobs newest first. No input.

require_relative "tool"

queues = Sidekiq::Queue.all.map do |queue|
  [queue.name, {"size" => queue.size, "latency" => queue.latency, "paused" => queue.paused?,
                "jobs" => queue.map { |job| Tool.job(job) }}]
end
Tool.output(queues.to_h)
