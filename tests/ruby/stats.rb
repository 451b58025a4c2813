# The numbers of the Web UI's front page and of its history. No input.

require_relative "tool"

stats = Sidekiq::Stats.new
history = Sidekiq::Stats::History.new(2)
Tool.output(
  "processed" => stats.processed,
  "failed" => stats.failed,
  "enqueued" => stats.enqueued,
  "scheduled" => stats.scheduled_size,
  "retries" => stats.retry_size,
  "dead" => stats.dead_size,
  "processes" => stats.processes_size,
  "busy" => stats.workers_size,
  "default_latency" => stats.default_queue_latency,
  "queues" => stats.queues,
  "processed_by_day" => history.processed,
  "failed_by_day" => history.failed
)
