//! One run of a job, as programs and endpoints are told about it.

/// What is known of a run.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The job's id.
    pub jid: &'a str,
    /// Its class, a name from the configuration.
    pub class: &'a str,
    /// The queue it was claimed from.
    pub queue: &'a str,
    /// 1 for the first run.
    pub attempt: u32,
    /// Its arguments: the text of a JSON array, byte for byte as it was pushed.
    pub args: &'a str,
    /// The trace that the run belongs to, as `traceparent` and `tracestate`; may be empty.
    pub trace: &'a [(&'static str, String)],
}

// Arguments are personal data often enough; no log line shows them.
impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("jid", &self.jid)
            .field("class", &self.class)
            .field("queue", &self.queue)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
