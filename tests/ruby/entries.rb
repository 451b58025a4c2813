# The entries of a sorted set, earliest first. Input: {"set": "retry" | "schedule" | "dead"}.

require_relative "tool"

entries = Tool.set(Tool.input.fetch("set")).map do |entry|
  Tool.job(entry).merge("score" => entry.score, "at" => entry.at.to_f)
end
Tool.output(entries.sort_by { |e| e["score"] })
