# What a browser gets from Ruby's Web UI. Input: {"requests": [{"path": ..., "form": {...}}, ...]}; with "form" it is a
# click on a button (POST), else a page. Output: for each [status, body]. One session, with its CSRF token, for all.

require_relative "tool"
require "rack"
require "securerandom"
require "sidekiq/web"

session = {csrf: SecureRandom.base64(32)}
browser = Rack::MockRequest.new(Sidekiq::Web)
answers = Tool.input.fetch("requests").map do |request|
  form = request["form"]
  response = if form
    browser.post(request["path"], "rack.session" => session,
                 :params => form.merge("authenticity_token" => session[:csrf]))
  else
    browser.get(request["path"], "rack.session" => session)
  end
  [response.status, response.body]
end
Tool.output(answers)
