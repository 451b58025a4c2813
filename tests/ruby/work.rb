# The running jobs of the Web UI's Busy page. No input.

require_relative "tool"

work = Tool::WORK_SET.new.map do |process, thread, work|
  {"process" => process, "thread" => thread, "queue" => work["queue"], "run_at" => work["run_at"],
   "payload" => work["payload"]}
end
Tool.output(work)
