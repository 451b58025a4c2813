# The jobs, and what worker and client have in common.
require "sidekiq"

# Above the two lines that Sidekiq logs for each job: writing them halves what it drains.
Sidekiq.logger.level = Logger::WARN

module Bench
  def self.now(clock = Process::CLOCK_REALTIME) = Process.clock_gettime(clock, :nanosecond)

  OPENING = Mutex.new
  def self.latency_file
    OPENING.synchronize { @file ||= File.open(ENV.fetch("LATENCY_FILE"), "a").tap { |file| file.sync = true } }
  end
end

class BenchJob
  include Sidekiq::Worker
  sidekiq_options queue: "bench"
end

class Noop < BenchJob
  def perform(_i, _text) = nil
end

class Sleep1 < BenchJob
  def perform(_i, _text) = sleep(0.001)
end

class Sleep10 < BenchJob
  def perform(_i, _text) = sleep(0.010)
end

class Compute1 < BenchJob
  # The thread's own CPU time: on the wall clock, waiting for Ruby's lock would count as work.
  def perform(_i, _text)
    finish = Bench.now(Process::CLOCK_THREAD_CPUTIME_ID) + 1_000_000
    nil while Bench.now(Process::CLOCK_THREAD_CPUTIME_ID) < finish
  end
end

class Latency < BenchJob
  def perform(pushed, _text)
    nanoseconds = Bench.now - pushed
    Bench.latency_file.write("#{nanoseconds}\n")
  end
end
