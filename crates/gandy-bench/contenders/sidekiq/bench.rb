# The verbs that enqueue: Sidekiq's client (see ../README.md).
require_relative "jobs"
require "json"

TEXT = "x" * 102
JOBS = Integer(ENV.fetch("JOBS"))
CLASS = Object.const_get(ENV.fetch("WORK", "noop").capitalize)

# One connection for each of the 64 callers; the default of 5 would make them queue for one.
Sidekiq.configure_client { |config| config.redis = {size: ARGV[0] == "push64" ? 64 : 1} }

def fill
  (0...JOBS).each_slice(1000) { |slice| Sidekiq::Client.push_bulk("class" => CLASS, "args" => slice.map { |i| [i, TEXT] }) }
end

def push
  JOBS.times { |i| CLASS.perform_async(i, TEXT) }
end

def push64
  (0...64).map { |caller|
    Thread.new { caller.step(JOBS - 1, 64) { |i| CLASS.perform_async(i, TEXT) } }
  }.each(&:join)
end

def pickup
  pace = Float(ENV.fetch("PACE_MS")) / 1000
  start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  JOBS.times do |i|
    rest = start + i * pace - Process.clock_gettime(Process::CLOCK_MONOTONIC)
    sleep(rest) if rest > 0
    Latency.perform_async(Bench.now, TEXT)
  end
end

VERBS = %w[fill push push64 pickup].freeze
abort "unknown verb #{ARGV[0]}" unless VERBS.include?(ARGV[0])
Sidekiq.redis(&:ping)
start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
send(ARGV[0])
puts JSON.generate(seconds: Process.clock_gettime(Process::CLOCK_MONOTONIC) - start)
