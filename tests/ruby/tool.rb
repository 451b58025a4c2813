# What the tools in this folder share: JSON in on stdin, one JSON document out on stdout, Sidekiq's own client between.
# REDIS_URL says where (Sidekiq reads it by itself). A tool only calls Sidekiq's public API: what it prints is what a
# Ruby application or its Web UI would see.

require "json"
require "sidekiq"
require "sidekiq/api"

# Debian's Sidekiq is older than its Redis client, which warns about each BRPOP and would bury a test's log.
Redis.silence_deprecations = true if Redis.respond_to?(:silence_deprecations=)

module Tool
  # Renamed in 6.5: Sidekiq::Workers before, Sidekiq::WorkSet since.
  WORK_SET = defined?(Sidekiq::WorkSet) ? Sidekiq::WorkSet : Sidekiq::Workers

  def self.input
    text = $stdin.read
    text.empty? ? {} : JSON.parse(text)
  end

  def self.output(value)
    puts JSON.generate(value)
  end

  # One job as Ruby understands it, beside the bytes that it read.
  def self.job(record)
    {
      "jid" => record.jid,
      "class" => record.klass,
      "display_class" => record.display_class,
      "args" => record.args,
      "queue" => record.queue,
      "created_at" => record.created_at&.to_f,
      "enqueued_at" => record.enqueued_at&.to_f,
      "error_backtrace" => record.error_backtrace,
      "item" => record.item,
      "raw" => record.value
    }
  end

  def self.set(name)
    case name
    when "retry" then Sidekiq::RetrySet.new
    when "schedule" then Sidekiq::ScheduledSet.new
    when "dead" then Sidekiq::DeadSet.new
    else raise ArgumentError, "no such set: #{name}"
    end
  end
end
