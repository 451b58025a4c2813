# The jobs of a real Sidekiq worker: `sidekiq -r worker.rb`. They write the same history as the harness' own handlers
# (src/history.rs): one write of one line to a file opened for appending, so that a kill -9 cannot take it back.

require "json"
require "socket"
require "sidekiq"

# Debian's Sidekiq is older than its Redis client, which warns about each BRPOP and would bury a test's log.
Redis.silence_deprecations = true if Redis.respond_to?(:silence_deprecations=)

# Two lines for each job would be most of what a measurement measures.
Sidekiq.logger.level = Logger::WARN if ENV["GANDY_TEST_QUIET"]

module RubyHistory
  NAME = ENV.fetch("GANDY_TEST_WORKER") { "ruby-#{Process.pid}" }
  FOLDER = ENV["GANDY_TEST_HISTORY"]
  FILE = FOLDER && File.open(File.join(FOLDER, "ruby-#{Process.pid}.history"), File::WRONLY | File::CREAT | File::APPEND)

  def self.write(event, jid)
    return unless FILE
    microseconds = Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)
    FILE.syswrite("#{event} #{jid} #{NAME} #{microseconds}\n")
  end
end

module RubyJob
  def self.included(base)
    base.include(Sidekiq::Worker)
  end

  def record
    RubyHistory.write("start", jid)
    yield
    RubyHistory.write("end", jid)
  end
end

# Notes its args in the hash test:echo under its jid, as JSON text.
class EchoJob
  include RubyJob

  def perform(*args)
    record { Sidekiq.redis { |r| r.hset("test:echo", jid, JSON.generate(args)) } }
  end
end

# Only writes history: the job of the crash tests. Any args.
class HistoryJob
  include RubyJob

  def perform(*)
    record {}
  end
end

# Sleeps that many seconds between start and end.
class SleepJob
  include RubyJob

  def perform(seconds, *)
    record { sleep seconds }
  end
end

# Always fails. Its start is written, never its end.
class FailJob
  include RubyJob

  def perform(message = "failed on purpose", *)
    record { raise ArgumentError, message }
  end
end

# The classes of Gandy's own test worker, so that both can be measured with the same payloads.
class Noop
  include Sidekiq::Worker

  def perform(*)
  end
end

class Note < HistoryJob
end
